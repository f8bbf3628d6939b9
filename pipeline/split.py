"""Stage `split`: decide once which pictures test, which validate and which train."""

from __future__ import annotations

from pathlib import Path

from glasshouse.stage import stage

RAW, OUT = Path("data/raw"), Path("data/split.parquet")


def main() -> None:
    """Read data/raw/, write data/split.parquet."""
    with stage("split") as run:
        with run.phase("import"):
            from glasshouse.quality.suites.split import plan_shares
            from glasshouse.tables.folders import replace_file
            from glasshouse.tables.raw import read_raw
            from glasshouse.tables.schema import write_table
            from glasshouse.tables.split import split_pictures
        raw = read_raw(RAW)
        with run.phase("work"):
            table = split_pictures(raw.images, raw.objects, run.params.split, run.params.seed, raw.categories)
            with replace_file(OUT) as place:
                write_table(table, "split", place)
        run.guard(
            {
                "images": raw.images,
                "objects": raw.objects,
                "categories": raw.categories,
                "split": table,
                "plan": plan_shares(run.params.split),
            }
        )


if __name__ == "__main__":
    main()
