"""Stage `split`: decide once which pictures test, which validate and which train."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, "src")  # the sources of this folder, where those of another copy are installed
from glasshouse.stage import refuse_arguments, stage

RAW, KEPT, OUT = Path("data/raw"), Path("data/accepted_split.json"), Path("data/split.parquet")


def main() -> None:
    """Read data/raw/ and data/accepted_split.json, write data/split.parquet."""
    with stage("split") as run:
        with run.phase("import"):
            from glasshouse.quality.suites.split import plan_shares
            from glasshouse.tables.folders import replace_file
            from glasshouse.tables.kept import read_kept, say_kept, tabulate_kept
            from glasshouse.tables.raw import read_raw
            from glasshouse.tables.schema import write_table
            from glasshouse.tables.split import split_pictures
        raw, kept, params = read_raw(RAW), read_kept(KEPT), run.params
        with run.phase("work"):
            table = split_pictures(raw.images, raw.objects, params.split, params.seed, raw.categories, kept)
            with replace_file(OUT) as place:
                write_table(table, "split", place)
            old = tabulate_kept(raw.images, table, kept, params.split.near_copy_bits)
        print(say_kept(table, old["accepted"]))
        tables = {"images": raw.images, "objects": raw.objects, "categories": raw.categories}
        run.guard({**tables, **old, "split": table, "plan": plan_shares(params.split)})


if __name__ == "__main__":
    refuse_arguments(__doc__)
    main()
