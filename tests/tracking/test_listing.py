"""`glasshouse runs list` only asks: it makes no database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glasshouse.cli import main


@pytest.fixture(autouse=True)
def default_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_outside_of_a_project_it_names_the_file_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["runs", "list"]) == 1
    assert capsys.readouterr().err == f"glasshouse: {tmp_path}/params.yaml: No such file or directory.\n"
    assert not list(tmp_path.iterdir())


def test_before_anything_was_mirrored(
    project: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.root)
    assert main(["runs", "list"]) == 0
    assert capsys.readouterr().out.startswith("No state is mirrored yet")
    assert not Path("mlflow.db").exists()
