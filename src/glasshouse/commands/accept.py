"""`glasshouse accept`: make the present data version the one that later ones are held against.

Its profile goes to data/accepted.json, which `download` measures drift from; the split of each picture to
data/accepted_split.json, which `split` holds to. Both belong into git.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from glasshouse.quality.profile import Profile
    from glasshouse.tables.kept import KeptSplit

RAW, SPLIT, REPORTS = Path("data/raw"), Path("data/split.parquet"), Path("reports/quality")
ACCEPTED, KEPT = Path("data/accepted.json"), Path("data/accepted_split.json")


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What `accept_version` did, and a line on each thing that a person wants to know of it."""

    outcome: Literal["accepted", "unchanged", "refused"]
    lines: tuple[str, ...]


def show(options: Namespace) -> int:
    """Accept the present data version; status 1 where quality is not clean."""
    done = accept_version(Path("."), force=options.force)
    print("\n".join(done.lines))
    return int(done.outcome == "refused")


def accept_version(root: Path, *, force: bool = False) -> Acceptance:
    """Keep the profile of the present data version and the splits of its pictures.

    Args:
        root: of the project.
        force: also where the guard has critical findings.

    Raises:
        ValueError: the stages' outputs are not of one data version; or ProfileError, KeptSplitError,
            SplitError. All say what to do.
    """
    from glasshouse.quality.profile import digest_data, read_accepted, read_present, write_document
    from glasshouse.tables.kept import read_kept, write_kept

    present, accepted = read_present(root / REPORTS / "profile.json"), read_accepted(root / ACCEPTED)
    if not (root / RAW / "images.parquet").is_file() or digest_data(root / RAW) != present.data:
        raise ValueError(
            "data/raw is not what reports/quality/profile.json tells of: run `dvc repro download`."
        )
    kept, before = take_splits(root, present.data), read_kept(root / KEPT)
    if accepted and accepted.as_json() == present.as_json() and kept in (before, None):
        return Acceptance("unchanged", (f"data version {present.data[:12]} is accepted already",))
    faults = list(_list_faults(root / REPORTS))
    if faults and not force:
        advice = "Put it right and run `dvc repro`, or take it as it is: `glasshouse accept --force`."
        return Acceptance("refused", ("not accepted, since quality is not clean:", *faults, advice))
    if kept:
        write_kept(kept)
    write_document({"accepted": present.as_json()}, root / ACCEPTED)
    return Acceptance("accepted", (*say_changes(accepted, present), *_say_written(kept)))


def take_splits(root: Path, data: str) -> KeptSplit | None:
    """The splits of the present data version; None where it was not split yet.

    Raises:
        ValueError: data/split.parquet is not what `split` would write now.
    """
    from glasshouse.params import read_view
    from glasshouse.tables.kept import keep_splits, read_kept
    from glasshouse.tables.raw import read_raw
    from glasshouse.tables.schema import read_table
    from glasshouse.tables.split import split_pictures

    if not (root / SPLIT).is_file():
        return None
    raw, params = read_raw(root / RAW), read_view("split", root / "params.yaml")
    table, kept = read_table("split", root / SPLIT), read_kept(root / KEPT)
    now = split_pictures(raw.images, raw.objects, params.split, params.seed, raw.categories, kept)
    if not now.equals(table):
        raise ValueError(
            f"{SPLIT.as_posix()} is not what data/raw and params.yaml give: run `dvc repro split`."
        )
    shares = {"test": params.split.test, "valid": params.split.valid}
    return keep_splits(raw.images, table, shares, data, root / KEPT)


def _say_written(kept: KeptSplit | None) -> Iterator[str]:
    """What was written, and what to do with it."""
    files = ACCEPTED.as_posix()
    if kept is None:
        yield f"{SPLIT.as_posix()} is missing, so no splits are kept: run `dvc repro split` and accept again"
    else:
        files += f" and {KEPT.as_posix()}"
        yield f"{len(kept.splits):,} pictures keep their splits, whatever is added"
    yield f"{files} written: commit it. The next `dvc repro` holds the data against it."


def _list_faults(reports: Path) -> Iterator[str]:
    """A line for each stage that was not judged or has critical findings."""
    from glasshouse.quality.page.page import read_stages

    stages = {stage.name: stage for stage in read_stages(reports)}
    if stages["download"].report is None:
        yield f"  download: no {(REPORTS / 'download.json').as_posix()}"
    for stage in stages.values():
        critical = [str(finding["check"]) for finding in stage.findings if finding["severity"] == "critical"]
        if critical and not stage.is_old:
            yield f"  {stage.name}: {', '.join(critical)}"


def say_changes(accepted: Profile | None, present: Profile) -> Iterator[str]:
    """What differs between the version that was accepted before and the present one, a line each."""
    from glasshouse.quality.page.histograms import say_number
    from glasshouse.quality.profile import compare_categories, compare_profiles

    now = f"data version {present.data[:12]}: {present.pictures} pictures, {len(present.categories)} classes"
    if accepted is None:
        yield f"{now}; none was accepted before"
        return
    yield f"{now}; before {accepted.data[:12]}: {accepted.pictures} and {len(accepted.categories)}"
    changes = compare_categories(accepted, present)
    for row in changes[changes["change"].notna()].to_dict("records"):
        yield f"  class {row['name']}: {row['change']}"
    for row in compare_profiles(accepted, present).to_dict("records"):
        told = f"  {row['feature']}: moved beyond chance: PSI {row['psi']:.3f}"
        if row["ks_beyond"] > 0:
            median = f"{say_number(row['reference'])} -> {say_number(row['present'])}"
            yield f"{told}, KS {row['ks']:.3f}, median {median}"
        elif row["psi_beyond"] > 0:
            yield told
