from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from glasshouse.cli import main
from glasshouse.inputs.prepare import write_prepared
from glasshouse.params import read_params
from glasshouse.sources.blooms.source import Blooms
from glasshouse.tables.gather import write_raw
from glasshouse.tables.schema import build_frame

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Params of this project at 64 px, and six drawn pictures, prepared."""
    monkeypatch.chdir(tmp_path)
    text = (
        PARAMS.read_text().replace("height_px: 128", "height_px: 64").replace("width_px: 128", "width_px: 64")
    )
    Path("params.yaml").write_text(text)
    write_raw(Blooms(6, 64, seed=3, workers=1), Path("data/raw"))
    split = build_frame([(row, "train", row, 1.0) for row in range(1, 7)], "split")
    write_prepared(Path("data/raw"), split, read_params().preprocess, Path("data/prepared"))
    return tmp_path


def colours(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype(int)


def test_a_sheet_shows_boxes_on_the_pictures(project: Path, capsys: Any) -> None:
    assert main(["preview", "--pictures", "8", "--single", "--out", "sheets/a.jpg"]) == 0
    assert "sheets/a.jpg written: 8 pictures" in capsys.readouterr().out
    with Image.open("sheets/a.jpg") as sheet:
        assert sheet.size == (6 * 320, 2 * 320)  # six a row, 64 px drawn five times as large
    blue = np.abs(colours(Path("sheets/a.jpg")) - [64, 156, 255]).max(axis=1) < 40
    assert blue.sum() > 200  # lines and labels of boxes


def test_the_same_params_give_the_same_sheet(project: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        assert main(["preview", "--pictures", "4", "--out", name]) == 0
    assert Path("a.jpg").read_bytes() == Path("b.jpg").read_bytes()
    assert main(["preview", "--pictures", "4", "--single", "--out", "c.jpg"]) == 0
    assert Path("c.jpg").read_bytes() != Path("a.jpg").read_bytes()  # no mosaics in it


def test_pasted_objects_are_shown_and_missing_masks_named(project: Path, capsys: Any) -> None:
    text = Path("params.yaml").read_text().replace("mosaic: 0.5", "mosaic: 0.0")
    Path("params.yaml").write_text(text)
    assert main(["preview", "--pictures", "4", "--out", "plain.jpg"]) == 0
    Path("params.yaml").write_text(text.replace("copy_paste: 0.0", "copy_paste: 1.0"))
    assert main(["preview", "--pictures", "4", "--out", "pasted.jpg"]) == 0
    assert Path("plain.jpg").read_bytes() != Path("pasted.jpg").read_bytes()
    assert main(["preview", "--pictures", "4", "--single", "--out", "single.jpg"]) == 0
    assert Path("plain.jpg").read_bytes() == Path("single.jpg").read_bytes()  # nothing else was drawn anew
    Path("data/prepared/train/masks.npy").unlink()
    assert main(["preview", "--pictures", "4"]) == 1
    assert "augment.copy_paste: no object of the training split has a mask" in capsys.readouterr().err


def test_mosaics_that_the_head_does_without_are_said(project: Path, capsys: Any) -> None:
    text = Path("params.yaml").read_text().replace("task: detect", "task: localize")
    Path("params.yaml").write_text(text.replace("name: anchor_free", "name: localize"))
    assert main(["preview", "--pictures", "4", "--out", "a.jpg"]) == 0
    assert "augment.mosaic is left out" in capsys.readouterr().out
    assert main(["preview", "--pictures", "4", "--single", "--out", "b.jpg"]) == 0
    assert Path("a.jpg").read_bytes() == Path("b.jpg").read_bytes()


def test_pictures_of_another_size_than_params_yaml_says_are_refused(project: Path, capsys: Any) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("height_px: 64", "height_px: 96"))
    assert main(["preview"]) == 1
    told = "data/prepared holds pictures of 64 x 64 px, preprocess in params.yaml says 96 x 64"
    assert told in (errors := capsys.readouterr().err) and "run `dvc repro preprocess`" in errors
    assert not Path("reports/preview.jpg").exists()


def test_pictures_that_were_prepared_otherwise_are_warned_of(project: Path, capsys: Any) -> None:
    Path("dvc.yaml").write_text("stages: {preprocess: {cmd: x, params: [preprocess], outs: [data/prepared]}}")
    prepared = YAML(typ="safe").load(Path("params.yaml"))["preprocess"]
    locked = {"cmd": "x", "params": {"params.yaml": {"preprocess": prepared}}}
    YAML().dump({"schema": "2.0", "stages": {"preprocess": locked}}, Path("dvc.lock"))
    assert main(["preview", "--pictures", "2", "--out", "first.jpg"]) == 0
    assert capsys.readouterr().err == ""
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("resize: letterbox", "resize: stretch"))
    assert main(["preview", "--pictures", "2", "--out", "second.jpg"]) == 0
    assert capsys.readouterr().err == (
        "warning: data/prepared is not what would be written today (preprocess: params.yaml preprocess "
        "changed since it ran): run `dvc repro preprocess`.\n"
    )


@pytest.mark.parametrize("lost", ["categories.parquet", "train/images.parquet", "train"])
def test_what_is_prepared_in_part_is_named(project: Path, lost: str, capsys: Any) -> None:
    Path("data/prepared", lost).rename("lost")
    assert main(["preview"]) == 1
    errors = capsys.readouterr().err
    assert f"data/prepared/{lost}" in errors and "run `dvc repro preprocess`" in errors


def test_a_folder_is_no_place_for_the_sheet(project: Path, capsys: Any) -> None:
    Path("reports").mkdir()
    assert main(["preview", "--out", "reports"]) == 1
    assert "--out reports is a folder: name a file, such as reports/preview.jpg" in capsys.readouterr().err
    assert main(["preview", "--out", "params.yaml/preview.jpg"]) == 1
    assert "params.yaml is a file, and must be a folder" in capsys.readouterr().err


def test_a_full_disk_is_told_with_the_name_of_the_sheet(project: Path, capsys: Any) -> None:
    assert main(["preview", "--out", "/dev/full"]) == 1
    assert "the disk is full while writing /dev/full." in capsys.readouterr().err


def test_nothing_is_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS.read_text())
    assert main(["preview"]) == 1
    assert "run `dvc repro preprocess`" in capsys.readouterr().err
