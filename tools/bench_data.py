"""How long the data's way into the pipeline takes on this machine, each figure beside a stated peer.

python tools/bench_data.py                    all rows
python tools/bench_data.py pictures memory    some of them

Everything is made here from seeds: no row needs the pipeline or data. Figures are the minimum of several
runs, and CPU seconds where one core is meant: on a shared machine everything else is the neighbours' noise.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bench import Row, in_turns, say

from glasshouse.sources.example import Example, LabelFault, ObjectLabel

BITS = 6


def clock(function: Callable[[], object]) -> float:
    """CPU seconds of a call, all threads together."""
    start = time.process_time()
    function()
    return time.process_time() - start


def draw_photograph(seed: int, height: int, width: int) -> bytes:
    """A JPEG with coarse and fine structure: about as many bytes a pixel as a photograph of that size."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
    image = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.float64)
    noisy = np.clip(image + rng.normal(0, 8, (height, width, 1)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def bench_pictures() -> list[Row]:
    """Decoding, statistics, hashes and thumbnail of 320 x 240 JPEGs, against decoding alone."""
    from glasshouse.tables.gather import inspect_picture

    examples = [Example(f"{seed}.jpg", draw_photograph(seed, 240, 320)) for seed in range(200)]

    def inspect() -> None:
        for example in examples:
            assert not isinstance(inspect_picture(example), str)

    def decode() -> None:
        for example in examples:
            Image.open(io.BytesIO(example.picture)).convert("RGB")

    ours, bare = in_turns(lambda: clock(inspect), lambda: clock(decode))
    rates = len(examples) / ours, len(examples) / bare
    return [("statistics and hashes, 320 x 240 JPEG", rates[0], "decoding alone, a core", rates[1], "/s")]


def plant_copies(count: int) -> tuple[list[str], list[str], list[str], list[bytes]]:
    """(digests, hashes, mirrored hashes, thumbnails): random, a tenth planted as near copies, half mirrored.

    A copy has six bits of its original changed.
    """
    rng = np.random.default_rng(count)
    copies, mirror = count // 10, np.uint64(0xAAAAAAAAAAAAAAAA)
    hashes = rng.integers(0, 2**64, count, np.uint64)
    changed = rng.permuted(np.tile(np.arange(64, dtype=np.uint64), (copies, 1)), axis=1)[:, :BITS]
    hashes[-copies:] = hashes[:copies] ^ (np.uint64(1) << changed).sum(1, dtype=np.uint64)
    thumbnails: NDArray[np.uint8] = rng.integers(0, 256, (count, 8, 8, 3), np.uint8)
    thumbnails[-copies:] = thumbnails[:copies]
    turned = slice(count - copies // 2, None)
    hashes[turned] ^= mirror
    thumbnails[turned] = thumbnails[turned][:, :, ::-1]
    plain, flipped = ([f"{value:016x}" for value in side.tolist()] for side in (hashes, hashes ^ mirror))
    return (
        [f"{row:064x}" for row in range(count)],
        plain,
        flipped,
        [thumbnail.tobytes() for thumbnail in thumbnails],
    )


def bench_copies() -> list[Row]:
    """Near-copy groups of 10 thousand, 100 thousand and a million pictures, against a tenth as many.

    Ten times the pictures take 100 times as long where every pair is compared. The smallest is set against
    just that.
    """
    rows: list[Row] = []
    before = clock(lambda: compare_all_pairs(10_000))
    for count, peer in (
        (10_000, "comparing all pairs of hashes"),
        (100_000, "10,000"),
        (1_000_000, "100,000"),
    ):
        seconds = group_planted(count)
        rows.append((f"near copies among {count:,} pictures", seconds, peer, before, "s"))
        before = seconds
    return rows


def group_planted(count: int) -> float:
    """CPU seconds to group planted copies; raises SystemExit where one is not found."""
    from glasshouse.tables.near_copies import group_near_copies

    digests, hashes, flipped, thumbnails = plant_copies(count)
    start = time.process_time()
    groups = group_near_copies(digests, hashes, BITS, flipped, thumbnails)
    seconds = time.process_time() - start
    found = int((groups != np.arange(count)).sum())
    if found < count // 10:
        raise SystemExit(f"Only {found} of {count // 10} planted near copies were found.")
    return seconds


def compare_all_pairs(count: int) -> int:
    """Number of near pairs, mirrored ones too, by comparing every hash with every other."""
    from glasshouse.pictures.fingerprint import count_differing_bits, parse_phashes

    _, plain, flipped, _ = plant_copies(count)
    hashes, mirrored = parse_phashes(plain), parse_phashes(flipped)
    near = 0
    for row in range(count):
        for others in (hashes, mirrored):
            near += int((count_differing_bits(hashes[row], others[row + 1 :]) <= BITS).sum())
    return near


def bench_annotations() -> list[Row]:
    """Reading 100,000 rows of annotations and splitting their 20,000 pictures, against csv's bare rows."""
    from glasshouse.readers import csv as reader
    from glasshouse.tables.schema import build_frame
    from glasshouse.tables.split import split_pictures

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = write_annotations(folder, 20_000, 5)
        how = SimpleNamespace(
            method="stratified", test=0.1, valid=0.15, near_copy_bits=BITS, balance="oversample"
        )
        images, objects, categories = tabulate(names, 5)
        tables = [
            build_frame(rows, table)
            for rows, table in ((images, "images"), (objects, "objects"), (categories, "categories"))
        ]

        def read_and_split() -> None:
            if len(reader.read(folder, ())) != len(names):
                raise SystemExit("The reader lost pictures.")
            split_pictures(tables[0], tables[1], how, 7, tables[2])  # type: ignore[arg-type]

        def read_rows() -> None:
            with (folder / "annotations.csv").open(newline="") as file:
                list(csv.DictReader(file))

        ours, bare = in_turns(lambda: clock(read_and_split), lambda: clock(read_rows), rounds=2)
    return [("read and split 100,000 annotations", ours, "csv.DictReader alone", bare, "s")]


def write_annotations(folder: Path, pictures: int, boxes: int) -> list[str]:
    """An annotations.csv over empty picture files; returns their names."""
    names = [f"pictures/{number:06d}.jpg" for number in range(pictures)]
    (folder / "pictures").mkdir()
    with (folder / "annotations.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("file_name", "label", "x_min_px", "y_min_px", "x_max_px", "y_max_px"))
        for number, name in enumerate(names):
            (folder / name).touch()
            rows.writerows((name, f"class {(number + k) % 7}", k, k, k + 20, k + 30) for k in range(boxes))
    return names


Rows = list[tuple[object, ...]]


def tabulate(names: list[str], boxes: int) -> tuple[Rows, Rows, Rows]:
    """Rows of images, objects and categories, as download would leave those annotations."""
    from glasshouse.tables.schema import get_columns

    digests, hashes, flipped, thumbnails = plant_copies(len(names))
    images: Rows = []
    for number, name in enumerate(names):
        row = {
            "image_id": number + 1,
            "file_name": name,
            "sha256": hashlib.sha256(digests[number].encode()).hexdigest(),
            "phash": hashes[number],
            "phash_flipped": flipped[number],
            "thumbnail": thumbnails[number],
            **{"width_px": 320, "height_px": 240, "mode": "RGB"},
        }
        images.append(tuple(row.get(column) for column in get_columns("images")))
    objects: Rows = [
        (n * boxes + k + 1, n + 1, (n + k) % 7 + 1, float(k), float(k), k + 20.0, k + 30.0, False, None)
        for n in range(len(names))
        for k in range(boxes)
    ]
    return images, objects, [(number + 1, f"class {number}") for number in range(7)]


@dataclass
class Drawn:
    """A source that holds nothing: its pictures are drawn one after the other from a few."""

    count: int
    categories: tuple[str, ...] = ("rose",)
    faults: tuple[LabelFault, ...] = ()

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Example]:
        pictures = [draw_photograph(seed, 48, 64) for seed in range(8)]
        for number in range(self.count):
            boxes = tuple(ObjectLabel("rose", (k, k, k + 9, k + 9)) for k in range(5))
            yield Example(f"folder/picture {number}.jpg", pictures[number % 8], None, boxes)


def bench_memory() -> list[Row]:
    """Peak memory of gathering 20,000 pictures with 100,000 boxes, against a tenth as many."""
    small, large = (measure_peak(count) for count in (2_000, 20_000))
    return [("peak memory, 20,000 pictures", large, "2,000 pictures", small, "MB")]


PEAK = """
import resource, sys
from pathlib import Path
from bench_data import Drawn
from glasshouse.tables.gather import write_raw
write_raw(Drawn(int(sys.argv[1])), Path(sys.argv[2]) / "raw")
status = Path("/proc/self/status")
if status.exists():  # what getrusage says begins with the parent's peak on Linux
    print(int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measure_peak(count: int) -> float:
    """Peak resident MB of a process of its own that gathers so many pictures."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", PEAK, str(count), folder]
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return int(done.stdout) / 1e6


BENCHES: dict[str, Callable[[], list[Row]]] = {
    "pictures": bench_pictures,
    "copies": bench_copies,
    "annotations": bench_annotations,
    "memory": bench_memory,
}


def main() -> int:
    """Print the rows asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", choices=[*BENCHES, []], help="default: all")
    for name in parser.parse_args().rows or BENCHES:
        for row in BENCHES[name]():
            print(say(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
