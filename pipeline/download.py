"""Stage `download`: gather pictures and labels as tables and shards; unreadable pictures are quarantined."""

from __future__ import annotations

from pathlib import Path

from glasshouse.stage import stage

RAW = Path("data/raw")


def main() -> None:
    """Read `dataset`, write data/raw/."""
    with stage("download") as run:
        with run.phase("import"):
            from glasshouse.sources.catalog import open_source
            from glasshouse.tables.gather import write_raw
            from glasshouse.tables.raw import read_raw
        with run.phase("work"):
            write_raw(open_source(run.params.dataset, run.params.seed), RAW)
        raw = read_raw(RAW)
        run.guard(
            {
                "images": raw.images,
                "objects": raw.objects,
                "categories": raw.categories,
                "statistics": raw.statistics,
                "quarantine": raw.quarantine,
                "faults": raw.faults,
            }
        )


if __name__ == "__main__":
    main()
