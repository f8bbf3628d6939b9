"""The localiser, the sliding window and the grid of one box a cell: losses, options, learning by heart."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.geometry.boxes import compute_iou_matrix
from glasshouse.models.heads import classify, fcn_grid, localize, sliding

SIDE, CLASSES, CELLS = 64, 3, 4
Arrays = dict[str, np.ndarray]


def make(name: str, **more: Any) -> Any:
    part: Any = {"localize": localize, "fcn_grid": fcn_grid, "sliding": sliding}[name]
    return part.Head(part.Params(name=name, **more), classes=CLASSES, height_px=SIDE, width_px=SIDE)


def draw_raw(head: Any, pictures: int, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    cells = (CELLS,) if isinstance(head, fcn_grid.Head) else ()
    sizes = {"logits": CLASSES, "box": 4, "objectness": 1}
    return {n: rng.normal(0, 1, (pictures, *cells, sizes[n])).astype(np.float32) for n in head.outputs}


def losses_of(head: Any, raw: Any, labels: Arrays) -> Arrays:
    return {name: np.asarray(value) for name, value in head.loss(head.encode(labels), raw).items()}


def test_the_loss_of_the_localiser_by_hand(codec: Any) -> None:
    head = make("localize", objectness=True)
    labels = codec.pad([np.array([[0, 0, 8, 8], [16, 0, 48, 16]])], [np.array([0, 2])])
    # Raw zeros: class 1/3 each, centre (1/2, 1/2), roots of the sizes 0. The larger object: centre
    # (32, 8) of 64 px = (1/2, 1/8), height 16 = 1/4, width 32 = 1/2.
    raw = {
        name: np.zeros((1, size), np.float32) for name, size in (("logits", 3), ("box", 4), ("objectness", 1))
    }
    square = (0 + (3 / 8) ** 2 + 1 / 4 + 1 / 2) / 4
    wanted = {"class": 0.8 * np.log(3), "box": 0.2 * square, "objectness": np.log(2)}
    assert losses_of(head, raw, labels) == {
        name: pytest.approx([value], rel=1e-5) for name, value in wanted.items()
    }
    # Huber with 0.1: 0, then 0.1 * (error - 0.05) of 0.375, 0.5 and 0.7071. Sizes as they are: 1/4 and 1/2.
    huber = 0.2 * 0.1 * (0.375 + 0.5 + 0.5**0.5 - 0.15) / 4
    assert losses_of(make("localize", box_loss="huber"), raw, labels)["box"] == pytest.approx(
        [huber], rel=1e-5
    )
    plain = 0.2 * ((3 / 8) ** 2 + 1 / 16 + 1 / 4) / 4
    assert losses_of(make("localize", square_root=False), raw, labels)["box"] == pytest.approx(
        [plain], rel=1e-5
    )


def test_ten_pixels_cost_a_big_box_less_with_roots(codec: Any) -> None:
    def cost(side: float, square_root: bool) -> float:
        head = make("localize", square_root=square_root)
        low, high = 32 - side / 2, 32 + side / 2
        labels = codec.pad([np.array([[low, low, high, high]])], [np.array([0])])
        said = (side + 5) / SIDE
        raw = {
            "logits": np.zeros((1, 3), np.float32),
            "box": np.array([[0, 0, *[said**0.5 if square_root else said] * 2]], np.float32),
        }
        return float(losses_of(head, raw, labels)["box"][0])

    assert cost(50, True) < 0.4 * cost(10, True)
    assert cost(50, False) == pytest.approx(cost(10, False), rel=1e-3)


@pytest.mark.parametrize("box_loss", ["mse", "huber", "ciou"])
@pytest.mark.parametrize("name", ["localize", "sliding", "fcn_grid"])
def test_the_right_answer_costs_nothing_and_pictures_without_objects_no_class_or_box(
    codec: Any, name: str, box_loss: str
) -> None:
    head = make(name, box_loss=box_loss, **({"objectness": True} if name == "localize" else {}))
    labels = codec.pad(
        [np.array([[4, 6, 30, 50], [40, 40, 60, 50]]), np.zeros((0, 4))],
        [np.array([2, 0]), np.array([], int)],
    )
    targets = {key: np.asarray(value) for key, value in head.encode(labels).items()}
    centre = np.clip(targets["code"][..., :2], 1e-6, 1 - 1e-6)
    right = {
        "box": np.concatenate([np.log(centre / (1 - centre)), targets["code"][..., 2:]], axis=-1),
        "logits": 50 * targets["one_hot"],
        "objectness": np.where(targets["real"][..., None] > 0, 50.0, -50.0).astype(np.float32),
    }
    for value in losses_of(head, right, labels).values():
        assert value == pytest.approx([0, 0], abs=1e-4)
    wrong = losses_of(head, draw_raw(head, 2), labels)
    assert all(value[0] > 0.01 for value in wrong.values())
    assert wrong["class"][1] == wrong["box"][1] == 0
    assert wrong["objectness"][1] > 0


@pytest.mark.parametrize("name", ["localize", "fcn_grid"])
def test_padding_changes_nothing(codec: Any, name: str) -> None:
    head = make(name)
    one = codec.pad([np.array([[10, 10, 30, 30]])], [np.array([1])])
    padded = {
        "boxes": np.pad(one["boxes"], ((0, 0), (0, 5), (0, 0))),
        "labels": np.pad(one["labels"], ((0, 0), (0, 5)), constant_values=-1),
    }
    raw = draw_raw(head, 1)
    for key, value in losses_of(head, raw, one).items():
        assert losses_of(head, raw, padded)[key] == pytest.approx(value)


@pytest.mark.parametrize("level", [-50.0, 0.0, 50.0])
@pytest.mark.parametrize("box_loss", ["mse", "ciou"])
@pytest.mark.parametrize("name", ["sliding", "fcn_grid"])
def test_gradients_stay_finite_at_extreme_outputs(codec: Any, name: str, box_loss: str, level: float) -> None:
    import tensorflow as tf

    head = make(name, box_loss=box_loss)
    labels = codec.pad(
        [np.array([[10, 10, 30, 30], [0, 0, 64, 64]]), np.zeros((0, 4))],
        [np.array([1, 0]), np.array([], int)],
    )
    raw = {key: tf.Variable(np.full_like(value, level)) for key, value in draw_raw(head, 2).items()}
    with tf.GradientTape() as tape:
        total = sum(tf.reduce_sum(value) for value in head.loss(head.encode(labels), raw).values())
    assert np.isfinite(float(total))
    for gradient in tape.gradient(total, list(raw.values())):
        assert np.isfinite(np.asarray(gradient)).all()


def test_only_the_largest_object_is_the_localisers_and_the_others_are_counted(codec: Any) -> None:
    boxes = [
        np.array([[0, 0, 9, 9], [0, 0, 20, 30], [0, 0, 30, 20]]),
        np.zeros((0, 4)),
        np.array([[1, 1, 2, 2]]),
    ]
    labels = codec.pad(boxes, [np.array([0, 1, 2]), np.array([], int), np.array([2])])
    head = make("localize", label_smoothing=0.3)
    targets = {name: np.asarray(value) for name, value in head.encode(labels).items()}
    assert targets["real"].tolist() == [1, 0, 1]
    assert targets["one_hot"][0] == pytest.approx([0.1, 0.8, 0.1])  # of two that are equal the first
    assert targets["one_hot"][2] == pytest.approx([0.1, 0.1, 0.8])
    assert np.asarray(head.count_lost(labels)).tolist() == [2, 0, 0]


@pytest.mark.parametrize("name", ["classify", "localize"])
@pytest.mark.parametrize(("pool", "weights"), [("average", 8), ("flatten", 2 * 2 * 8)])
def test_pooling_decides_how_much_a_dense_layer_sees(name: str, pool: Any, weights: int) -> None:
    import keras

    part: Any = {"classify": classify, "localize": localize}[name]
    head = part.Head(part.Params(name=name, pool=pool, dropout=0.5), classes=3, height_px=SIDE, width_px=SIDE)
    features = {
        f"p{level}": keras.Input((SIDE // 2**level, SIDE // 2**level, 8), name=f"p{level}")
        for level in (4, 5)
    }
    model = keras.Model(features, head.build(features))
    assert model.get_layer("logits").kernel.shape == (weights, 3)
    assert model.get_layer("head_dropout").rate == 0.5


@pytest.mark.parametrize("square_root", [True, False])
@pytest.mark.parametrize("name", ["localize", "fcn_grid"])
def test_a_fresh_box_is_three_tenths_of_the_sides_in_the_middle_of_its_frame(
    name: str, square_root: bool
) -> None:
    import keras

    head = make(name, square_root=square_root)
    features = {"p5": keras.Input((2, 2, 8), name="p5")}
    raw = keras.Model(features, head.build(features))({"p5": np.zeros((1, 2, 2, 8), np.float32)})
    boxes = np.asarray(head.decode(raw)["boxes"])[0]
    # Half of 0.3 * 64 px to each side of (32, 32), or of the middles of the cells of 32 px.
    middles = [(32, 32)] if name == "localize" else [(x, y) for y in (16, 48) for x in (16, 48)]
    assert boxes == pytest.approx(np.array([(x - 9.6, y - 9.6, x + 9.6, y + 9.6) for x, y in middles]))


@pytest.mark.parametrize("name", ["localize", "fcn_grid"])
def test_a_box_is_cut_at_the_picture(name: str) -> None:
    head = make(name)
    raw = draw_raw(head, 1)
    raw["box"][..., :2], raw["box"][..., 2:] = 0.0, 2.0
    boxes = np.asarray(head.decode(raw)["boxes"])[0]
    assert boxes.tolist() == [[0, 0, SIDE, SIDE]] * (1 if name == "localize" else CELLS)


def test_an_object_without_area_owns_its_cell_where_no_other_wants_it(codec: Any) -> None:
    boxes = np.array([[4, 4, 30, 30], [40, 40, 40, 40]])
    targets = make("fcn_grid").encode(codec.pad([boxes], [np.array([0, 1])]))
    assert np.asarray(targets["real"]).tolist() == [[1, 0, 0, 1]]
    assert np.asarray(targets["one_hot"])[0, 3].tolist() == [0, 1, 0]


def test_the_number_and_size_of_windows_are_those_of_exact_shares() -> None:
    from glasshouse.models.layers.windows import count_beside, lay_windows

    # 0.9 / 0.03 is 30, in floating point a little more: 31 windows. 64 / 0.6 = 106.67 and 96 / 0.6 = 160.
    assert count_beside(0.1, 0.3) == 31
    (windows,) = lay_windows(64, 96, (0.6,), 0.5)
    assert (windows.picture_height_px, windows.picture_width_px) == (107, 160)


def test_windows_cover_the_picture_and_boxes_find_their_place() -> None:
    from glasshouse.models.layers.windows import lay_windows

    whole, half = lay_windows(64, 96, (1.0, 0.5), 0.5)
    assert whole.offsets_px.tolist() == [[0, 0]]
    # Half the side: the picture is doubled to 128 x 192; three positions a side, by half a window.
    assert (half.picture_height_px, half.picture_width_px) == (128, 192)
    assert half.offsets_px.tolist() == [[left, top] for top in (0, 32, 64) for left in (0, 48, 96)]
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 128, 192, 3)).astype(np.float32)
    cut = np.asarray(half.cut(pixels))
    assert cut.shape == (2 * 9, 64, 96, 3)
    assert (cut[9 + 5] == pixels[1, 32:96, 96:192]).all()  # by picture, then row by row
    boxes = np.tile(np.array([9.6, 6.4, 48, 32], np.float32), (1, 9, 1))
    # In window 5, which begins at (96, 32): (96 + 9.6) / 192, (32 + 6.4) / 128, (96 + 48) / 192, ...
    assert np.asarray(half.place(boxes))[0, 5] == pytest.approx([0.55, 0.3, 0.75, 0.5])
    # 10 % away from the left and upper edges of each window: cut by them unless they are the picture's.
    assert np.asarray(half.are_whole(boxes, 0.05))[0].tolist() == [1] * 9
    assert np.asarray(half.are_whole(boxes, 0.15))[0].tolist() == [1] + [0] * 8
    assert np.asarray(whole.are_whole(boxes[:, :1], 0.4)).tolist() == [[1]]


def test_windows_are_enlarged_as_keras_resizes() -> None:
    import keras

    from glasshouse.models.layers.windows import enlarge

    pixels = np.random.default_rng(0).uniform(0, 255, (2, 12, 16, 3)).astype(np.float32)
    wanted = keras.ops.image.resize(pixels, (20, 27), interpolation="bilinear")
    assert np.asarray(enlarge(pixels, (20, 27))) == pytest.approx(np.asarray(wanted), abs=1e-3)


def cut_pictures(by_heart: Any, head: Any, drawn: Any) -> Any:
    """Every window of every picture as a picture of its own, objects cut as the training stream cuts them."""
    from glasshouse.inputs.moving import MIN_VISIBLE

    pixels, boxes, labels = [], [], []
    for windows in head.windows:
        zoom = windows.picture_width_px / drawn.pixels.shape[1]
        offsets = np.tile(windows.offsets_px, 2)[None, :, None]
        moved = drawn.labels["boxes"][:, None] * zoom - offsets
        seen = moved.clip(0, windows.width_px)
        area, whole = (np.prod(b[..., 2:] - b[..., :2], axis=-1) for b in (seen, moved))
        names = np.broadcast_to(drawn.labels["labels"][:, None], area.shape)
        pixels.append(np.asarray(windows.cut(drawn.pixels)))
        boxes.append(seen.reshape(-1, *seen.shape[2:]))
        labels.append(
            np.where((names >= 0) & (area >= MIN_VISIBLE * whole), names, -1).reshape(-1, names.shape[-1])
        )
    told = {"boxes": np.concatenate(boxes).astype(np.float32), "labels": np.concatenate(labels)}
    return by_heart.Drawn(np.concatenate(pixels), told, drawn.classes)


@pytest.mark.slow
def test_the_localiser_learns_eight_pictures_by_heart(by_heart: Any, tmp_path: Path) -> None:
    drawn = by_heart.draw(64, crowded=False)
    network = by_heart.train(localize.Params(name="localize"), drawn, tmp_path, steps=150)
    said = {
        name: np.asarray(value) for name, value in network.head.decode(network.full(drawn.pixels)).items()
    }
    assert (said["scores"][:, 0].argmax(axis=-1) == drawn.labels["labels"][:, 0]).all()
    iou = [
        compute_iou_matrix(a, b[:1])[0, 0] for a, b in zip(said["boxes"], drawn.labels["boxes"], strict=True)
    ]
    assert np.mean(iou) >= 0.9
    assert by_heart.score(network, drawn) >= 0.99


@pytest.mark.slow
def test_the_grid_learns_eight_pictures_by_heart(by_heart: Any, tmp_path: Path) -> None:
    drawn = by_heart.draw(96, crowded=True)
    head = fcn_grid.Params(name="fcn_grid", level="p4", channels=64)
    assert by_heart.score(by_heart.train(head, drawn, tmp_path, steps=180), drawn) >= 0.99


@pytest.mark.slow
def test_the_sliding_window_learns_all_windows_of_four_pictures_by_heart(
    by_heart: Any, tmp_path: Path
) -> None:
    eight = by_heart.draw(64, crowded=False)
    labels = {name: values[:4] for name, values in eight.labels.items()}
    drawn = by_heart.Drawn(eight.pixels[:4], labels, eight.classes)
    params = sliding.Params(name="sliding", margin=0.15)
    head = sliding.Head(params, classes=drawn.classes, height_px=64, width_px=64)
    windows = cut_pictures(by_heart, head, drawn)
    assert len(windows.pixels) == 4 * (1 + 9 + 16)
    empty = (windows.labels["labels"] < 0).all(axis=1)
    assert empty.mean() > 0.2  # windows without an object are learned too
    network = by_heart.train(params, windows, tmp_path, steps=600, batch=16)
    assert by_heart.score(network, drawn) >= 0.99


def test_a_window_under_the_threshold_is_silent() -> None:
    head = make("sliding", windows=[1.0, 0.5], objectness=0.9)

    def full(pixels: Any) -> Arrays:
        count = len(np.asarray(pixels))
        raw = {"logits": np.zeros((count, 3)), "box": np.tile([0, 0, 0.5, 0.5], (count, 1))}
        raw["objectness"] = np.where(np.arange(count) % 3 == 0, 5.0, 1.0)[:, None]  # 0.993 and 0.731
        return {name: value.astype(np.float32) for name, value in raw.items()}

    said = {n: np.asarray(v) for n, v in head.scan(full, np.zeros((1, SIDE, SIDE, 3), np.float32)).items()}
    assert said["boxes"].shape == (1, 10, 4) and said["scores"].shape == (1, 10, 3)
    assert (said["scores"][0].sum(axis=-1) > 0).tolist() == [True, *[True, False, False] * 3]
    # A quarter of the window around its centre; window 4 of the half ones is the middle of the picture.
    assert said["boxes"][0, 0] == pytest.approx([24, 24, 40, 40])
    assert said["boxes"][0, 5] == pytest.approx([28, 28, 36, 36])


@pytest.mark.parametrize(("logit", "speaks"), [(0.0, True), (-0.01, False)])
def test_a_window_at_the_threshold_speaks(logit: float, speaks: bool) -> None:
    head = make("sliding", windows=[1.0], objectness=0.5)  # the sigmoid of 0

    def full(pixels: Any) -> Arrays:
        sizes = {"logits": CLASSES, "box": 4}
        raw = {name: np.zeros((1, size), np.float32) for name, size in sizes.items()}
        return {**raw, "objectness": np.array([[logit]], np.float32)}

    said = head.scan(full, np.zeros((1, SIDE, SIDE, 3), np.float32))
    assert bool(np.asarray(said["scores"]).any()) == speaks


@pytest.mark.parametrize("windows", [[], [1.5], [0.01]])
def test_windows_out_of_range_are_refused(windows: list[float]) -> None:
    with pytest.raises(ValueError, match="windows"):
        sliding.Params(name="sliding", windows=windows)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["localize", "fcn_grid", "sliding"])
def test_the_network_as_people_use_it_gives_detections(name: str) -> None:
    from glasshouse.models.backbones import csp_compact
    from glasshouse.models.inference import build_inference
    from glasshouse.models.necks import none
    from glasshouse.models.network import build_network

    part: Any = {"localize": localize, "fcn_grid": fcn_grid, "sliding": sliding}[name]
    model: Any = SimpleNamespace(
        backbone=csp_compact.Params(name="csp_compact", weights="none"),
        neck=none.Params(name="none"),
        head=part.Params(name=name),
    )
    network = build_network(model, height_px=SIDE, width_px=SIDE, classes=CLASSES)
    settings: Any = SimpleNamespace(score_threshold=0.001, nms="hard", nms_iou=0.6, max_detections=7)
    out = build_inference(network, settings)(np.full((2, SIDE, SIDE, 3), 90, np.float32))
    assert {key: tuple(value.shape) for key, value in out.items()} == {
        "boxes": (2, 7, 4),
        "scores": (2, 7),
        "labels": (2, 7),
        "valid": (2,),
    }
    boxes = np.asarray(out["boxes"])
    assert (boxes >= 0).all() and (boxes <= SIDE).all()
    if name == "localize":  # one box, told for each of its classes
        assert np.asarray(out["valid"]).tolist() == [3, 3]
        assert boxes[:, :3] == pytest.approx(boxes[:, :1].repeat(3, axis=1))
