from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import curve
import pytest

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A project with other seeds and weights than the shipped ones; what is measured there."""
    text = PARAMS.read_text().replace("seed: 7 ", "seed: 9 ", 1).replace("seed: 0 ", "seed: 2 ", 1)
    (tmp_path / "params.yaml").write_text(text.replace("weights: builtin ", "weights: none ", 1))
    (tmp_path / "data/pictures").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    measured: list[tuple[Any, ...]] = []
    for name in ("measure", "measure_apart"):
        monkeypatch.setattr(curve, name, lambda *what: measured.append(what) or [{"seed": what[0]}])
    return measured


def test_seed_and_weights_are_those_of_params_yaml_where_none_are_named(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in ([], ["--weights", "builtin", "none", "--every", "3"], ["--seeds", "4", "5", "--out", "o"]):
        monkeypatch.setattr(sys, "argv", ["curve.py", *words])
        assert curve.main() == 0
    # Both trainings of the pipeline go by seed + model.seed.
    assert asked == [
        (11, "none", 2),
        (11, "builtin", 3),
        (11, "none", 3),
        (4, "none", 2),
        (5, "none", 2),
    ]
    assert json.loads(Path("o").read_text()) == [{"seed": 4}, {"seed": 5}]


@pytest.mark.usefixtures("asked")
def test_scorings_a_training_apart_are_one_epoch_or_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["curve.py", "--every", "0"])
    with pytest.raises(SystemExit):
        curve.main()
    assert "--every must be 1 or more. Got 0" in capsys.readouterr().err
