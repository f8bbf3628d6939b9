"""Pasted objects: boxes against masks that were moved and covered, what is dropped, what is drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.geometry.masks import pack_mask
from glasshouse.inputs.augment import Plan, draw_plan
from glasshouse.inputs.masks import Masks
from glasshouse.inputs.moving import MIN_VISIBLE, Seen, find_seen
from glasshouse.inputs.painting import lay_over, move_tiles
from glasshouse.inputs.pasting import Pasting, draw_pasting, fill_box, hide_objects, paste_objects
from glasshouse.inputs.shapes import Shapes
from glasshouse.inputs.stream import Pictures, TrainingStream, may_compose
from glasshouse.params import Augment

PICTURES = 6
STILL = Augment(
    scale=(1.0, 1.0),
    mosaic_off_epochs=0,
    **{name: 0.0 for name in Augment.model_fields if name not in ("scale", "mosaic_off_epochs")},  # type: ignore[arg-type]
)
MOVES: dict[str, dict[str, Any]] = {
    "zoom": {"flip": 0.5, "scale": (0.7, 1.4), "translate": 0.2},
    "turn": {"rotate": 30.0, "flip": 0.5},
    "crop": {"crop": 1.0},
    "mosaic": {"mosaic": 1.0, "scale": (0.8, 1.4)},
}


def masks_of(masks: np.ndarray) -> Masks:
    """Masks of pictures with one object each, (P, H, W), uncut."""
    packed = [pack_mask(mask) for mask in masks]
    starts = np.cumsum([0, *map(len, packed[:-1])])[:, None]
    boxes = np.tile(np.array([0, 0, *masks.shape[:0:-1]], np.int32), (len(masks), 1, 1))
    return Masks(np.concatenate(packed), boxes, starts)


@dataclass
class Scene:
    """Six pictures with one shape each; two of them make a batch, with shapes of others laid over it."""

    masks: np.ndarray
    plan: Plan
    pasting: Pasting
    before: Seen  # objects of the batch without and with what is laid over them
    after: Seen
    added: Seen
    cover: np.ndarray

    def light(self, tile: int, pasted: bool) -> np.ndarray:
        """Which pixels (2, H, W) show the object of this tile of the batch, or what is pasted (tile -1)."""
        plan, white = self.plan, 255 * np.repeat(self.masks[..., None], 3, axis=-1).astype(np.uint8)
        alone = (np.arange(len(plan.rows)) == tile)[:, None, None, None]
        theirs = white[self.pasting.plan.rows] * np.uint8(tile == -1)
        painted = move_tiles(white[plan.rows] * alone, plan, 2, white.shape[1:3], 0)
        if pasted:
            lay_over(painted, theirs, self.pasting.plan, self.pasting.onto, self.cover)
        return np.asarray(painted)[..., 0] > 127


def draw_scene(shapes: Any, seed: int, move: str) -> Scene:
    rng, augment = np.random.default_rng(seed), STILL.model_copy(update=MOVES[move])
    kinds = ("ellipse", "rectangle", "triangle") * 2
    masks = np.stack([shapes.draw(rng, kind) for kind in kinds])
    boxes = np.stack([shapes.bound(mask) for mask in masks])[:, None]
    known, labels = shapes.of(masks), np.zeros((PICTURES, 1), np.int32)
    packed = masks_of(masks)
    plan = draw_plan(rng, np.arange(2), PICTURES, shapes.size, augment, composed=True)
    pasting = draw_pasting(rng, 2, packed, None, shapes.size, augment, 1.0)
    theirs = find_seen(pasting.plan, boxes, known, labels)
    added, cover = paste_objects(pasting, theirs, packed, known, (2, *shapes.size))
    before = find_seen(plan, boxes, known, labels)
    after = hide_objects(plan, before, packed, boxes, cover)
    return Scene(masks, plan, pasting, before, after, added, cover)


def judge(scene: Scene, shapes: Any) -> Counter[str]:
    """Hold every box of a scene against the pixels that show its object; what was seen, counted."""
    counts: Counter[str] = Counter()
    pasted = scene.light(-1, True)
    for picture, box in zip(scene.added.picture, scene.added.boxes_xyxy_px, strict=True):
        assert shapes.iou(shapes.bound(pasted[picture]), box) >= 0.95
        counts["pasted"] += 1
    for row, tile in enumerate(scene.before.tile.tolist()):
        picture = scene.plan.picture[tile]
        was, lit = (scene.light(tile, laid)[picture] for laid in (False, True))
        kept = scene.after.boxes_xyxy_px[scene.after.tile == tile]
        zoom = abs(np.linalg.det(scene.plan.matrix[tile].astype(float)))
        share = lit.sum() / (scene.masks[scene.plan.rows[tile]].sum() * zoom)
        if (was == lit).all():
            assert (kept == scene.before.boxes_xyxy_px[row]).all() and len(kept) == 1
            counts["untouched"] += 1
        elif share < MIN_VISIBLE - 0.01:
            assert not len(kept)
            counts["dropped"] += 1
        elif share > MIN_VISIBLE + 0.01 and lit.sum() > 1500:  # of less, half a pixel is too much
            assert len(kept) == 1 and shapes.iou(shapes.bound(lit), kept[0]) >= 0.95
            counts["covered"] += 1
    return counts


@pytest.mark.parametrize("move", MOVES)
@settings(max_examples=4)
@given(seed=st.integers(0, 10**6))
def test_boxes_lie_round_what_is_left_to_see(shapes: Any, move: str, seed: int) -> None:
    judge(draw_scene(shapes, seed, move), shapes)


def test_all_that_can_happen_to_an_object_does(shapes: Any) -> None:
    counts = sum((judge(draw_scene(shapes, seed, "crop"), shapes) for seed in range(8)), Counter())
    assert min(counts[what] for what in ("pasted", "untouched", "dropped", "covered")) >= 1, counts


def still_plan(pictures: int, size: tuple[int, int]) -> Plan:
    rng = np.random.default_rng(0)
    return draw_plan(rng, np.arange(pictures), pictures, size, STILL, composed=True)


@pytest.mark.parametrize(("has_mask", "kept"), [(True, True), (False, False)])
def test_what_is_left_counts_by_the_mask_and_without_one_by_the_box(has_mask: bool, kept: bool) -> None:
    """A frame of 8 of 10 px whose middle, 64 of 100 px, is covered, and 16 of the 36 px round it.

    By its mask 20 of 36 px are left (56 %), by its box 20 of 100, which is less than a quarter.
    """
    frame = np.zeros((1, 20, 20), bool)
    frame[0, 5:15, 5:15] = True
    frame[0, 6:14, 6:14] = False
    masks = masks_of(frame)
    if not has_mask:
        masks.boxes_xyxy_px[:] = 0
    cover = np.zeros((1, 20, 20), bool)
    cover[0, 6:14, 6:14] = True
    cover[0, 5:15, 13:15] = True  # 10 + 6 of the frame's pixels
    boxes = np.array([[[5, 5, 15, 15]]], np.float32)
    plan = still_plan(1, (20, 20))
    seen = find_seen(plan, boxes, Shapes.unknown((1, 1)), np.zeros((1, 1), np.int32))
    left = hide_objects(plan, seen, masks, boxes, cover)
    assert len(left.tile) == int(kept)
    if kept:
        assert left.boxes_xyxy_px[0].tolist() == [5, 5, 13, 15]


def test_a_box_fills_the_pixels_whose_middles_lie_in_it() -> None:
    # Middles 1.5 to 4.5 lie in 1.4 .. 5.5, which ends on the next; 3.5 to 7.5 in 2.6 .. 7.51.
    stamp = fill_box(np.array([1.4, 2.6, 5.5, 7.51]))
    assert stamp.bound().tolist() == [1, 3, 5, 8] and stamp.inside.all()


def test_of_what_is_left_a_box_of_less_than_a_pixel_is_none() -> None:
    """2 x 1 px without a mask, of which one pixel of two is covered: 0.6 x 1 px are left."""
    masks, cover = masks_of(np.zeros((1, 20, 20), bool)), np.zeros((1, 20, 20), bool)
    masks.boxes_xyxy_px[:] = 0
    boxes = np.array([[[5.4, 5.4, 7.4, 6.4]]], np.float32)
    plan = still_plan(1, (20, 20))
    seen = find_seen(plan, boxes, Shapes.unknown((1, 1)), np.zeros((1, 1), np.int32))
    assert len(hide_objects(plan, seen, masks, boxes, cover).tile) == 1
    cover[0, 5, 6] = True
    assert len(hide_objects(plan, seen, masks, boxes, cover).tile) == 0


def test_an_object_without_strips_gets_the_box_round_its_mask(shapes: Any) -> None:
    masks = shapes.draw(np.random.default_rng(1), "ellipse")[None]
    loose = np.array([[[0, 0, 320, 240]]], np.float32)  # as of an object that the edge of its picture cut
    rng, packed = np.random.default_rng(0), masks_of(masks)
    pasting = draw_pasting(rng, 1, packed, None, shapes.size, STILL, 1.0)
    theirs = find_seen(pasting.plan, loose, Shapes.unknown((1, 1)), np.zeros((1, 1), np.int32))
    for known in (None, Shapes.unknown((1, 1))):
        added, cover = paste_objects(pasting, theirs, packed, known, (1, *shapes.size))
        assert added.boxes_xyxy_px[0].tolist() == shapes.bound(masks[0]).tolist()
        assert (cover[0] == masks[0]).all()


def test_only_objects_with_masks_are_drawn_one_at_least_and_by_weight() -> None:
    boxes = np.zeros((4, 3, 4), np.int32)
    boxes[1, :2], boxes[3] = [0, 0, 2, 2], [0, 0, 2, 2]  # pictures 0 and 2 have no mask, 1 has two, 3 three
    masks = Masks(np.zeros(5, np.uint8), boxes, np.zeros((4, 3), np.int64))
    rng = np.random.default_rng(3)
    drawn = draw_pasting(rng, 3000, masks, np.array([1.0, 1.0, 9.0, 3.0]), (32, 32), STILL, 0.25)
    assert (np.diff(drawn.onto) > 0).all() and len(drawn.onto) == pytest.approx(750, abs=100)
    assert set(drawn.plan.rows.tolist()) == {1, 3}
    assert (drawn.plan.rows == 3).mean() == pytest.approx(0.75, abs=0.05)
    assert not (drawn.chosen & ~masks.known[drawn.plan.rows]).any() and drawn.chosen.any(axis=1).all()
    # Of three with odds of a half each, none with 1/8, and then one: 3/2 + 1/8 on average.
    assert drawn.chosen[drawn.plan.rows == 3].sum(axis=1).mean() == pytest.approx(1.625, abs=0.1)
    assert len(draw_pasting(rng, 8, masks, None, (32, 32), STILL, 0.0).onto) == 0


def test_of_one_picture_its_own_objects_stand_before_those_laid_over_it() -> None:
    """Of sixty each, so many that a sort which is not stable would mix them."""
    picture = np.repeat([0, 1, 2], 20)

    def seen(first: int) -> Seen:
        numbers = np.arange(first, first + 60)
        return Seen(numbers, numbers, picture, np.zeros((60, 4)), numbers.astype(np.int32))

    own, laid = np.arange(60).reshape(3, 20), np.arange(100, 160).reshape(3, 20)
    both = seen(0).join(seen(100))
    assert both.picture.tolist() == np.repeat([0, 1, 2], 40).tolist()
    assert both.labels.tolist() == np.concatenate([own, laid], axis=1).ravel().tolist()


class Pixels:
    """Pictures in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return self.pixels[rows]


