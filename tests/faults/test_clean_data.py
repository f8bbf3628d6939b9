"""No false alarm: drawn data, and real data where they are here, pass without a critical finding."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from glasshouse.tables.raw import read_raw

from .stages import CLASSIFY, PIXELS, ROOT, STAGES, Trial, make_trial, override

SHARED = Path(__file__).parents[2] / "../shared/data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared photographs are not here")


def demand_clean(trial: Trial) -> None:
    """All stages end well, and no check of severity critical fails."""
    trial.run_all()
    assert trial.statuses == dict.fromkeys(STAGES, 0), trial.said
    assert trial.list_findings("critical") == {}


def test_blooms(tmp_path: Path) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    override(
        tmp_path / "params.yaml", {**PIXELS, "dataset.blooms.pictures": 120, "dataset.blooms.size_px": 96}
    )
    trial = Trial(tmp_path)
    demand_clean(trial)
    raw = read_raw(tmp_path / "data/raw")
    assert (len(raw.images), len(raw.quarantine), len(raw.faults)) == (120, 0, 0)


@needs_shared
@pytest.mark.slow
def test_blood_cells(tmp_path: Path) -> None:
    """BCCD's README names 2 boxes without area among 4,888."""
    path = (SHARED / "bccd_voc").resolve()
    trial = make_trial(tmp_path, "voc", {"split.method": "given"}, str(path))
    demand_clean(trial)
    raw = read_raw(tmp_path / "data/raw")
    lost = raw.faults[raw.faults["action"] == "set_aside"]
    assert (len(raw.images), len(raw.quarantine)) == (364, 0)
    assert (lost["kind"] == "box_without_area").sum() == 2
    assert len(raw.objects) + len(lost) == 4888
    apart = trial.list_findings("warning")["split.copies_not_sliced_through"]["failing_rows"]
    names = {Path(row["file_name"]).stem for row in apart}
    assert {"BloodImage_00037", "BloodImage_00038"} <= names


@needs_shared
@pytest.mark.slow
def test_flower_photos(tmp_path: Path) -> None:
    path = (SHARED / "tf_flowers_1000").resolve()
    trial = make_trial(tmp_path, "class_folders", CLASSIFY, str(path))
    demand_clean(trial)
    raw = read_raw(tmp_path / "data/raw")
    assert (len(raw.images), len(raw.quarantine), len(raw.faults)) == (1000, 0, 0)
