from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glasshouse.sources.blooms.scene import CATEGORIES
from glasshouse.sources.blooms.source import Blooms

tfds = pytest.importorskip("tensorflow_datasets")

PICTURES, SIDE_PX, SEED = 12, 48, 3


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    from glasshouse.blooms_tfds import BloomsConfig

    folder = tmp_path_factory.mktemp("tfds")
    config = BloomsConfig(name="tiny", pictures=PICTURES, size_px=SIDE_PX, seed=SEED)
    tfds.builder("blooms", config=config, data_dir=folder).download_and_prepare()
    return folder, {"config": config}


def read(prepared: tuple[Path, dict[str, object]], split: str) -> list[dict[str, object]]:
    folder, arguments = prepared
    return list(tfds.as_numpy(tfds.load("blooms", split=split, data_dir=folder, builder_kwargs=arguments)))


def test_holds_the_pictures_boxes_and_labels_of_the_source(prepared: tuple[Path, dict[str, object]]) -> None:
    found = {row["image/filename"].decode(): row for row in read(prepared, "train")}
    assert len(found) == PICTURES
    for example in Blooms(PICTURES, SIDE_PX, SEED, workers=1):
        row = found[example.file_name]
        ours = np.asarray(Image.open(io.BytesIO(example.picture)), np.int32)
        assert np.abs(row["image"] - ours).mean() < 1.5  # TensorFlow decodes JPEG a little differently
        assert row["label"] == (CATEGORIES.index(example.label) if example.label else len(CATEGORIES))
        y_min, x_min, y_max, x_max = row["objects"]["bbox"].reshape(-1, 4).T * SIDE_PX
        boxes = np.array([item.box_xyxy_px for item in example.objects], np.float64).reshape(-1, 4)
        assert np.stack((x_min, y_min, x_max, y_max), 1) == pytest.approx(boxes, abs=1e-3)
        assert [CATEGORIES[label] for label in row["objects"]["label"]] == [
            item.label for item in example.objects
        ]


def test_slices_are_parts_of_the_whole(prepared: tuple[Path, dict[str, object]]) -> None:
    names = [row["image/filename"] for row in read(prepared, "train")]
    assert [row["image/filename"] for row in read(prepared, "train[:25%]")] == names[:3]
    assert [row["image/filename"] for row in read(prepared, "train[25%:]")] == names[3:]


def test_default_set_is_that_of_the_pipeline(tmp_path: Path) -> None:
    import glasshouse.blooms_tfds  # noqa: F401

    builder = tfds.builder("blooms", data_dir=tmp_path)
    config = builder.builder_config
    assert (config.name, config.pictures, config.size_px, config.seed) == ("default", 1600, 160, 7)
    assert builder.info.features["image"].shape == (160, 160, 3)
    assert builder.info.features["label"].names == [*CATEGORIES, "none"]
