"""Where the network looked, in the report: the right answer is asked about, in the right place."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.evaluation.cases import Case, Mark
from glasshouse.evaluation.explained import Explainer, aim, choose_mark
from glasshouse.evaluation.report import write_report
from glasshouse.inputs.pixel_shards import PixelShards
from glasshouse.inputs.prepared import Prepared
from glasshouse.inputs.resize import Transform, resize_picture
from glasshouse.tables.schema import build_frame

SIDE = 64
MISSED, FOUND = Mark("missed", "missed rose", (0.0, 0.0, 9.0, 9.0)), Mark("truth", "", (0.0, 0.0, 9.0, 9.0))
SURE = Mark("right", "rose 0.90", (20.0, 10.0, 60.0, 40.0), 0, 0.9)
WRONG = Mark("wrong", "tulip 0.40", (20.0, 10.0, 60.0, 40.0), 1, 0.4)
WORSE = Mark("wrong", "tulip 0.50", (20.0, 10.0, 60.0, 40.0), 1, 0.5)


def case(*marks: Mark, image_id: int = 1) -> Case:
    return Case(image_id, f"{image_id}.png", 0.0, "", marks)


@pytest.mark.parametrize(
    ("marks", "chosen"),
    [
        ((FOUND, SURE, WRONG, WORSE), WORSE),
        ((MISSED, SURE), SURE),
        ((MISSED, FOUND), None),
        ((), None),
    ],
)
def test_the_surest_mistake_is_explained_before_what_is_right(
    marks: tuple[Mark, ...], chosen: Mark | None
) -> None:
    assert choose_mark(case(*marks)) is chosen


def test_the_network_is_asked_about_the_box_where_it_saw_it() -> None:
    """Original 20..80 x 10..50, halved and moved down by 7: 10..40 x 12..32."""
    target = aim(SURE, Transform(0.5, 0.5, 0.0, 7.0))
    assert target.label == 0
    assert target.box_xyxy_px is not None
    assert target.box_xyxy_px.tolist() == [10.0, 12.0, 40.0, 32.0]
    assert aim(Mark("right", "rose 0.9", None, 3, 0.9), Transform(1, 1, 0, 0)).box_xyxy_px is None


@pytest.fixture
def picture() -> np.ndarray:
    """100 high, 200 wide, black with a white square at 120..160 x 20..60."""
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[20:60, 120:160] = 255
    return pixels


@pytest.fixture
def prepared(picture: np.ndarray, tmp_path: Path) -> Prepared:
    """Row 0 is another, black picture."""
    how: Any = SimpleNamespace(height_px=SIDE, width_px=SIDE, resize="letterbox", pad_value=0)
    small, went = resize_picture(picture, how)
    place = (went.scale_x, went.scale_y, went.offset_x_px, went.offset_y_px)
    images = [(n, row, "a", 1.0, 200, 100, *place) for row, n in enumerate([3, 8])]
    np.save(tmp_path / "pixels.npy", np.stack([np.zeros_like(small), small]))
    tables = (build_frame([], "prepared_objects"), build_frame([(1, "a")], "categories"))
    return Prepared(PixelShards([tmp_path / "pixels.npy"]), build_frame(images, "prepared_images"), *tables)


def see_brightness(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Class 0 is as likely as the picture is bright."""
    bright = pixels.mean((1, 2, 3)) / 255
    return {"probabilities": np.stack([bright, (1 - bright) / 2, (1 - bright) / 2], -1)}


def test_the_map_lies_in_the_original_picture(prepared: Prepared, picture: np.ndarray) -> None:
    explainer = Explainer(see_brightness, prepared, pictures=1, seed=0)
    saliency = explainer.map(8, Mark("right", "a 0.90", None, 0, 0.9))
    assert saliency.shape == (100, 200)
    y, x = np.unravel_index(saliency.argmax(), saliency.shape)
    assert (20 <= y < 60, 120 <= x < 160) == (True, True)
    assert saliency[20:60, 120:160].mean() > 3 * saliency[:, :100].mean()


def test_the_masks_are_as_many_and_as_random_as_asked(prepared: Prepared) -> None:
    asked: list[int] = []

    def count(pixels: np.ndarray) -> dict[str, np.ndarray]:
        asked.append(len(pixels))
        return see_brightness(pixels)

    mark = Mark("right", "a 0.90", None, 0, 0.9)
    maps = [Explainer(count, prepared, pictures=1, seed=seed, masks=40).map(8, mark) for seed in (5, 5, 6)]
    assert sum(asked) == 3 * 40
    assert (maps[0] == maps[1]).all()
    assert (maps[0] != maps[2]).any()


def test_as_many_pictures_as_asked_for_those_without_an_answer_left_out(
    prepared: Prepared, picture: np.ndarray
) -> None:
    wrong, right = Mark("wrong", "a 0.60, is b", None, 0, 0.6), Mark("right", "a 0.90", None, 0, 0.9)
    cases = [case(MISSED, image_id=3), case(wrong, image_id=8), case(right, image_id=3)]
    explainer = Explainer(see_brightness, prepared, pictures=1, seed=0, masks=40)
    ((shown, image),) = explainer.draw(cases, lambda image_id: picture)
    assert (shown.image_id, shown.summary, shown.marks) == (8, "a 0.60, is b", (wrong,))
    assert image.size == (400, 200)
    none = Explainer(see_brightness, prepared, pictures=0, seed=0)
    assert none.draw(cases, lambda image_id: picture) == []
    again = Explainer(see_brightness, prepared, pictures=1, seed=0, masks=40)
    assert again.draw(cases, lambda image_id: picture)[0][1].tobytes() == image.tobytes()


def test_the_page_shows_where_it_looked(
    prepared: Prepared, picture: np.ndarray, classified: Any, tmp_path: Path
) -> None:
    explainer = Explainer(see_brightness, prepared, pictures=2, seed=0, masks=20)
    tables = classified(1)
    tables.images.loc[:1, "image_id"] = [2, 8]  # of the made-up split, only these two were prepared
    tables.predictions.loc[tables.predictions["image_id"].isin([3, 5]), "image_id"] = [8, 2]
    tables.images["width_px"], tables.images["height_px"] = 200, 100

    def explain(cases: Any, read: Any) -> Any:
        return explainer.draw([each for each in cases if each.image_id == 8], read)

    settings: dict[str, Any] = {"model": {}, "gallery_score": 0.3, "bootstrap_rounds": 20, "seed": 7}
    for folder, how in (("with", explain), ("without", None)):
        write_report(
            tmp_path / folder, "classify", {"test": tables}, {}, lambda _: picture,
            gallery_pictures=40, explain=how, **settings,
        )  # fmt: skip
    page, plain = ((tmp_path / name / "index.html").read_text() for name in ("with", "without"))
    assert "Where it looked" in page
    assert "Where it looked" not in plain
    assert page.count("<figure><img") == plain.count("<figure><img") + 1
