"""A data version is accepted and grows: through the real stages no picture of it changes its split."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from project_copy import override

from glasshouse.commands.accept import accept_version
from glasshouse.quality.checking import guard
from glasshouse.tables.raw import read_raw
from glasshouse.tables.schema import read_table

from .builders import draw, make_scenes, save, write_class_folders, write_text
from .stages import Trial, make_trial


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """Forty pictures, split."""
    monkeypatch.setattr(guard, "write_docs", lambda *arguments: None)
    made = make_trial(tmp_path, "class_folders")
    write_class_folders(tmp_path / "pictures", make_scenes(40))
    assert made.run("download") == made.run("split") == 0
    return made


def read_splits(trial: Trial) -> dict[str, str]:
    images = read_raw(trial.root / "data/raw").images
    both = images.merge(read_table("split", trial.root / "data/split.parquet"))
    return dict(zip(both["file_name"], both["split"].astype(object), strict=True))


def test_a_version_that_is_accepted_keeps_its_splits_and_grows(trial: Trial) -> None:
    before = read_splits(trial)
    done = accept_version(trial.root)
    assert done.outcome == "accepted" and "40 pictures keep their splits, whatever is added" in done.lines
    assert trial.run("split") == 0 and read_splits(trial) == before
    assert accept_version(trial.root).outcome == "unchanged"

    for scene in make_scenes(80)[40:]:
        save(scene, trial.root / "pictures" / scene.label / scene.name)
    add_tie(trial, before)
    trial.run_all()
    assert set(trial.statuses.values()) == {0}, trial.said
    after = read_splits(trial)
    assert {name: after[name] for name in before} == before
    assert pd.isna(after.pop("rose/copy.jpg"))
    assert pd.Series(after).value_counts().to_dict() == {"train": 60, "valid": 12, "test": 8}
    prepared = [pd.read_parquet(path) for path in (trial.root / "data/prepared").glob("*/images.parquet")]
    assert sum(map(len, prepared)) == 80
    assert "split.picture_not_left_out" in trial.list_findings("warning")

    assert "80 pictures keep their splits, whatever is added" in accept_version(trial.root).lines
    assert trial.run("split") == 0
    again = read_splits(trial)
    assert pd.isna(again.pop("rose/copy.jpg")) and again == after


def add_tie(trial: Trial, splits: dict[str, str]) -> None:
    """A new near copy of a picture that tests, in one group with one that trains."""
    scenes = {f"{scene.label}/{scene.name}": scene for scene in make_scenes(40)}
    trains, tests = (next(name for name in scenes if splits[name] == part) for part in ("train", "test"))
    draw(scenes[tests]).save(trial.root / "pictures/rose/copy.jpg", quality=60)
    rows = ["file_name,group", f"{trains},one day", "rose/copy.jpg,one day", ""]
    write_text(trial.root / "pictures/groups.csv", "\n".join(rows))


def test_a_split_of_other_data_or_params_is_not_accepted(trial: Trial) -> None:
    override(trial.root / "params.yaml", {"seed": 8})
    with pytest.raises(ValueError, match=r"data/split\.parquet is not what data/raw and params\.yaml give"):
        accept_version(trial.root)
    assert not (trial.root / "data/accepted_split.json").exists()
    (trial.root / "data/split.parquet").unlink()
    done = accept_version(trial.root)
    assert done.outcome == "accepted" and "so no splits are kept" in done.lines[-2]
    assert not (trial.root / "data/accepted_split.json").exists()


def test_what_is_not_clean_writes_nothing_unless_forced(trial: Trial) -> None:
    report = trial.root / "reports/quality/split.json"
    outcome = {"status": "failed", "severity": "critical", "check": "split_known", "failing_rows": []}
    report.write_text(json.dumps({**json.loads(report.read_text()), "outcomes": [outcome]}))
    done = accept_version(trial.root)
    assert done.outcome == "refused" and "  split: split_known" in done.lines
    assert not (trial.root / "data/accepted_split.json").exists()
    assert accept_version(trial.root, force=True).outcome == "accepted"
    assert (trial.root / "data/accepted_split.json").is_file()
