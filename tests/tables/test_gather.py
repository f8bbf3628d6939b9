"""The pass over a source with everything that people keep among their pictures, and a disk that is full."""

from __future__ import annotations

import errno
import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from glasshouse.pictures.decode import Picture
from glasshouse.sources.example import Example, LabelFault, ObjectLabel, SourceError
from glasshouse.tables import writers
from glasshouse.tables.gather import count_lost, write_raw
from glasshouse.tables.oddities import find_oddities
from glasshouse.tables.raw import Raw, read_raw


@dataclass
class Listed:
    """A source over a list; `late` are faults that it finds before the example of their number."""

    examples: list[Example]
    categories: tuple[str, ...] = ("daisy", "rose")
    faults: list[LabelFault] = field(default_factory=list)
    late: dict[int, LabelFault] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        for number, example in enumerate(self.examples):
            if number in self.late:
                self.faults.append(self.late[number])
            yield example


NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (48, 64, 3), np.uint8))
BOX = ObjectLabel("rose", (4, 8, 20, 30), origin="labels.csv, line 2")


def encode(image: Image.Image = NOISE, file_format: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def turn_by_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encode(exif=exif)


def animate(file_format: str) -> bytes:
    frames = [NOISE, NOISE.transpose(Image.Transpose.ROTATE_180)]
    return encode(frames[0], file_format, save_all=True, append_images=frames[1:])


def forge_bomb(side: int = 40_000) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def gather(folder: Path, *examples: Example, **more: object) -> Raw:
    """The tables of some examples after a good picture."""
    good = Example("good.png", encode(Image.effect_noise((64, 48), 90), "PNG"), "daisy", (BOX,))
    write_raw(Listed([good, *examples], **more), folder / "raw")  # type: ignore[arg-type]
    return read_raw(folder / "raw")


KINDS = [
    # name, bytes, faults, (height, width)
    ("cmyk.jpg", encode(NOISE.convert("CMYK")), ["colours_converted"], (48, 64)),
    ("progressive.jpg", encode(progressive=True), [], (48, 64)),
    ("turned.jpg", turn_by_exif(6), ["exif_turned"], (64, 48)),
    ("mirrored.jpg", turn_by_exif(2), ["exif_turned"], (48, 64)),
    ("deep.png", encode(NOISE.convert("L").convert("I;16"), "PNG"), ["levels_cut"], (48, 64)),
    ("palette.png", encode(NOISE.quantize(16), "PNG"), [], (48, 64)),
    ("alpha.png", encode(NOISE.convert("RGBA"), "PNG"), [], (48, 64)),
    ("windows.bmp", encode(NOISE, "BMP"), [], (48, 64)),
    ("still.gif", encode(NOISE, "GIF"), [], (48, 64)),
    ("moving.gif", animate("GIF"), ["first_frame_taken"], (48, 64)),
    ("moving.webp", animate("WEBP"), ["first_frame_taken"], (48, 64)),
    ("really_png.jpg", encode(NOISE, "PNG"), ["extension_wrong"], (48, 64)),
    ("really_jpeg.PNG", encode(), ["extension_wrong"], (48, 64)),
    ("gif_called.jpeg", animate("GIF"), ["extension_wrong", "first_frame_taken"], (48, 64)),
    ("no_ending", encode(), [], (48, 64)),
    ("Größe und Bäume/ä b.JPG", encode(), [], (48, 64)),
    ("dot.png", encode(Image.new("RGB", (1, 1)), "PNG"), [], (1, 1)),
]


@pytest.mark.parametrize("name, data, kinds, size", KINDS, ids=[row[0] for row in KINDS])
def test_pictures_of_every_kind_are_taken_and_what_was_put_right_is_counted(
    name: str, data: bytes, kinds: list[str], size: tuple[int, int], tmp_path: Path
) -> None:
    tables = gather(tmp_path, Example(name, data, "rose"))
    assert tables.quarantine.empty
    row = tables.images.iloc[1]
    assert (row["file_name"], row["height_px"], row["width_px"]) == (name, *size)
    assert tables.faults["kind"].tolist() == kinds
    assert set(tables.faults["action"]) <= {"repaired"} and set(tables.faults["picture"]) <= {name}


BAD = [
    ("zero.jpg", b"", "empty file"),
    ("text.jpg", b"this is a text named .jpg\n", "not a picture"),
    ("cut.jpg", encode()[:2000], "truncated JPEG picture"),
    ("bomb.png", forge_bomb(), "too large"),
    ("cut.gif", animate("GIF")[:600], "truncated"),
]


@pytest.mark.parametrize("objects", [(), (BOX, BOX)])
@pytest.mark.parametrize("name, data, words", BAD, ids=[row[0] for row in BAD])
def test_what_is_no_picture_is_quarantined_and_its_objects_are_counted(
    name: str, data: bytes, words: str, objects: tuple[ObjectLabel, ...], tmp_path: Path
) -> None:
    tables = gather(tmp_path, Example(name, data, None, objects), Example("last.jpg", encode(), "rose"))
    assert tables.images["file_name"].tolist() == ["good.png", "last.jpg"]
    (row,) = tables.quarantine.itertuples()
    assert (row.file_name, row.bytes) == (name, len(data)) and words in row.reason
    assert tables.faults["kind"].tolist() == (["picture_set_aside"] if objects else [])
    if objects:
        fault = tables.faults.iloc[0]
        assert "2 of its objects" in fault["reason"] and fault["action"] == "set_aside"
        assert fault["file_name"] == fault["picture"] == name
    assert count_lost(tables.faults) == len(objects)


@pytest.mark.parametrize(
    "mode, kinds",
    [
        *((mode, []) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
        *((mode, ["colours_converted"]) for mode in ("CMYK", "YCbCr", "LAB", "HSV")),
        *((mode, ["levels_cut"]) for mode in ("I", "I;16", "I;16B", "I;16L")),
    ],
)
def test_every_mode_of_a_file_that_rgb_does_not_tell_is_noted(mode: str, kinds: list[str]) -> None:
    picture = Picture(np.zeros((9, 9, 3), np.uint8), mode, "TIFF", 1)
    assert [fault.kind for fault in find_oddities("a.TIFF", picture)] == kinds


def test_files_that_cannot_be_read_are_quarantined(tmp_path: Path) -> None:
    tables = gather(
        tmp_path, Example("locked.jpg", b"", "rose", unreadable="cannot be read: Permission denied")
    )
    assert tables.quarantine.to_numpy().tolist() == [["locked.jpg", "cannot be read: Permission denied", 0]]


def test_boxes_are_settled_on_the_upright_picture_and_faults_reach_the_table(tmp_path: Path) -> None:
    # stored 64 x 48, orientation 6: (x, y) -> (48 - y, x)
    twice = ObjectLabel("rose", (4, 8, 20, 30), origin="labels.csv, line 3")
    tables = gather(tmp_path, Example("turned.jpg", turn_by_exif(6), None, (BOX, twice)))
    boxes = tables.objects.loc[tables.objects["image_id"] == 2]
    assert boxes[["x_min_px", "y_min_px", "x_max_px", "y_max_px"]].to_numpy().tolist() == [[18, 4, 40, 20]]
    assert tables.faults[["file_name", "place", "kind", "action", "picture"]].to_numpy().tolist() == [
        ["turned.jpg", "", "exif_turned", "repaired", "turned.jpg"],
        ["labels.csv", "line 3", "box_twice", "set_aside", "turned.jpg"],
    ]


def test_a_picture_that_loses_every_object_does_not_become_background(tmp_path: Path) -> None:
    outside = ObjectLabel("rose", (500, 0, 510, 9), origin="a.xml, object 1")
    half = Example("half.jpg", encode(), None, (BOX, outside))
    none = Example("none.jpg", encode(), None, (outside, outside))
    empty = Example("background.jpg", encode())
    tables = gather(tmp_path, half, none, empty)
    assert tables.images["file_name"].tolist() == ["good.png", "half.jpg", "background.jpg"]
    assert tables.quarantine["file_name"].tolist() == ["none.jpg"]
    assert "none of its 2 objects can be used" in tables.quarantine["reason"][0]
    assert tables.faults["kind"].tolist() == ["box_outside"] * 3  # each told once
    assert count_lost(tables.faults) == 3
    assert tables.objects["image_id"].tolist() == [1, 2]


def test_nor_does_one_whose_labels_the_reader_set_aside(tmp_path: Path) -> None:
    def fault(picture: str | None, action: str = "set_aside") -> LabelFault:
        return LabelFault("y.txt", "line 1", "line_short", action, "4 numbers", picture)  # type: ignore[arg-type]

    examples = [
        Example("bare.jpg", encode()),
        Example("some left.jpg", encode(), None, (BOX,)),
        Example("labelled.jpg", encode(), "rose"),
        Example("repaired.jpg", encode()),
        Example("found late.jpg", encode()),
    ]
    known = [fault("bare.jpg"), fault("some left.jpg"), fault("labelled.jpg"), fault(None)]
    known.append(fault("repaired.jpg", "repaired"))
    known.append(replace(known[0], place="line 2", reason="another one, told later"))
    tables = gather(tmp_path, *examples, faults=known, late={5: fault("found late.jpg")})
    assert tables.quarantine["file_name"].tolist() == ["bare.jpg", "found late.jpg"]
    assert tables.quarantine["reason"][0] == "its labels were set aside: 4 numbers"
    assert tables.faults["kind"].tolist() == ["line_short"] * 7


def test_a_size_that_cannot_be_right_sets_the_picture_aside_with_its_objects(tmp_path: Path) -> None:
    tables = gather(tmp_path, Example("small.jpg", encode(), None, (BOX,), labelled_size=(96, 128)))
    assert "resized" in tables.quarantine["reason"][0] and "128 x 96 px" in tables.quarantine["reason"][0]
    assert tables.faults["kind"].tolist() == ["picture_set_aside"]


def test_classes_and_pictures_are_named_in_one_line_each(tmp_path: Path) -> None:
    """exports/labels.txt has a class a line: one of two lines would shift those behind it."""
    with pytest.raises(SourceError, match=r"^The class 'rose\\ndaisy' holds a line end"):
        write_raw(Listed([], ("rose\ndaisy", "tulip")), tmp_path / "raw")
    with pytest.raises(SourceError, match=r"^The picture 'a\\x1b\.jpg' holds a line end or another control"):
        write_raw(Listed([Example("a\x1b.jpg", encode())]), tmp_path / "raw")
    assert list(tmp_path.iterdir()) == []


def test_a_source_without_one_good_picture_says_why(tmp_path: Path) -> None:
    outside = ObjectLabel("rose", (500, 0, 510, 9), origin="a.xml, object 1")
    with pytest.raises(
        SourceError, match=r"None of the 1 pictures .* a.jpg: none of its 1 objects .* outside"
    ):
        write_raw(Listed([Example("a.jpg", encode(), None, (outside,))]), tmp_path / "raw")
    assert list(tmp_path.iterdir()) == []


def test_given_splits_and_groups_are_kept(tmp_path: Path) -> None:
    tables = gather(tmp_path, Example("a.jpg", encode(), "rose", split="valid", group="rose bush 3"))
    assert tables.images["given_split"].astype(object).where(
        tables.images["given_split"].notna(), None
    ).tolist() == [
        None,
        "valid",
    ]
    assert tables.images["given_group"][1] == "rose bush 3"


def test_tables_longer_than_a_row_group_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "TABLE_ROWS", 3)
    data = encode(Image.new("RGB", (64, 48)), "PNG")
    tables = gather(tmp_path, *(Example(f"{number}.png", data, "rose", (BOX,)) for number in range(7)))
    assert tables.images["image_id"].tolist() == list(range(1, 9))
    assert tables.objects["object_id"].tolist() == list(range(1, 9))
    assert tables.images["file_name"].tolist()[1:] == [f"{number}.png" for number in range(7)]


# --- a disk that is full


def fill_disk_at(call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the writing of Parquet fail at its n-th call, as Arrow does."""
    write, calls = writers.pq.ParquetWriter.write_table, iter(range(1, 10**6))

    def fail(self: object, table: object) -> None:
        if next(calls) >= call:
            raise OSError(
                errno.ENOSPC, "Error writing bytes to file. Detail: [errno 28] No space left on device"
            )
        write(self, table)

    monkeypatch.setattr(writers.pq.ParquetWriter, "write_table", fail)


@pytest.mark.parametrize("call", range(1, 8))
def test_a_full_disk_leaves_what_stood_before(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather(tmp_path)
    before = {path.name: path.read_bytes() for path in (tmp_path / "raw").iterdir()}
    fill_disk_at(call, monkeypatch)
    with pytest.raises(OSError, match="No space left") as caught:
        gather(tmp_path, Example("more.jpg", encode(), "rose"))
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(tmp_path / "raw")
    assert {path.name: path.read_bytes() for path in (tmp_path / "raw").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, str(Path(sys.argv[2]).parent))
from test_gather import Listed, encode, Image
from glasshouse.sources.example import Example
from glasshouse.tables.gather import write_raw
rng = np.random.default_rng(0)
pictures = [encode(Image.fromarray(rng.integers(0, 256, (128, 128, 3), np.uint8)), "PNG") for _ in range(40)]
examples = [Example(f"{n}.png", data, "rose") for n, data in enumerate(pictures)]
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    write_raw(Listed(examples), Path(sys.argv[1]))
except OSError as error:
    print(error.errno, error.filename)
"""


def test_files_that_may_not_grow_leave_nothing_half_written(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "raw"), __file__]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(errno.EFBIG), str(tmp_path / "raw")]
    assert list(tmp_path.iterdir()) == []


def test_what_a_source_says_of_itself_is_kept(tmp_path: Path) -> None:
    source = Listed([Example("a.jpg", encode(), "rose")])
    write_raw(source, tmp_path / "plain")
    assert (tmp_path / "plain/source.json").read_text() == "{}\n"
    about = {"version": "1.0.0", "name": "flowers"}
    source.about = about  # type: ignore[attr-defined]
    write_raw(source, tmp_path / "told")
    assert json.loads((tmp_path / "told/source.json").read_text()) == about
