from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

PARTS = {
    "backbones/tiny_net.py": """
        name: Literal["tiny_net"]
        weights: str
        depth: Annotated[int, Field(ge=1, le=4)] = 2
    """,
    "necks/pyramid.py": """
        name: Literal["pyramid"]
        channels: Annotated[int, Field(ge=8)]
    """,
    "necks/none.py": """
        name: Literal["none"]
        channels: int | None = None
    """,
    "heads/boxes.py": """
        task: ClassVar[str] = "detect"
        neck: ClassVar[str] = "needed"
        name: Literal["boxes"]
        fine_tuning: ClassVar[FineTuning] = FineTuning(epochs=9, learning_rate=0.004)
        cells: Literal[1, 3] = 1
        tight: Literal["fast", "not so, or slow", True, None] = True
    """,
    "heads/labels.py": """
        task: ClassVar[str] = "classify"
        neck: ClassVar[str] = "none"
        fine_tuning: ClassVar[FineTuning] = FineTuning(epochs=17, learning_rate=0.0005)
        name: Literal["labels"]
    """,
}
HEADER = """from typing import Annotated, ClassVar, Literal
from pydantic import Field
from glasshouse.params import FineTuning, Strict
class Params(Strict):
"""
_numbers = count()


@pytest.fixture
def make_parts(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], str]]:
    """Writes a package of part files and gives its import name."""
    folder = tmp_path / "parts"
    made: list[str] = []

    def make(bodies: dict[str, str]) -> str:
        package = f"parts_{next(_numbers)}"
        made.append(package)
        for name, body in bodies.items():
            file = folder / package / name
            file.parent.mkdir(parents=True, exist_ok=True)
            (file.parent / "__init__.py").touch()
            file.write_text(body if "class " in body else HEADER + body.replace("        ", "    "))
        (folder / package / "__init__.py").touch()
        (folder / package / "weights").mkdir()
        (folder / package / "weights" / "tiny_net.weights.h5").touch()
        return package

    sys.path.insert(0, str(folder))
    yield make
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] in made]:
        del sys.modules[name]


@pytest.fixture
def package(make_parts: Callable[[dict[str, str]], str]) -> str:
    return make_parts(PARTS)


@pytest.fixture
def text() -> str:
    """The project's own params.yaml, with the parts of the `package` fixture."""
    text = (Path(__file__).parents[2] / "params.yaml").read_text()
    for ours, theirs in {
        "csp_compact": "tiny_net",
        "top_down": "pyramid",
        "name: anchor_free": "name: boxes",
    }.items():
        assert ours in text
        text = text.replace(ours, theirs)
    return text
