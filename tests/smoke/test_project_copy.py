from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import project_copy
import pytest
import smoke
from project_copy import ProjectCopy, TrialFailure

from glasshouse.params import check

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> ProjectCopy:
    """A folder with params.yaml and nothing else."""
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return ProjectCopy(folder)


@pytest.mark.parametrize("changes", [project_copy.TINY, smoke.CLASSIFY])
def test_tiny_params_are_sound(changes: dict[str, object], copy: ProjectCopy) -> None:
    (copy.folder / smoke.PHOTOS).mkdir(parents=True)
    copy.change(changes)
    assert check(copy.folder / "params.yaml") == ()


def test_tiny_opens_no_limit_of_the_guard() -> None:
    assert [key for key in {**project_copy.TINY, **smoke.CLASSIFY} if key.startswith("quality.")] == []


def test_key_that_has_gone(copy: ProjectCopy) -> None:
    (copy.folder / "params.yaml").write_text("a: {b: 1}  # why\n")
    copy.change({"a.b": 2})
    assert (copy.folder / "params.yaml").read_text() == "a: {b: 2}  # why\n"
    with pytest.raises(TrialFailure, match=r"no a\.c any more"):
        copy.change({"a.c": 2})


def test_copy_leaves_out_what_git_ignores(tmp_path: Path) -> None:
    project_copy.copy_files(ROOT, tmp_path)
    assert (tmp_path / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()
    assert (tmp_path / ".dvc/config").is_file()
    assert not (tmp_path / ".venv").exists() and not (tmp_path / "dvc.lock").exists()


def test_commands_see_the_copy_alone(copy: ProjectCopy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://example.invalid")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("DVC_ROOT", "/nowhere")
    code = (
        "import os; print(os.getcwd(), os.environ['PYTHONPATH'], *(n for n in os.environ if n[:4] in "
        "('GIT_', 'MLFL')), 'DVC_ROOT' in os.environ, os.environ['X'])"
    )
    said = copy.run(sys.executable, "-c", code, X="1")
    assert said.split() == [str(copy.folder), str(copy.folder / "src"), "False", "1"]
    assert copy.environment()["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)


def test_failing_command_is_said(copy: ProjectCopy) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    assert copy.attempt(sys.executable, "-c", code).returncode == 3
    with pytest.raises(TrialFailure, match=r"(?s)`python -c .*status 3:\n.*err"):
        copy.run(sys.executable, "-c", code)


def test_twin_holds_all_but_the_runs(copy: ProjectCopy) -> None:
    for name in ("mlflow.db", "mlruns/1/x", ".dvc/cache/y", ".glasshouse/journal/z"):
        path = copy.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    twin = copy.twin("twin").folder
    found = {path.relative_to(twin).as_posix() for path in twin.rglob("*") if path.is_file()}
    assert found == {"params.yaml", ".dvc/cache/y", ".glasshouse/journal/z"}


def test_stages_are_told_by_what_dvc_prints() -> None:
    said = "Running stage 'download':\n> python x\nStage 'split' didn't change\nRunning stage 'export':"
    assert project_copy.stages_run(said) == ["download", "export"]
    assert project_copy.stages_run("Data and pipelines are up to date.\n") == []


def test_commit_makes_a_repository_that_dvc_and_the_journal_want(copy: ProjectCopy) -> None:
    copy.run("git", "init", "--quiet")
    copy.commit("one")
    done = subprocess.run(
        ["git", "log", "--format=%s %ae"], cwd=copy.folder, capture_output=True, text=True, check=True
    )
    assert done.stdout == "one trial@localhost\n"
