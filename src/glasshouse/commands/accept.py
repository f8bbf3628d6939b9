"""`glasshouse accept`: make the present data version the one that later ones are held against."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glasshouse.quality.profile import Profile

RAW, REPORTS, ACCEPTED = Path("data/raw"), Path("reports/quality"), Path("data/accepted.json")


def show(options: Namespace) -> int:
    """Copy the present profile into data/accepted.json; status 1 where quality is not clean."""
    from glasshouse.quality.profile import digest_data, read_accepted, read_present, write_document

    present, accepted = read_present(REPORTS / "profile.json"), read_accepted(ACCEPTED)
    if not (RAW / "images.parquet").is_file() or digest_data(RAW) != present.data:
        raise ValueError(
            "data/raw is not what reports/quality/profile.json tells of: run `dvc repro download`."
        )
    if accepted and accepted.as_json() == present.as_json():
        print(f"data version {present.data[:12]} is accepted already")
        return 0
    faults = list(_list_faults())
    if faults and not options.force:
        print("\n".join(["not accepted, since quality is not clean:", *faults]))
        print("Put it right and run `dvc repro`, or take it as it is: `glasshouse accept --force`.")
        return 1
    write_document({"accepted": present.as_json()}, ACCEPTED)
    print("\n".join(say_changes(accepted, present)))
    print(f"{ACCEPTED.as_posix()} written: commit it. The next `dvc repro` holds the data against it.")
    return 0


def _list_faults() -> Iterator[str]:
    """A line for each stage that was not judged or has critical findings."""
    from glasshouse.quality.page.page import read_stages

    stages = {stage.name: stage for stage in read_stages(REPORTS)}
    if stages["download"].report is None:
        yield f"  download: no {(REPORTS / 'download.json').as_posix()}"
    for stage in stages.values():
        critical = [str(finding["check"]) for finding in stage.findings if finding["severity"] == "critical"]
        if critical and not stage.is_old:
            yield f"  {stage.name}: {', '.join(critical)}"


def say_changes(accepted: Profile | None, present: Profile) -> Iterator[str]:
    """What differs between the version that was accepted before and the present one, a line each."""
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
            yield f"{told}, KS {row['ks']:.3f}, median {row['reference']:.4g} -> {row['present']:.4g}"
        elif row["psi_beyond"] > 0:
            yield told
