from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from import_graph import ImportFault, gather, stage_files

Files = Callable[[dict[str, str]], set[str]]


@pytest.fixture
def files_of(tmp_path: Path) -> Files:
    """Writes a project whose stage `grow` is the file pipeline/grow.py and walks it."""

    def walk(sources: dict[str, str]) -> set[str]:
        for name, source in {"src/pkg/__init__.py": "", **sources}.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)
        return set(stage_files(tmp_path / "pipeline" / "grow.py", tmp_path)) - {"pipeline/grow.py"}

    return walk


A = {"src/pkg/a.py": ""}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os, json.decoder", set()),
        ("import pkg", {"src/pkg/__init__.py"}),
        ("import pkg.a", {"src/pkg/__init__.py", "src/pkg/a.py"}),
        ("import pkg.a as b", {"src/pkg/__init__.py", "src/pkg/a.py"}),
        ("from pkg import a", {"src/pkg/__init__.py", "src/pkg/a.py"}),
        ("from pkg import a as b", {"src/pkg/__init__.py", "src/pkg/a.py"}),
        ("from pkg import no_module", {"src/pkg/__init__.py"}),
        ("from pkg.a import name", {"src/pkg/__init__.py", "src/pkg/a.py"}),
        ("from pkg import *", {"src/pkg/__init__.py"}),
        ("def f():\n    from pkg.a import name", {"src/pkg/__init__.py", "src/pkg/a.py"}),
        ("class C:\n    def f(self):\n        import pkg.a", {"src/pkg/__init__.py", "src/pkg/a.py"}),
        ("try:\n    import pkg.a\nexcept OSError:\n    pass", {"src/pkg/__init__.py", "src/pkg/a.py"}),
        ("with open('x'):\n    import pkg.a", {"src/pkg/__init__.py", "src/pkg/a.py"}),
        (
            "from importlib import import_module\nimport_module('pkg.a')",
            {"src/pkg/__init__.py", "src/pkg/a.py"},
        ),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pkg.a", set()),
        ("import typing\nif typing.TYPE_CHECKING:\n    import pkg.a", set()),
        ("if TYPE_CHECKING:\n    import os\nelse:\n    import pkg", {"src/pkg/__init__.py"}),
        ("if TYPE_CHECKING:\n    pass\nelif x:\n    import pkg", {"src/pkg/__init__.py"}),
    ],
)
def test_forms_of_import(source: str, found: set[str], files_of: Files) -> None:
    assert files_of({**A, "pipeline/grow.py": source}) == found


def test_transitive_with_cycle(files_of: Files) -> None:
    found = files_of(
        {
            "pipeline/grow.py": "from pkg.a import f",
            "src/pkg/a.py": "from pkg.b import g",
            "src/pkg/b.py": "def g():\n    import pkg.a",
            "src/pkg/unused.py": "import pkg.c",
            "src/pkg/c.py": "",
        }
    )
    assert found == {"src/pkg/__init__.py", "src/pkg/a.py", "src/pkg/b.py"}


def test_package_inits_count(files_of: Files) -> None:
    found = files_of(
        {
            "pipeline/grow.py": "import pkg.deep.er.leaf",
            "src/pkg/deep/__init__.py": "from pkg import shared",
            "src/pkg/deep/er/__init__.py": "",
            "src/pkg/deep/er/leaf.py": "",
            "src/pkg/shared.py": "",
        }
    )
    assert found == {
        "src/pkg/__init__.py",
        "src/pkg/deep/__init__.py",
        "src/pkg/deep/er/__init__.py",
        "src/pkg/deep/er/leaf.py",
        "src/pkg/shared.py",
    }


@pytest.mark.parametrize(
    ("module", "source", "also"),
    [
        ("room/x.py", "from . import y", {"src/pkg/room/y.py"}),
        ("room/x.py", "from .y import name", {"src/pkg/room/y.py"}),
        ("room/x.py", "from .. import z", {"src/pkg/z.py"}),
        ("room/x.py", "from ..z import name", {"src/pkg/z.py"}),
        ("room/__init__.py", "from . import y", {"src/pkg/room/y.py"}),
        ("room/__init__.py", "from .y import name", {"src/pkg/room/y.py"}),
        ("room/__init__.py", "from ..z import name", {"src/pkg/z.py"}),
        ("room/__init__.py", "from .y import *", {"src/pkg/room/y.py"}),
    ],
)
def test_relative_imports(module: str, source: str, also: set[str], files_of: Files) -> None:
    found = files_of(
        {
            "pipeline/grow.py": "import pkg.room.x",
            "src/pkg/room/__init__.py": "",
            "src/pkg/room/x.py": "",
            "src/pkg/room/y.py": "",
            "src/pkg/z.py": "",
            f"src/pkg/{module}": source,
        }
    )
    assert found == {"src/pkg/__init__.py", "src/pkg/room/__init__.py", "src/pkg/room/x.py"} | also


def test_star_takes_submodules_in_all(files_of: Files) -> None:
    found = files_of(
        {**A, "pipeline/grow.py": "from pkg import *", "src/pkg/__init__.py": "__all__ = ['a', 'x']"}
    )
    assert found == {"src/pkg/__init__.py", "src/pkg/a.py"}


