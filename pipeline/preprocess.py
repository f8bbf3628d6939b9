"""Stage `preprocess`: bring every picture, and its boxes, to the network's size."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, "src")  # the sources of this folder, where those of another copy are installed
from glasshouse.stage import refuse_arguments, stage

RAW, SPLIT, OUT = Path("data/raw"), Path("data/split.parquet"), Path("data/prepared")


def main() -> None:
    """Read data/raw/ and data/split.parquet, write data/prepared/."""
    with stage("preprocess") as run:
        with run.phase("import"):
            from glasshouse.inputs.manifest import read_manifest, read_shards
            from glasshouse.inputs.prepare import write_prepared
            from glasshouse.quality.crops import compare_crops
            from glasshouse.quality.suites.preprocess import summarize_pixels
            from glasshouse.tables.raw import read_raw
            from glasshouse.tables.schema import read_table
        split = read_table("split", SPLIT)
        with run.phase("work"):
            written = write_prepared(RAW, split, run.params.preprocess, OUT)
        print(f"{written.objects} objects kept, {written.dropped_objects} hardly visible ones dropped")
        raw, shards = read_raw(RAW), read_shards(OUT)
        tables = {"images": raw.images, "objects": raw.objects, **read_manifest(OUT)}
        run.guard(
            {
                **tables,
                "split": split,
                "pixels": summarize_pixels(shards),
                "crops": compare_crops(RAW, tables, shards),
            }
        )


if __name__ == "__main__":
    refuse_arguments(__doc__)
    main()