def pictures_with(masks: Masks | None, **more: Any) -> Pictures:
    """Eight grey pictures of 32 px, picture i of level 20 i, with an object of 16 px in its middle."""
    boxes = np.tile(np.array([8, 8, 24, 24], np.float32), (8, 1, 1))
    levels = np.repeat(np.arange(0, 160, 20, dtype=np.uint8), 32 * 32 * 3).reshape(8, 32, 32, 3)
    labels = np.arange(8, dtype=np.int32)[:, None]
    return Pictures(Pixels(levels), (32, 32), boxes, labels, masks=masks, **more)


def middle_masks() -> Masks:
    masks = np.zeros((8, 32, 32), bool)
    masks[:, 8:24, 8:16] = True  # the left half of each box
    return masks_of(masks)


def stream(masks: Masks | None, **changed: Any) -> TrainingStream:
    augment = STILL.model_copy(update=changed)
    return TrainingStream(pictures_with(masks), 4, 5, augment, lambda epoch: epoch < 2, lambda x: x, 114)


def draw_all(
    batches: TrainingStream, first: int, last: int
) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    return [(x.numpy(), {name: value.numpy() for name, value in y.items()}) for x, y in batches(first, last)]


def test_a_batch_shows_pasted_objects_with_their_labels() -> None:
    """Every mask is the left half of its box, so a pasted one hides all of the picture's own."""
    pasted = 0
    for x, y in draw_all(stream(middle_masks(), copy_paste=0.5), 0, 4):
        for pixels, boxes, labels in zip(x, y["boxes"], y["labels"], strict=True):
            own, seen = (round(float(pixels[16, column, 0]) / 20) for column in (20, 12))
            assert labels.tolist() == [seen, -1]  # two slots: its own and one pasted
            assert boxes[0].tolist() == ([8, 8, 24, 24] if seen == own else [8, 8, 16, 24])
            assert (pixels[:, 16:] == 20 * own).all() and (pixels[8:24, 8:16] == 20 * seen).all()
            pasted += seen != own
    assert 2 <= pasted <= 12  # of 16, half of them, and a picture may be pasted onto itself