PARTS = {
    "pipeline/grow.py": "import pkg.catalog",
    "src/pkg/catalog.py": (
        "from importlib import import_module\n"
        "DYNAMIC_IMPORTS = ('pkg.parts.${model.name}', 'pkg.suites.${stage}')\n"
        "def find(name): return import_module(f'pkg.parts.{name}')\n"
    ),
    "src/pkg/parts/__init__.py": "",
    "src/pkg/parts/first.py": "import pkg.only_first",
    "src/pkg/parts/second.py": "import pkg.only_second",
    "src/pkg/only_first.py": "",
    "src/pkg/only_second.py": "",
    "src/pkg/suites/__init__.py": "",
    "src/pkg/suites/grow.py": "",
    "src/pkg/suites/cut.py": "",
}


def test_dynamic_imports(files_of: Files) -> None:
    assert files_of(PARTS) == {
        "src/pkg/__init__.py",
        "src/pkg/catalog.py",
        "src/pkg/parts/__init__.py",
        "src/pkg/parts/${model.name}.py",
        "src/pkg/only_first.py",  # of whatever the key may choose
        "src/pkg/only_second.py",
        "src/pkg/suites/__init__.py",
        "src/pkg/suites/grow.py",
    }


def test_part_that_another_imports_is_named(files_of: Files) -> None:
    found = files_of({**PARTS, "src/pkg/parts/second.py": "from pkg.parts import first"})
    assert {"src/pkg/parts/first.py", "src/pkg/parts/${model.name}.py"} <= found
    assert "src/pkg/parts/second.py" not in found


def test_undeclared_dynamic_import(files_of: Files) -> None:
    source = "import importlib\ndef f(name): return importlib.import_module(name)"
    with pytest.raises(ImportFault, match=r"grow\.py:2: .*DYNAMIC_IMPORTS"):
        files_of({"pipeline/grow.py": source})
    assert files_of({"pipeline/grow.py": f"DYNAMIC_IMPORTS: tuple[str, ...] = ()\n{source}"}) == set()


@pytest.mark.parametrize("pattern", ["pkg.parts.${x}", "pkg.none", "pkg.suites.${stage}"])
def test_dynamic_import_of_nothing(pattern: str, files_of: Files) -> None:
    with pytest.raises(ImportFault, match="DYNAMIC_IMPORTS"):
        files_of({"pipeline/grow.py": f"DYNAMIC_IMPORTS = ({pattern!r},)"})


def test_reads(files_of: Files) -> None:
    sources = {
        "pipeline/grow.py": "READS = ('src/pkg/page.html', 'src/pkg/weights', 'src/pkg/weights/${name}.h5')",
        "src/pkg/page.html": "",
        "src/pkg/weights/net.h5": "",
    }
    assert files_of(sources) == {"src/pkg/page.html", "src/pkg/weights", "src/pkg/weights/${name}.h5"}
    with pytest.raises(ImportFault, match=r"READS: no file is like src/pkg/nothing"):
        files_of({"pipeline/grow.py": "READS = ('src/pkg/nothing',)"})


def test_undeclared_reads(files_of: Files) -> None:
    source = "from pathlib import Path\nPAGE = Path(__file__).parent / 'page.html'"
    with pytest.raises(ImportFault, match=r"grow\.py:2: __file__: .*READS"):
        files_of({"pipeline/grow.py": source})
    assert files_of({"pipeline/grow.py": f"{source}\nREADS = ()"}) == set()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import pkg.none", r"grow\.py:1: there is no module pkg\.none"),
        ("\nfrom pkg.none import x", r"grow\.py:2: there is no module pkg\.none"),
        ("from . import x", "outside of a package"),
        ("def f(:", r"grow\.py:1"),
    ],
)
def test_broken_imports(source: str, words: str, files_of: Files) -> None:
    with pytest.raises(ImportFault, match=words):
        files_of({"pipeline/grow.py": source})


def test_relative_import_beyond_the_top(files_of: Files) -> None:
    with pytest.raises(ImportFault, match="beyond the top"):
        files_of({"pipeline/grow.py": "import pkg.a", "src/pkg/a.py": "from ...x import y"})


def test_full_folders_stand_for_their_files(tmp_path: Path) -> None:
    names = [
        "full/__init__.py",
        "full/a.py",
        "full/deep/b.py",
        "part/a.py",
        "part/b.py",
        "page/a.py",
        "page/html/x",
    ]
    for name in names:
        file = tmp_path / "src" / "pkg" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "src" / "pkg" / "full" / "__pycache__").mkdir()
    (tmp_path / "src" / "pkg" / "full" / "__pycache__" / "a.pyc").touch()
    files = {f"src/pkg/{name}" for name in names} - {"src/pkg/part/b.py", "src/pkg/page/html/x"}
    gathered = gather({*files, "src/pkg/page/html", "src/pkg/nets/${name}.py", "pipeline/grow.py"}, tmp_path)
    assert gathered == {
        "pipeline/grow.py",
        "src/pkg/full",
        "src/pkg/nets/${name}.py",
        "src/pkg/page",
        "src/pkg/part/a.py",
    }


def test_a_choice_never_stands_for_its_folder(tmp_path: Path) -> None:
    (tmp_path / "src/pkg/nets").mkdir(parents=True)
    (tmp_path / "src/pkg/nets/only.py").touch()
    assert gather({"src/pkg/nets/${name}.py"}, tmp_path) == {"src/pkg/nets/${name}.py"}
