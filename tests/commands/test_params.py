from __future__ import annotations

from pathlib import Path

import pytest

from glasshouse.cli import main

TEXT = (Path(__file__).parents[2] / "params.yaml").read_text()


def test_severities_of_checks_that_are_not_there_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TEXT)
    Path("data/pictures").mkdir(parents=True)
    assert main(["params", "check"]) == 0
    assert "params.yaml is sound" in capsys.readouterr().out
    Path("params.yaml").write_text(TEXT.replace("severity: {}", "severity: {not_drak: critical}", 1))
    assert main(["params", "check"]) == 1
    assert "quality.download.severity.not_drak: there is no such check. Did you mean 'not_dark'" in (
        capsys.readouterr().err
    )


def test_the_folder_that_dvc_takes_the_digest_of_must_be_there_whatever_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TEXT)
    assert main(["params", "check"]) == 1
    said = capsys.readouterr().err
    assert "line 13: dataset.path: must be there" in said and "an empty folder will do" in said
