"""The backbone that ships, on a small scale: drawn, trained, written, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.cli import main
from glasshouse.pretraining.pretrain import draw_pictures, pretrain, shape_detector
from glasshouse.pretraining.shapes.source import Shapes

PICTURES, SIDE, SEED = 8, 64, 11  # one step


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def trained(project: Path) -> tuple[Path, list[dict[str, Any]]]:
    """By the function, in a folder without .glasshouse."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        out = project / "weights/csp_compact.weights.h5"
        return out, pretrain("csp_compact", PICTURES, SIDE, 1, SEED, out)


def test_the_history_has_a_row_an_epoch(trained: tuple[Path, list[dict[str, Any]]], project: Path) -> None:
    _, history = trained
    assert [row["epoch"] for row in history] == [1]
    assert history[0]["loss"] == pytest.approx(history[0]["loss_class"] + history[0]["loss_box"], rel=1e-4)
    assert list((project / ".glasshouse/checkpoints").iterdir()) == []  # nothing is left to be resumed


def test_a_network_starts_from_the_written_backbone(trained: tuple[Path, list[dict[str, Any]]]) -> None:
    import keras

    from glasshouse.models.backbones.csp_compact import Params
    from glasshouse.models.network import build_network

    model = shape_detector("csp_compact")
    fresh = build_network(model, height_px=96, width_px=96, classes=2)
    named = model.model_copy(update={"backbone": Params(name="csp_compact", weights=str(trained[0]))})
    keras.utils.set_random_seed(0)
    started = build_network(named, height_px=96, width_px=96, classes=2)
    pairs = zip(fresh.backbone.weights, started.backbone.weights, strict=True)
    assert [weight.path for weight, other in pairs if np.array_equal(weight, other)] == []


def test_the_same_command_gives_the_same_bytes(
    trained: tuple[Path, list[dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    numbers = [f"--pictures={PICTURES}", f"--size-px={SIDE}", "--epochs=1", f"--seed={SEED}"]
    assert main(["pretrain", *numbers, "--out", "again.weights.h5"]) == 0
    assert Path("again.weights.h5").read_bytes() == trained[0].read_bytes()
    said = capsys.readouterr().out
    assert f"wrote again.weights.h5 ({trained[0].stat().st_size / 1e6:.1f} MB)" in said
    assert f"last loss {trained[1][-1]['loss']:.3f}" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--backbone csp_compakt", "no 'csp_compakt'. Did you mean 'csp_compact'?"),
        ("--backbone lenet5", "lenet5 has no maps of exactly 1/8, 1/16 and 1/32"),
        ("--size-px 100", "a multiple of 32 from 32 to 4096 for csp_compact. Got 100"),
        ("--size-px 64 --backbone xception", "a multiple of 32 from 71 to 4096 for xception. Got 64"),
        ("--seed -1", "--seed must be 0 to 4294967295. Got -1"),
        ("--out new.h5", "--out new.h5: its name must end in .weights.h5"),
        ("--out file/new.weights.h5", "file is a file, name another"),
        ("--out folder.weights.h5", "folder.weights.h5 is a folder, name another"),
        ("--out file/below/new.weights.h5", "file/below: Not a directory"),
    ],
)
def test_what_would_fail_after_minutes_is_told_before_the_first_picture(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("glasshouse.pretraining.pretrain.pretrain", lambda *_: pytest.fail("has begun"))
    Path("file").touch()
    Path("folder.weights.h5").mkdir()
    out = [] if "--out" in words else ["--out", "new.weights.h5"]
    assert main(["pretrain", *words.split(), *out]) == 1
    assert said in capsys.readouterr().err


def test_drawn_pictures_are_those_of_the_world_with_padded_boxes() -> None:
    world = Shapes(PICTURES, SIDE, SEED)
    pictures = draw_pictures(world)
    assert len(pictures) == PICTURES
    assert pictures.size == (SIDE, SIDE)
    for row, example in enumerate(world):
        real = pictures.labels[row] >= 0
        assert [world.categories[label] for label in pictures.labels[row][real]] == [
            item.label for item in example.objects
        ]
        boxes = np.array([item.box_xyxy_px for item in example.objects]).reshape(-1, 4)
        assert pictures.boxes_xyxy_px[row][real] == pytest.approx(boxes)
        assert (pictures.boxes_xyxy_px[row][~real] == 0).all()
    assert pictures.pixels.gather(np.array([3, 0])).shape == (2, SIDE, SIDE, 3)


def test_a_world_without_objects_still_has_a_slot_for_them() -> None:
    class Empty(Shapes):
        def __iter__(self) -> Any:
            return (type(example)(example.file_name, example.picture) for example in super().__iter__())

    pictures = draw_pictures(Empty(2, SIDE, SEED))
    assert pictures.labels.tolist() == [[-1], [-1]]
