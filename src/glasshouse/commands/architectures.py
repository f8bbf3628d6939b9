"""`glasshouse architectures`: what params.yaml may name, and what each backbone costs before training."""

from __future__ import annotations

import ast
import json
import re
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from glasshouse.params import part_names
from glasshouse.params.faults import suggest
from glasshouse.params.parts import FOLDERS

MODELS = Path(__file__).parents[1] / "models"
PARAMS, BATCH_KEY, BATCH = Path("params.yaml"), "fine_tune.batch_size", 32
HEADINGS = ("backbone", "input", "parameters", "trainable", "weights", "multiply-adds", "forward", "training")

Row = dict[str, Any]  # what --json prints of one backbone; `error` where it could not be counted


def show(options: Namespace) -> int:
    """A line a backbone, then necks and heads; status 1 where a backbone could not be counted."""
    names, batch_size = choose_names(options.names), options.batch or find_batch_size()
    rows = count_rows(names, batch_size)
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        _print_table(rows, batch_size)
        for kind in FOLDERS if options.names else ("neck", "head"):
            _print_parts(kind, [name for name in part_names(kind) if name in names or not options.names])
    for row in rows:
        if "error" in row:
            print(f"glasshouse: {row['name']} could not be counted: {row['error']}", file=sys.stderr)
    return int(any("error" in row for row in rows))


def choose_names(wanted: Sequence[str]) -> list[str]:
    """The wanted backbones, all where none is named; raises ValueError for a name that is none."""
    valid = part_names("backbone")
    for name in wanted:
        if name not in valid:
            raise ValueError(f"no backbone {name!r}. {suggest(name, valid)}")
    return list(dict.fromkeys(wanted)) or list(valid)


def find_batch_size(path: Path = PARAMS) -> int:
    """fine_tune.batch_size of params.yaml; 32 where there is no such file."""
    from glasshouse.journal.pipeline import look_up, read_yaml

    if not path.is_file():
        return BATCH
    size = look_up(read_yaml(path), BATCH_KEY)
    if type(size) is not int or size < 1:
        raise ValueError(
            f"{path}: {BATCH_KEY} must be a whole number above 0 (or say --batch). Got {size!r} instead."
        )
    return size


def count_rows(names: Iterable[str], batch_size: int) -> list[Row]:
    """Count what is not kept from before, and keep it where this is a project's folder.

    One that cannot be counted is a row with its reason, and the rest go on.
    """
    from glasshouse.models.counted import KEPT, read_counted, write_counted

    counted = read_counted(KEPT)
    reasons: dict[str, str] = {}
    if missing := [name for name in names if name not in counted]:
        found, reasons = _count(missing)
        counted |= found
        if PARAMS.is_file():
            try:
                write_counted(KEPT, counted.values())
            except OSError as error:  # as in a folder that may only be read: what was counted is told
                print(f"warning: the counts are not kept ({KEPT}: {error.strerror}).", file=sys.stderr)
    return [
        {"name": name, "error": reasons[name]} if name in reasons else counted[name].describe(batch_size)
        for name in names
    ]


def _count(names: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    from tqdm import tqdm

    from glasshouse.models.counted import count_backbone
    from glasshouse.training.quiet import quiet

    with quiet():
        import keras

        keras.ops.zeros(1)  # the backend says hello when it first computes
    counted, reasons = {}, {}
    for name in tqdm(names, desc="counting", unit="network", disable=None):
        try:
            counted[name] = count_backbone(name)
        except Exception as error:
            reasons[name] = f"{type(error).__name__}: {error}"
    return counted, reasons


def _print_table(rows: Sequence[Row], batch_size: int) -> None:
    from glasshouse.commands.times import align

    cells = [list(HEADINGS), *(_cells(row) for row in rows if "error" not in row)]
    print("\n".join(align([[*line, ""] for line in cells])))
    print(
        f"Multiply-adds and forward memory are of one picture, training memory of {batch_size}: all layers' "
        "outputs,\nthe pictures and the weights; gradients and the optimizer's own memory come on top.\n"
    )


def _cells(row: Row) -> list[str]:
    return [
        row["name"],
        "x".join(map(str, row["input_size"])),
        f"{row['params_total']:,}",
        f"{row['params_trainable']:,}",
        f"{row['weights_bytes'] / 1e6:,.1f} MB",
        f"{row['flops'] / 1e6:,.1f} M",
        f"{row['forward_bytes'] / 1e6:,.1f} MB",
        f"{row['training_bytes'] / 1e6:,.0f} MB",
    ]


def _print_parts(kind: str, names: Sequence[str]) -> None:
    if not names:
        return
    width = max(len(name) for name in names)
    print(f"model.{kind}.name:")
    for name in names:
        print(f"  {name:{width}}  {read_first_sentence(MODELS / FOLDERS[kind] / f'{name}.py')}")


def read_first_sentence(path: Path) -> str:
    """First sentence of a module's docstring on one line; empty where it has none."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return re.split(r"(?<=[.:]) (?=[A-Z])", paragraph)[0]
