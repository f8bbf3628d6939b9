"""Stage `download`: gather pictures and labels as tables and shards; unreadable pictures are quarantined."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, "src")  # the sources of this folder, where those of another copy are installed
from glasshouse.stage import refuse_arguments, stage

RAW, ACCEPTED = Path("data/raw"), Path("data/accepted.json")
PROFILE = Path("reports/quality/profile.json")


def main() -> None:
    """Read `dataset` and data/accepted.json, write data/raw/ and reports/quality/profile.json."""
    with stage("download") as run:
        with run.phase("import"):
            from glasshouse.quality.copies import tabulate_copies
            from glasshouse.quality.profile import say_reference, write_profile
            from glasshouse.sources.catalog import open_source
            from glasshouse.tables.gather import write_raw
            from glasshouse.tables.raw import TABLES, read_raw
        with run.phase("work"):
            write_raw(open_source(run.params.dataset, run.params.seed), RAW)
        raw = read_raw(RAW)
        tables = {name: getattr(raw, name) for name in TABLES}
        copies = tabulate_copies(raw.images, run.params.split.near_copy_bits)
        drift = write_profile(RAW, tables, ACCEPTED, PROFILE)
        print(say_reference(drift))
        run.guard({**tables, "copies": copies, **drift})


if __name__ == "__main__":
    refuse_arguments(__doc__)
    main()
