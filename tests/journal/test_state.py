from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glasshouse.journal.state import digest_values, read_state

UNCHANGING: dict[str, Callable[[Any], None]] = {
    "the block tracking": lambda project: project.set("experiment: glasshouse", "experiment: other"),
    "the block promotion": lambda project: project.set("rule: better", "rule: not_worse"),
    "a comment in params.yaml": lambda project: project.set("seed: 7", "seed: 7  # lucky"),
    "another way to write a number": lambda project: project.set("2.0e-3", "0.002"),
    "a comment in dvc.yaml": lambda project: project.set("stages:", "# hello\nstages:", "dvc.yaml"),
    "plots in dvc.yaml": lambda project: project.write(
        "dvc.yaml", (project.root / "dvc.yaml").read_text() + "plots: []\n"
    ),
    "code that no stage imports": lambda project: project.write("src/mirror.py", "x"),
    "what a stage wrote": lambda project: project.make_outputs(),
    "the file's time": lambda project: os.utime(project.root / "src/room.py", (1, 1)),
}
CHANGING: dict[str, Callable[[Any], None]] = {
    "a param": lambda project: project.set("seed: 7", "seed: 8"),
    "code": lambda project: project.write("src/room.py", "X = 2\n"),
    "a script": lambda project: project.write("pipeline/download.py", "# other\n"),
    "weights": lambda project: project.write("src/weights.h5", "v" * 1000),
    "code that is gone": lambda project: (project.root / "src/room.py").unlink(),
    "a command": lambda project: project.set(
        "python pipeline/export.py", "python -O pipeline/export.py", "dvc.yaml"
    ),
    "another source": lambda project: project.set("source: blooms", "source: folder"),
}


@pytest.mark.parametrize("change", UNCHANGING.values(), ids=list(UNCHANGING))
def test_stays_the_same_state(project: Any, change: Callable[[Any], None]) -> None:
    before = read_state(project.root).id
    change(project)
    assert read_state(project.root).id == before


@pytest.mark.parametrize("change", CHANGING.values(), ids=list(CHANGING))
def test_makes_another_state(project: Any, change: Callable[[Any], None]) -> None:
    before = read_state(project.root).id
    change(project)
    assert read_state(project.root).id != before


def test_the_digest_of_values_is_that_of_their_shortest_json_in_utf_8() -> None:
    """As of `{"b":[1,null],"ä":"ö"}`, by sha256sum: registered models are known by it."""
    values = {"ä": "ö", "b": [1, None]}
    assert digest_values(values) == "25c1a5f6a69fdb35bbc3f56a025715ab76b3760c1331a3b98e2039da96bd07b3"


def test_a_folder_of_pictures_counts_by_name_and_content(project: Any) -> None:
    project.set("source: blooms", "source: folder")
    ids = [read_state(project.root).id]
    for path, content in (("tulip/a.jpg", "1"), ("tulip/a.jpg", "2"), ("rose/a.jpg", "2")):
        project.write(f"data/pictures/{path}", content)
        ids.append(read_state(project.root).id)
    (project.root / "data/pictures/rose/a.jpg").rename(project.root / "data/pictures/rose/b.jpg")
    ids.append(read_state(project.root).id)
    assert len(set(ids)) == len(ids)


def test_a_weights_file_named_in_the_params_counts(project: Any) -> None:
    project.set("weights: none", "weights: mine.weights.h5")
    before = read_state(project.root).id
    project.write("mine.weights.h5", "1")
    assert read_state(project.root).id != before


def test_a_path_may_hold_a_param(project: Any) -> None:
    project.set("src/room.py, data/raw", "src/room.py, '${dataset.path}', data/raw", "dvc.yaml")
    assert "data/pictures" in read_state(project.root).sources


def test_the_same_in_another_process_and_folder(
    project: Any, make_project: Callable[[Path], Any], run_python: Callable[..., Any], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_project(other)
    code = "from pathlib import Path; import glasshouse.journal.state as s; print(s.read_state(Path()).id)"
    answer = run_python("-c", code, cwd=other, PYTHONHASHSEED="5")
    assert answer.stdout.strip() == read_state(project.root).id


def test_reading_it_is_cheap(project: Any) -> None:
    deps = ", ".join(f"src/module_{number}.py" for number in range(60))
    for number in range(60):
        project.write(f"src/module_{number}.py", "x = 1\n" * 200)
    project.set("src/room.py", f"src/room.py, {deps}", "dvc.yaml")
    start = time.process_time()
    read_state(project.root)
    assert time.process_time() - start < 1  # a few hundredths; a parser in Python takes seconds


def test_outside_a_project_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"params\.yaml is missing: run in the project's folder"):
        read_state(tmp_path)
    (tmp_path / "params.yaml").write_text("seed: 7\n")
    with pytest.raises(ValueError, match=r"dvc\.yaml is missing: run in the project's folder"):
        read_state(tmp_path)


def test_a_stage_that_was_frozen_for_a_while_is_no_other_state(project: Any) -> None:
    """`dvc unfreeze` leaves `frozen: false`: the same files had another run and another model's version."""
    before = read_state(project.root).id
    for value in ("true", "false"):
        project.set("  evaluate:\n", f"  evaluate:\n    frozen: {value}\n", "dvc.yaml")
        assert read_state(project.root).id == before
        project.set(f"    frozen: {value}\n", "", "dvc.yaml")
