"""Pictures in arrays, as lectures and notebooks save them."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from glasshouse.readers.npy import ArrayPictures, read
from glasshouse.sources import unpacking
from glasshouse.sources.example import SourceError
from glasshouse.sources.groups import apply_groups
from glasshouse.sources.npy import shapes

RANDOM = np.random.default_rng(7)
COLOUR = RANDOM.integers(0, 256, (5, 8, 8, 3), np.uint8)
GREY = COLOUR[..., 0].copy()
LABELS = np.array([0, 1, 1, 0, 2])


def save(folder: Path, **content: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in content.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def decode(source: ArrayPictures) -> np.ndarray:
    return np.stack([np.asarray(Image.open(io.BytesIO(example.picture))) for example in source])


COLUMNS = COLOUR.reshape(5, -1).T
FORMS = {
    "columns": np.ascontiguousarray(COLUMNS),
    "columns in Fortran order": np.asfortranarray(COLUMNS),
    "rows": COLOUR.reshape(5, -1),
    "rows in Fortran order": np.asfortranarray(COLOUR.reshape(5, -1)),
    "(N, H, W, C)": COLOUR,
    "(N, H, W, C) in Fortran order": np.asfortranarray(COLOUR),
    "16 bits": COLOUR.astype(np.int16),
    "big endian": COLOUR.astype(">i4"),
    "floats to 255": COLOUR.astype(np.float32),
    "floats to 1": COLOUR / 255,
}


@pytest.mark.parametrize("block", [1, 400, 2**20])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_pictures(
    tmp_path: Path, form: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "BLOCK_BYTES", block)
    source = read(save(tmp_path, X=FORMS[form], y=LABELS), ())
    assert (decode(source) == COLOUR).all() and not source.faults
    assert [example.file_name for example in source] == [f"X/{number}.png" for number in range(5)]
    assert [example.label for example in source] == ["0", "1", "1", "0", "2"]
    assert source.categories == ("0", "1", "2") and len(source) == 5 and list(source) == list(source)


@pytest.mark.parametrize(
    "array", [GREY, GREY[..., None], GREY.reshape(5, -1).T, np.asfortranarray(GREY), GREY / 255.0]
)
def test_grey_pictures(tmp_path: Path, array: np.ndarray) -> None:
    assert (decode(read(save(tmp_path, X=array, y=LABELS), ())) == GREY).all()


def test_other_shapes_and_truth_values(tmp_path: Path) -> None:
    wide = RANDOM.integers(0, 2, (5, 4, 9)).astype(bool)
    assert (decode(read(save(tmp_path, images=wide, labels=LABELS), ())) == wide * 255).all()


def test_the_lectures_size(tmp_path: Path) -> None:
    picture = RANDOM.integers(0, 256, (300, 300, 3), np.uint8)
    columns = np.stack([picture.ravel(), picture.ravel()[::-1], picture.ravel()], axis=1)
    assert columns.shape == (270_000, 3)
    source = read(save(tmp_path, X=columns, y=np.array([[0, 1, 0]])), ("no", "yes"))
    assert (decode(source)[2] == picture).all() and [file.label for file in source.files] == [
        "no",
        "yes",
        "no",
    ]
    grey = read(save(tmp_path / "grey", X=columns[:90_000], y=[0, 1, 0]), ())
    assert (decode(grey)[0] == columns[:90_000, 0].reshape(300, 300)).all()


@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        LABELS[None],
        LABELS[:, None],
        LABELS.astype(float),
        LABELS.astype(np.uint8),
        np.array(["cat", "dog", "dog", "cat", "emu"]),
        np.array([b"cat", b"dog", b"dog", b"cat", b"emu"]),
    ],
)
def test_labels_of_every_kind(tmp_path: Path, labels: np.ndarray) -> None:
    (save(tmp_path, X=COLOUR, y=labels) / "classes.txt").write_text("cat\ndog\nemu\n")
    source = read(tmp_path, ())
    assert [file.label for file in source.files] == ["cat", "dog", "dog", "cat", "emu"]
    assert source.categories == ("cat", "dog", "emu")


def test_numbers_as_names_are_sorted_as_numbers(tmp_path: Path) -> None:
    assert read(save(tmp_path, X=COLOUR, y=[10, 2, 2, 10, 3]), ()).categories == ("2", "3", "10")


def test_archives_and_splits(tmp_path: Path) -> None:
    np.savez_compressed(
        tmp_path / "m.npz", x_train=COLOUR, y_train=LABELS, x_test=COLOUR[:2], y_test=LABELS[:2]
    )
    source = read(tmp_path, ())
    assert [file.split for file in source.files] == ["train"] * 5 + ["test"] * 2
    assert [example.split for example in source] == ["train"] * 5 + ["test"] * 2
    assert [file.file_name for file in source.files[4:6]] == ["x_train/4.png", "x_test/0.png"]
    assert (decode(source) == np.concatenate([COLOUR, COLOUR[:2]])).all()
    folder = save(tmp_path / "v", X_train=COLOUR, train_labels=LABELS, X_val=COLOUR, y_val=LABELS)
    assert {file.split for file in read(folder, ()).files} == {"train", "valid"}
    folder = save(tmp_path / "two", flowers=COLOUR, answers=LABELS)
    assert (decode(read(folder, ())) == COLOUR).all()


def test_what_is_not_finite_is_set_aside_by_its_number(tmp_path: Path) -> None:
    columns = COLUMNS / 255
    columns[3, 1] = np.nan
    columns[4:6, 4] = np.inf
    source = read(save(tmp_path, X=columns, y=[0.0, 1, np.nan, 0, 2]), ())
    assert [(fault.file_name, fault.place, fault.kind) for fault in source.faults] == [
        ("X.npy", "picture 1", "not_finite"),
        ("X.npy", "picture 4", "not_finite"),
        ("X.npy", "picture 2", "label_missing"),
    ]
    assert {fault.action for fault in source.faults} == {"set_aside"}
    assert [example.file_name for example in source] == ["X/0.png", "X/3.png"] and len(source) == 2
    assert (decode(source) == COLOUR[[0, 3]]).all()


def test_what_is_set_aside_of_one_array_is_told_beside_that_of_another(tmp_path: Path) -> None:
    columns = COLUMNS / 255
    columns[3, 1] = np.nan
    y_test = np.where(LABELS == 2, np.nan, LABELS)
    source = read(save(tmp_path, X_train=columns, y_train=LABELS, X_test=COLOUR, y_test=y_test), ())
    assert [(fault.file_name, fault.place) for fault in source.faults] == [
        ("X_train.npy", "picture 1"),
        ("X_test.npy", "picture 4"),
    ]


@pytest.mark.parametrize(("count", "last"), [(10, "X/9.png"), (11, "X/10.png")])
def test_numbers_are_as_wide_as_the_last_one(tmp_path: Path, count: int, last: str) -> None:
    files = read(save(tmp_path, X=np.zeros((count, 2, 2), np.uint8), y=np.zeros(count, int)), ()).files
    assert (files[0].file_name, files[-1].file_name) == (f"X/{'0' * (len(last) - 6)}.png", last)


class Evil:
    def __reduce__(self) -> Any:
        return print, ("unpickled",)


@pytest.mark.parametrize(
    "content, message",
    [
        ({}, "needs X.npy and y.npy, or one .npz with both. Found no arrays"),
        ({"X": COLOUR}, "lacks the labels y"),
        ({"y": LABELS}, "lacks the pictures x"),
        ({"X": COLOUR, "x_train": COLOUR, "y": LABELS}, "lacks the labels y_train"),
        (
            {"X": COLOUR, "images": COLOUR, "y": LABELS},
            "X.npy and images.npy .* mean the same|images.npy and X.npy",
        ),
        ({"X": COLOUR, "y": LABELS[:4]}, "5 pictures, and there are 4 labels"),
        ({"X": COLUMNS[:-1], "y": LABELS}, "191 is neither side"),
        ({"X": COLOUR.transpose(1, 2, 3, 0), "y": LABELS}, "shape .8, 8, 3, 5.; expected columns"),
        ({"X": COLOUR[0, 0, 0], "y": LABELS}, "shape .3,.; expected columns"),
        ({"X": COLOUR[:0], "y": LABELS}, "X.npy is empty"),
        ({"X": COLOUR / 127.5 - 1, "y": LABELS}, "levels run from -1 to 1; expected 0..255"),
        ({"X": COLOUR.astype(np.uint16) * 256, "y": LABELS}, "levels run from 0 to"),
        ({"X": COLOUR * 1j, "y": LABELS}, "dtype complex128; levels must be"),
        ({"X": np.full((5, 4, 4), np.nan), "y": LABELS}, "none of its levels is finite"),
        ({"X": COLOUR, "y": np.array([Evil()] * 5)}, "y.npy holds Python objects, which are not unpickled"),
        ({"X": COLOUR, "y": np.eye(5)}, "shape .5, 5.; labels must be .*argmax"),
        ({"X": COLOUR, "y": LABELS + 0.5}, "label 0 is 0.5; labels must be whole"),
        (
            {"X": COLOUR, "y": LABELS + 1},
            "y.npy, label 4: 3 has no name; the 3 classes .* count from 1: subtract 1",
        ),
        ({"X": COLOUR, "y": LABELS - 1}, "y.npy, label 0: -1 has no name"),
        (
            {"X": COLOUR, "y": ["cat", "dgo", "dog", "cat", "emu"]},
            "y.npy, label 1: label 'dgo' .* Did you mean 'dog'",
        ),
        ({"X": COLOUR, "y": np.array([b"\xff"] * 5)}, "label 0 is .*not UTF-8"),
        ({"X": COLOUR, "y": np.full(5, np.nan)}, "y.npy holds no labels"),
        ({"X": COLOUR, "y": np.array([1, 2], "datetime64[s]")}, "dtype datetime64"),
        (
            {"X_train": COLOUR, "y_train": LABELS, "X_test": COLOUR, "y_test": ["cat"] * 5},
            "one holds numbers and another texts",
        ),
    ],
)
def test_critical(
    tmp_path: Path, content: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SourceError, match=message):
        read(save(tmp_path, **content), ("cat", "dog", "emu"))
    assert "unpickled\n" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, data, message",
    [
        ("X.npy", b"", "X.npy is no array as NumPy saves it"),
        ("X.npy", b"text, not an array", "X.npy is no array"),
        ("X.npz", b"text, not an archive", "X.npz cannot be read"),
    ],
)
def test_files_that_are_no_arrays(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (save(tmp_path, y=LABELS) / name).write_bytes(data)
    with pytest.raises(SourceError, match=message):
        read(tmp_path, ())


@pytest.mark.parametrize("bomb", ["x", "y"])
def test_an_archive_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: str
) -> None:
    """One picture, or the labels, of a gigabyte come out of a megabyte; here a thousandth of that."""
    monkeypatch.setattr(unpacking, "RATIO_FLOOR_BYTES", 1 << 20)
    content = {
        "x": np.zeros((2, 1000, 1000) if bomb == "x" else (2, 8, 8), np.uint8),
        "y": np.zeros(300_000 if bomb == "y" else 2, np.int64),
    }
    np.savez_compressed(tmp_path / "set.npz", **content)
    with pytest.raises(SourceError, match=rf"set.npz: member '{bomb}.npy' brings .* looks like a bomb"):
        read(tmp_path, ())


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((2, 10_000, 9_000, 3), "9000 x 10000"),
        ((2, 10_000, 9_000), "9000 x 10000"),
        ((2, 10**8), "10000 x 10000"),
    ],
)
def test_pictures_that_are_too_large_are_refused_before_one_is_read(
    tmp_path: Path, shape: tuple[int, ...], sides: str
) -> None:
    save(tmp_path, y=np.array([0, 1]))
    with (tmp_path / "X.npy").open("wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
    with pytest.raises(SourceError, match=f"X.npy .* pictures of {sides} pixels are too large"):
        read(tmp_path, ())


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = save(tmp_path, X=COLOUR / 255, y=LABELS) / "X.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match=r"X.npy is cut off: row 0 of 5|X.npy is cut off"):
        read(tmp_path, ())


def test_groups_name_the_pictures(tmp_path: Path) -> None:
    (save(tmp_path, X=COLOUR, y=LABELS) / "groups.csv").write_text("file_name,group\nX/1.png,a\n2.png,a\n")
    source = apply_groups(read(tmp_path, ()), tmp_path)
    assert [example.group for example in source] == [None, "a", "a", None, None]


@settings(max_examples=30, deadline=None)
@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3, 4])),
    ),
    st.booleans(),
)
def test_what_is_written_is_read(pixels: np.ndarray, packed: bool) -> None:
    labels = [str(number) for number in range(len(pixels))]
    with tempfile.TemporaryDirectory() as place:
        if packed:
            np.savez(Path(place) / "d.npz", images=pixels, labels=labels)
        else:
            save(Path(place), X=pixels, y=labels)
        source = read(Path(place), ())
        found = decode(source)
    assert (found.reshape(pixels.shape) == pixels).all() and [file.label for file in source.files] == labels


PROGRAM = """
import resource, sys
from pathlib import Path
from glasshouse.sources.npy import shapes
from glasshouse.readers.npy import read
shapes.BLOCK_BYTES = 2 ** 20
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(1 for _ in read(Path(sys.argv[1]), ()))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("as_columns", [True, False])
def test_memory_does_not_grow_with_the_array(tmp_path: Path, as_columns: bool, run_python: Any) -> None:
    pixels = np.zeros((4000, 100, 100), np.uint8)  # 40 MB
    save(tmp_path, X=pixels.reshape(4000, -1).T.copy() if as_columns else pixels, y=np.zeros(4000, int))
    done = run_python("-c", PROGRAM, str(tmp_path), cwd=tmp_path)
    count, kilobytes = map(int, done.stdout.split())
    assert count == 4000 and kilobytes < 12_000
