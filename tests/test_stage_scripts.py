from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
SCRIPTS = sorted(path.name for path in (PROJECT / "pipeline").glob("*.py"))
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's folder in which a stage would work, had it been let."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(PROJECT / name, tmp_path)
    return tmp_path


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_explains_a_stage_and_lets_it_do_nothing(script: str, folder: Path, run_python: Run) -> None:
    """`python pipeline/fine_tune.py --help` trained for two minutes."""
    answer = run_python("-X", "importtime", str(PROJECT / "pipeline" / script), "--help", cwd=folder)
    assert answer.returncode == 0
    assert answer.stdout.startswith(f"usage: {script} [-h]")
    assert f"Stage `{script.removesuffix('.py')}`: " in answer.stdout
    assert "params.yaml holds its settings" in answer.stdout
    heavy = ("tensorflow", "keras", "mlflow", "great_expectations", "pandas")
    assert not [name for name in heavy if f" {name}\n" in answer.stderr]
    assert sorted(path.name for path in folder.iterdir()) == ["dvc.yaml", "params.yaml"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_stage_refuses_what_it_would_not_heed(script: str, folder: Path, run_python: Run) -> None:
    answer = run_python(str(PROJECT / "pipeline" / script), "--epochs", "3", cwd=folder)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.endswith(f"{script}: error: unrecognized arguments: --epochs 3\n")
    assert sorted(path.name for path in folder.iterdir()) == ["dvc.yaml", "params.yaml"]