def test_pasting_ends_with_the_other_compositions_and_goes_on_anywhere() -> None:
    batches = stream(middle_masks(), copy_paste=1.0, mosaic=0.5, scale=(0.8, 1.2))
    whole = draw_all(batches, 0, 6)  # two steps an epoch, the third epoch plain
    for (x, y), (x_again, y_again) in zip(whole[1:], draw_all(batches, 1, 6), strict=True):
        assert (x == x_again).all() and all((y[name] == y_again[name]).all() for name in y)
    assert all(((y["labels"] >= 0).sum(axis=1) == 1).all() for _, y in whole[4:])
    assert any(((y["labels"] >= 0).sum(axis=1) > 1).any() for _, y in whole[:4])


def test_masks_that_are_not_asked_for_change_no_draw() -> None:
    with_masks, without = (stream(masks, mosaic=0.5, mix_up=0.5).draw(1) for masks in (middle_masks(), None))
    assert len(with_masks) == len(without)
    for one, other in zip(with_masks, without, strict=True):
        assert (one == other).all()


def test_where_pasting_can_do_nothing_the_key_is_named() -> None:
    asked, able = STILL.model_copy(update={"copy_paste": 0.1}), SimpleNamespace()
    assert may_compose(pictures_with(middle_masks()), able, asked)
    empty = middle_masks()
    empty.boxes_xyxy_px[:] = 0
    for masks in (None, empty):
        with pytest.raises(ValueError, match=r"augment\.copy_paste: no object .* has a mask"):
            may_compose(pictures_with(masks), able, asked)
        assert may_compose(pictures_with(masks), able, STILL)
    label = np.zeros(8, np.int32)
    for pictures, head in (
        (pictures_with(middle_masks()), SimpleNamespace(one_object=True)),
        (pictures_with(middle_masks(), label=label), able),
    ):
        with pytest.raises(ValueError, match=r"augment\.copy_paste: the chosen head learns one thing"):
            may_compose(pictures, head, asked)
        with pytest.raises(ValueError, match=r"augment\.mix_up: .* which mixtures would change"):
            may_compose(pictures, head, STILL.model_copy(update={"mix_up": 0.5}))
        assert not may_compose(pictures, head, STILL)


def test_mosaics_that_are_left_out_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    mosaics = STILL.model_copy(update={"mosaic": 0.5})
    one, several = SimpleNamespace(one_object=True), SimpleNamespace()
    for head, augment in ((several, mosaics), (several, STILL), (one, STILL)):
        may_compose(pictures_with(None), head, augment)
    assert capsys.readouterr().out == ""
    assert not may_compose(pictures_with(None), one, mosaics)
    assert capsys.readouterr().out == (
        "note: augment.mosaic is left out, as the chosen head learns one thing a picture.\n"
    )
