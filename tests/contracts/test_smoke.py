from __future__ import annotations

import json
from pathlib import Path

import pytest
import smoke

from glasshouse.params import check

ROOT = Path(__file__).parents[2]


def test_tiny_params_are_sound(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes((ROOT / "params.yaml").read_bytes())
    smoke.override(path, smoke.TINY)
    assert check(path) == ()


def test_override_of_a_key_that_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: {b: 1}\n")
    smoke.override(path, {"a.b": 2})
    assert "b: 2" in path.read_text()
    with pytest.raises(smoke.SmokeFailure, match=r"no a\.c any more"):
        smoke.override(path, {"a.c": 2})


def test_second_repro_may_not_run() -> None:
    smoke.check_unchanged("Data and pipelines are up to date.\n")
    with pytest.raises(smoke.SmokeFailure, match="Running stage 'split'"):
        smoke.check_unchanged("Running stage 'split':\n")


SCORES = {key: 0.5 for key in smoke.SCORES["detect"]}


@pytest.mark.parametrize(
    ("valid", "words"),
    [
        (SCORES, None),
        ({**SCORES, "mAP_50": None}, r"valid\.mAP_50 .* Got None"),
        ({**SCORES, "mAP_50": 1.5}, r"valid\.mAP_50 .* Got 1\.5"),
        ({}, r"valid\.mAP_50_95 "),
    ],
)
def test_scores_are_looked_at(valid: dict[str, float], words: str | None, tmp_path: Path) -> None:
    (tmp_path / "reports/evaluate").mkdir(parents=True)
    (tmp_path / "dvc.yaml").write_text("stages: {evaluate: {cmd: x, outs: [reports/evaluate]}}")
    (tmp_path / "params.yaml").write_text("model: {task: detect}")
    metrics = {"valid": valid, "test": SCORES}
    (tmp_path / "reports/evaluate/metrics.json").write_text(json.dumps(metrics))
    if words is None:
        smoke.check_outputs(tmp_path)
    else:
        with pytest.raises(smoke.SmokeFailure, match=words):
            smoke.check_outputs(tmp_path)


def test_missing_outputs_are_named(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {grow: {cmd: x, outs: [a, {b: {cache: false}}]}}")
    (tmp_path / "a").touch()
    with pytest.raises(smoke.SmokeFailure, match="outputs are missing: b"):
        smoke.check_outputs(tmp_path)


def test_copy_leaves_out_what_git_ignores(tmp_path: Path) -> None:
    smoke.copy_project(tmp_path)
    assert (tmp_path / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()
    assert (tmp_path / ".dvc/config").is_file()
    assert not (tmp_path / ".venv").exists() and not (tmp_path / "dvc.lock").exists()
