"""From a source to files: numbering, quarantine, bounded memory, whole or absent, the same bytes."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from glasshouse.geometry.rle import decode_mask, encode_mask
from glasshouse.sources.example import Example, LabelFault, ObjectLabel, SourceError
from glasshouse.tables import writers
from glasshouse.tables.gather import write_raw
from glasshouse.tables.raw import iter_pictures, read_raw
from glasshouse.tables.schema import SchemaError


@dataclass
class Listed:
    """A source over a list."""

    examples: list[Example]
    categories: tuple[str, ...] = ("daisy", "rose")
    faults: tuple[LabelFault, ...] = ()

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)


def paint(seed: int, height: int = 24, width: int = 32, file_format: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format)
    return buffer.getvalue()


def rose(*box: float, **more: object) -> ObjectLabel:
    return ObjectLabel("rose", box, **more)  # type: ignore[arg-type]


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_tables_hold_what_the_source_said(tmp_path: Path) -> None:
    first = Example("a/1.png", paint(1), "daisy")
    second = Example(
        "b.jpg",
        paint(2, 40, 20, "JPEG"),
        None,
        (rose(1, 2, 3, 4), rose(0, 0, 9.5, 9, is_crowd=True, mask=encode_mask(np.eye(40, 20, dtype=bool)))),
    )
    third = Example("c.png", paint(3), "rose", (ObjectLabel("daisy", (5, 5, 6, 6)),))
    write_raw(Listed([first, second, third]), tmp_path / "raw")
    tables = read_raw(tmp_path / "raw")
    images = tables.images
    assert images["image_id"].tolist() == [1, 2, 3]
    assert images["file_name"].tolist() == ["a/1.png", "b.jpg", "c.png"]
    assert images[["height_px", "width_px"]].to_numpy().tolist() == [[24, 32], [40, 20], [24, 32]]
    assert images["mode"].tolist() == ["RGB"] * 3
    assert images["label"].astype(object).where(images["label"].notna(), None).tolist() == [
        "daisy",
        None,
        "rose",
    ]
    assert tables.objects[["object_id", "image_id", "category_id"]].to_numpy().tolist() == [
        [1, 2, 2],
        [2, 2, 2],
        [3, 3, 1],
    ]
    assert tables.objects["x_max_px"].tolist() == [3, 9.5, 6]
    assert tables.objects["is_crowd"].tolist() == [False, True, False]
    assert tables.objects["mask"].isna().tolist() == [True, False, True]
    assert np.array_equal(decode_mask(tables.objects["mask"][1], 40, 20), np.eye(40, 20, dtype=bool))
    assert tables.categories.to_numpy().tolist() == [[1, "daisy"], [2, "rose"]]
    assert tables.statistics["image_id"].tolist() == [1, 2, 3]
    assert tables.quarantine.empty
    assert list(iter_pictures(tmp_path / "raw")) == [
        (1, "a/1.png", first.picture), (2, "b.jpg", second.picture), (3, "c.png", third.picture)
    ]  # fmt: skip


def test_bad_pictures_are_quarantined_by_name_and_nothing_else_is_lost(tmp_path: Path) -> None:
    jpeg = paint(5, 64, 64, "JPEG")
    bad = {"cut.jpg": jpeg[: len(jpeg) // 2], "empty.jpg": b"", "text.jpg": b"hello, I am a text file"}
    examples = [
        Example("1.png", paint(1), "rose"),
        *(Example(name, data, "rose") for name, data in bad.items()),
    ]
    examples.append(Example("2.png", paint(2), "daisy", (rose(0, 0, 1, 1),)))
    write_raw(Listed(examples), tmp_path / "raw")
    tables = read_raw(tmp_path / "raw")
    quarantine = tables.quarantine.set_index("file_name")
    assert quarantine["bytes"].to_dict() == {name: len(data) for name, data in bad.items()}
    assert "truncated" in quarantine.loc["cut.jpg", "reason"]
    assert "empty" in quarantine.loc["empty.jpg", "reason"]
    assert "not a picture" in quarantine.loc["text.jpg", "reason"]
    assert tables.images[["image_id", "file_name"]].to_numpy().tolist() == [[1, "1.png"], [2, "2.png"]]
    assert tables.objects["image_id"].tolist() == [2]
    assert [name for _, name, _ in iter_pictures(tmp_path / "raw")] == ["1.png", "2.png"]


@pytest.mark.parametrize(
    "examples, message",
    [
        ([Example("x.png", paint(1), "tulip")], "x.png: label 'tulip' is none of the categories daisy, rose"),
        ([Example("y.png", paint(1), None, (ObjectLabel("oak", (0, 0, 1, 1)),))], "y.png: label 'oak'"),
        ([Example("z.png", paint(1)), Example("z.png", paint(2))], "z.png: .* two pictures"),
        ([Example("a.jpg", b"no"), Example("b.jpg", b"")], "None of the 2 pictures .* a.jpg: not a picture"),
        ([], "holds no pictures"),
    ],
)
def test_contradictions_are_named_and_what_stood_before_stays(
    examples: list[Example], message: str, tmp_path: Path
) -> None:
    write_raw(Listed([Example("old.png", paint(9))]), tmp_path / "raw")
    before = read_bytes(tmp_path / "raw")
    with pytest.raises(SourceError, match=message):
        write_raw(Listed(examples), tmp_path / "raw")
    assert read_bytes(tmp_path / "raw") == before
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_categories_are_named_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a category twice"):
        write_raw(Listed([Example("1.png", paint(1))], ("rose", "rose")), tmp_path / "raw")


def test_shards_and_row_groups_are_cut_by_size_and_read_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = [Example(f"{number}.png", paint(number)) for number in range(23)]
    monkeypatch.setattr(writers, "GROUP_BYTES", 5000)
    monkeypatch.setattr(writers, "SHARD_BYTES", 12_000)
    write_raw(Listed(examples), tmp_path / "raw")
    shards = sorted(path.name for path in (tmp_path / "raw").glob("pictures-*"))
    # a picture has about 2,380 bytes: three to a group, six to a shard, 23 pictures in four shards
    assert shards == [f"pictures-0000{number}-of-00004.parquet" for number in range(4)]
    for name, rows in zip(shards, ([3, 3], [3, 3], [3, 3], [3, 2]), strict=True):
        meta = pq.read_metadata(tmp_path / "raw" / name)
        assert [meta.row_group(number).num_rows for number in range(meta.num_row_groups)] == rows
    assert [(name, data) for _, name, data in iter_pictures(tmp_path / "raw")] == [
        (example.file_name, example.picture) for example in examples
    ]
    (tmp_path / "raw" / shards[2]).unlink()
    with pytest.raises(FileNotFoundError, match="pictures-00002-of-00004"):
        list(iter_pictures(tmp_path / "raw"))


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    write_raw(Listed([Example("a.png", paint(1))]), tmp_path / "raw")
    (shard,) = (tmp_path / "raw").glob("pictures-*")
    shard.write_bytes(shard.read_bytes()[:-50])
    with pytest.raises(SchemaError, match=f"{shard.name} is damaged"):
        list(iter_pictures(tmp_path / "raw"))


def test_few_examples_are_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "GROUP_BYTES", 1)
    written = 0
    append = writers.ShardWriter.append

    def count(self: writers.ShardWriter, *row: object) -> None:
        nonlocal written
        written += 1
        append(self, *row)  # type: ignore[arg-type]

    class Watched(Listed):
        def __iter__(self) -> Iterator[Example]:
            for number, example in enumerate(self.examples):
                assert number - written < 16
                yield example

    monkeypatch.setattr(writers.ShardWriter, "append", count)
    write_raw(Watched([Example(f"{number}.png", paint(number)) for number in range(60)]), tmp_path / "raw")
    assert written == 60


PROGRAM = """
import sys
from pathlib import Path
from glasshouse.readers import class_folders
from glasshouse.tables.gather import write_raw
from glasshouse.tables.raw import read_raw
from glasshouse.tables.split import split_pictures
from glasshouse.tables.schema import write_table
from glasshouse.inputs.prepare import write_prepared
from types import SimpleNamespace
source, out = map(Path, sys.argv[1:])
write_raw(class_folders.read(source, ()), out / "raw")
raw = read_raw(out / "raw")
how = SimpleNamespace(method="stratified", test=0.2, valid=0.2, near_copy_bits=6, balance="none")
split = split_pictures(raw.images, raw.objects, how, 7, raw.categories)
write_table(split, "split", out / "split.parquet")
size = SimpleNamespace(height_px=16, width_px=16, resize="crop", pad_value=0)
write_prepared(out / "raw", split, size, out / "prepared")
heavy = {"tensorflow", "keras", "mlflow", "great_expectations", "matplotlib", "tensorflow_datasets", "dvc"}
assert not heavy & {name.split(".")[0] for name in sys.modules}, heavy & set(sys.modules)
"""


def test_every_file_has_the_same_bytes_in_every_process_and_nothing_heavy_is_imported(tmp_path: Path) -> None:
    for number in range(30):
        path = tmp_path / "in" / ("daisy" if number % 2 else "rose") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(paint(number))
    contents = []
    for hash_seed in ("1", "2"):
        out = tmp_path / hash_seed
        environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(filter(None, sys.path))}
        subprocess.run([sys.executable, "-c", PROGRAM, tmp_path / "in", out], env=environment, check=True)
        contents.append(
            {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}
        )
    assert contents[0] == contents[1]
    assert len(contents[0]) == 8 + 1 + 1 + 3 * 3  # raw, split, categories, three splits of three files


def interrupt(folder: Path) -> None:
    class Interrupted(Listed):
        def __iter__(self) -> Iterator[Example]:
            yield self.examples[0]
            raise KeyboardInterrupt

    write_raw(Interrupted([Example("1.png", paint(1))]), folder)


def fail_to_rename(folder: Path) -> None:
    (folder.with_name(".raw.new")).mkdir()
    (folder.with_name(".raw.new") / "left by a kill").write_bytes(b"")
    write_raw(Listed([Example("1.png", paint(1))]), folder)


def test_an_interrupted_pass_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path / "raw")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    fail_to_rename(tmp_path / "raw")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    assert "left by a kill" not in read_bytes(tmp_path / "raw")


@pytest.mark.parametrize("read", [read_raw, lambda folder: list(iter_pictures(folder))])
def test_a_missing_folder_is_an_error(read: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nowhere")
