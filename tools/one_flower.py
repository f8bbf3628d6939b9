"""Writes drawn pictures of one flower each, as a folder with a CSV of boxes: data that `localize` fits.

python tools/one_flower.py data/one_flower      1,200 pictures of 160 px, about a minute; see docs/results.md
"""

from __future__ import annotations

import argparse
import csv
from itertools import islice
from pathlib import Path

from glasshouse.sources.blooms.source import Blooms

CORNERS = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
MANY = 10  # blooms to choose from, for each that is wanted: one in three to four holds one flower


def main() -> int:
    """Status 1 where the folder is there already."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a new one")
    parser.add_argument("--pictures", type=int, default=1200)
    parser.add_argument("--size-px", type=int, default=160, help="side of the square pictures")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    if asked.folder.exists():
        print(f"{asked.folder} is there already: remove it, or name another one.")
        return 1
    pictures = asked.folder / "pictures"
    pictures.mkdir(parents=True)
    drawn = Blooms(MANY * asked.pictures, asked.size_px, asked.seed)
    with (asked.folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["file_name", "label", *CORNERS])
        for example in islice((each for each in drawn if len(each.objects) == 1), asked.pictures):
            (pictures / example.file_name).write_bytes(example.picture)
            (only,) = example.objects
            table.writerow([f"pictures/{example.file_name}", only.label, *only.box_xyxy_px])
    print(f"{asked.folder}: {len(list(pictures.iterdir()))} pictures with one flower each")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
