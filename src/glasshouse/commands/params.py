"""`glasshouse params check`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glasshouse.params import STAGE_KEYS, Fault, ParamsError, flatten
from glasshouse.params.document import read_document
from glasshouse.params.read import check_document
from glasshouse.params.recommended import AUTO, BLOCK, find_auto

NO_PATH = "must be there, since DVC takes its digest whatever dataset.source is: an empty folder will do."


def check(_options: Namespace) -> int:
    """Say that params.yaml is sound, and what numbers `auto` stands for.

    Raises:
        ParamsError: all its faults.
        ValueError: severities are set of checks that are not there.
    """
    path = Path("params.yaml")
    document = read_document(path)
    params = check_document(document, path)
    if not Path(params.dataset.path).exists():
        raise ParamsError(path, [Fault(document.line(("dataset", "path")), "dataset.path", NO_PATH)])
    if any(getattr(params.quality, stage).severity for stage in STAGE_KEYS):
        from glasshouse.quality.checking.guard import check_severities

        check_severities(params.quality)
    print(f"{path} is sound: {len(flatten(params))} values.")
    for name in find_auto(document):
        said = f"{BLOCK}.{name}: {AUTO} is {getattr(params.fine_tune, name)}"
        print(f"{said}, which head {params.model.head.name} recommends")
    return 0
