"""Every planted fault, through the real stages: its fate, what is said, and that nothing else is lost."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

import glasshouse.quality.checking.guard as guard
from glasshouse.tables.raw import iter_pictures, read_raw
from glasshouse.tables.schema import read_table

from .page import PAGE, render_page
from .stages import Trial, make_trial
from .table import PICTURE_ROWS, ROWS, Row

SET_ASIDE, REPAIRED = "download.no_label_set_aside", "download.no_label_repaired"
QUARANTINED = "download.nothing_quarantined"


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.name}, {row.format}" for row in ROWS])
def test_fault(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = make_trial(tmp_path, row.format, row.params, row.path)
    row.build(tmp_path / "pictures")
    run_stages(trial, row, monkeypatch)
    demand_fate(trial, row)
    demand_no_traceback(trial)
    demand_nothing_half_written(trial)
    demand_findings(trial, row)
    if trial.statuses["download"] == 0:
        demand_tables(trial.root, row)
        demand_named(trial, row)
        demand_all_others(trial, row)
    if row.check:
        row.check(tmp_path)


def run_stages(trial: Trial, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the row's stages until one fails; with GX's pages, which take long, for pictures alone."""
    for stage in row.stages:
        if stage != "download" or row not in PICTURE_ROWS:
            monkeypatch.setattr(guard, "write_docs", lambda *arguments: None)
        with limit_files(row.limit_bytes if stage == row.ends else None):
            if trial.run(stage):
                return


@contextmanager
def limit_files(size_bytes: int | None) -> Iterator[None]:
    """No file grows beyond this; the kernel refuses the rest of it, as where the disk is full."""
    if size_bytes is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def demand_fate(trial: Trial, row: Row) -> None:
    """A critical fault ends its stage with status 1 and a message; with any other all stages end well."""
    failed = int(row.fate == "critical")
    assert trial.statuses == {stage: failed * (stage == row.ends) for stage in row.stages}, trial.said
    told = trial.said[row.ends] if failed else "".join(trial.said.values())
    assert row.said in told
    if row.fate == "sound":
        assert told == ""


def demand_no_traceback(trial: Trial) -> None:
    """A traceback of a stage's own would have failed the test; none may be printed either."""
    assert "Traceback" not in "".join(trial.said.values())


def demand_nothing_half_written(trial: Trial) -> None:
    """Every output is whole or absent, and no draft is left beside one."""
    data = trial.root / "data"
    drafts = [
        path for path in data.rglob("*") if path.name.startswith(".") or path.suffix in (".new", ".tmp")
    ]
    drafts += list((trial.root / ".glasshouse").rglob(".*.new"))
    assert drafts == []
    if (data / "raw").exists():
        ids = read_raw(data / "raw").images["image_id"].tolist()
        assert [image_id for image_id, _, _ in iter_pictures(data / "raw")] == ids
    if (data / "split.parquet").exists():
        read_table("split", data / "split.parquet")
    assert (data / "prepared").exists() == (trial.statuses.get("preprocess") == 0)


def demand_findings(trial: Trial, row: Row) -> None:
    """The critical findings are the row's and no others; the warnings that it names are there."""
    critical, warnings = trial.list_findings("critical"), trial.list_findings("warning")
    assert set(critical) == ({*row.findings} - {*warnings} if row.fate == "critical" else set())
    assert {*row.findings} <= {*critical, *warnings}


def demand_tables(root: Path, row: Row) -> None:
    """Exactly the row's faults are listed, exactly its files are set aside, all other pictures are there."""
    raw = read_raw(root / "data/raw")
    found = raw.faults[["file_name", "place", "kind", "action"]].itertuples(index=False, name=None)
    assert sorted(found) == sorted(row.faults)
    assert sorted(raw.quarantine["file_name"]) == sorted(row.quarantined)
    assert len(raw.images) == row.pictures


def demand_named(trial: Trial, row: Row) -> None:
    """The report of the quality of the data names each file, and the place in it."""
    warnings = trial.list_findings("warning")
    for check, action in ((SET_ASIDE, "set_aside"), (REPAIRED, "repaired")):
        listed = {(line["file_name"], line["place"]) for line in list_rows(warnings, check)}
        assert listed == {(fault[0], fault[1]) for fault in row.faults if fault[3] == action}
    assert {line["file_name"] for line in list_rows(warnings, QUARANTINED)} == {*row.quarantined}


def list_rows(findings: dict[str, dict], check: str) -> list[dict]:
    """The rows that a finding lists; none where the check passed."""
    return findings[check]["failing_rows"] if check in findings else []


def demand_all_others(trial: Trial, row: Row) -> None:
    """Every picture that was not set aside has a split, and is prepared where the stages went so far."""
    root = trial.root
    if trial.statuses.get("split") == 0:
        assert len(read_table("split", root / "data/split.parquet")) == row.pictures
    if trial.statuses.get("preprocess") == 0:
        tables = [pd.read_parquet(path) for path in sorted((root / "data/prepared").glob("*/images.parquet"))]
        assert sum(map(len, tables)) == row.pictures


def test_page_shows_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(), "renew the page as tests/faults/page.py says"
