"""`glasshouse architectures`: the parts that params.yaml may name, without importing any."""

from __future__ import annotations

import ast
import re
from argparse import Namespace
from pathlib import Path

from glasshouse.params import part_names
from glasshouse.params.parts import FOLDERS

MODELS = Path(__file__).parents[1] / "models"


def show(_options: Namespace) -> int:
    """A block a kind, a line a part."""
    for kind, folder in FOLDERS.items():
        names = part_names(kind)
        width = max((len(name) for name in names), default=0)
        print(f"model.{kind}.name:")
        for name in names:
            print(f"  {name:{width}}  {read_first_sentence(MODELS / folder / f'{name}.py')}")
    return 0


def read_first_sentence(path: Path) -> str:
    """First sentence of a module's docstring on one line; empty where it has none."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return re.split(r"(?<=[.:]) (?=[A-Z])", paragraph)[0]
