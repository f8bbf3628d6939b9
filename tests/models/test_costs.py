"""What networks cost, by hand and by the text's own figures."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from glasshouse.models.catalog import find_part
from glasshouse.models.costs import Costs, Value, count_costs, count_unbuilt
from glasshouse.models.necks import none, top_down
from glasshouse.models.network import build_network, freeze

FLOAT = 4  # bytes


def chain(size: tuple[int, int, int], *parts: Any) -> Costs:
    return count_costs(keras.Sequential([keras.Input(size), *parts]))


def test_the_texts_wide_convolution() -> None:
    """200 filters of 5x5 over RGB, 150 x 100, same: (5*5*3 + 1) * 200 = 15,200 parameters; 150*100 places *
    200 filters * 75 = 225 million multiplications; 150*100*200 floats = 12 MB, 1.2 GB at batch 100."""
    costs = chain((150, 100, 3), layers.Conv2D(200, 5, padding="same"))
    assert costs.params_total == costs.params_trainable == 15_200
    assert costs.flops == 225_000_000
    assert costs.output_bytes == 12_000_000
    assert 100 * costs.output_bytes == 1_200_000_000
    # One picture: 150*100*3 floats in, 12 MB out, 15,200 weights.
    assert costs.forward_bytes == (150 * 100 * 3 + 3_000_000 + 15_200) * FLOAT


def test_the_texts_three_convolutions() -> None:
    """100, 200, 400 maps of 3x3 / 2 same over 200 x 300 RGB: (27+1)*100 + (900+1)*200 + (1800+1)*400 =
    2,800 + 180,200 + 720,400 = 903,400 parameters. Outputs: 100*150*100, 50*75*200, 25*38*400 floats = 6,
    3, 1.52 MB. To predict: 6 + 3 + 3.6136 = 12.6136 MB. To train on 50: 50 * (10.52 + 0.72) + 3.6136."""
    maps = (100, 200, 400)
    costs = chain((200, 300, 3), *[layers.Conv2D(n, 3, strides=2, padding="same") for n in maps])
    assert costs.params_total == 903_400
    assert costs.output_bytes == 6_000_000 + 3_000_000 + 1_520_000
    assert costs.forward_bytes == 12_613_600
    assert costs.training_bytes(50) == 565_613_600
    assert costs.flops == 100 * 150 * 27 * 100 + 50 * 75 * 900 * 200 + 25 * 38 * 1800 * 400


RULES: list[tuple[Callable[[], Any], int]] = [
    (lambda: layers.Conv2D(8, 3), 4 * 6 * 8 * 27),
    (lambda: layers.Conv2D(9, 3, groups=3, padding="same"), 6 * 8 * 9 * 9 * 1),  # a filter sees 1 of 3 maps
    (lambda: layers.Conv2D(8, 3, dilation_rate=2, padding="same"), 6 * 8 * 8 * 27),
    (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), 4 * 6 * 9 * 3 * 2),
    (lambda: layers.SeparableConv2D(5, 3, strides=2, padding="same"), 3 * 4 * (9 * 3 + 3 * 5)),
    (lambda: layers.Conv2DTranspose(5, 3, strides=2), 6 * 8 * 9 * 3 * 5),
    (lambda: layers.Dense(7), 6 * 8 * 3 * 7),  # at every place
    (lambda: layers.BatchNormalization(), 0),
    (lambda: layers.LayerNormalization(), 0),
    (lambda: layers.ReLU(), 0),
    (lambda: layers.MaxPooling2D(), 0),
]


@pytest.mark.parametrize(("make", "expected"), RULES)
def test_multiply_adds_by_hand(make: Callable[[], Any], expected: int) -> None:
    assert chain((6, 8, 3), make()).flops == expected


def test_multiply_adds_of_other_dimensions() -> None:
    assert chain((9, 4), layers.Conv1D(5, 3)).flops == 7 * 3 * 4 * 5
    assert chain((4, 6, 8, 3), layers.Conv3D(2, (1, 3, 3))).flops == 4 * 4 * 6 * 2 * 27
    assert chain((10,), layers.Dense(6), layers.Dense(2)).flops == 60 + 12
    a, b = keras.Input((5, 7)), keras.Input((7, 3))
    assert count_costs(keras.Model([a, b], keras.ops.matmul(a, b))).flops == 5 * 7 * 3


def test_maps_may_stand_first() -> None:
    # 8 x 10 places * 27 numbers under the kernel * 4 filters, wherever the maps stand.
    costs = chain((3, 8, 10), layers.Conv2D(4, 3, padding="same", data_format="channels_first"))
    assert costs.flops == 8 * 10 * 27 * 4


def test_a_convolution_multiplies_as_often_as_loops_do() -> None:
    """An independent count: every product of a naive convolution, border included."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        height, width, maps, filters, kernel, stride = (int(rng.integers(1, 6)) for _ in range(6))
        count = 0
        for _y in range(0, height, stride):
            for _x in range(0, width, stride):
                for _filter in range(filters):
                    count += kernel * kernel * maps
        layer = layers.Conv2D(filters, kernel, strides=stride, padding="same")
        assert chain((height, width, maps), layer).flops == count


def test_a_layer_called_twice_works_twice_and_weighs_once() -> None:
    shared, x = layers.Dense(4), keras.Input((4,))
    costs = count_costs(keras.Model(x, shared(shared(x))))
    assert (costs.params_total, costs.flops, costs.output_bytes) == (20, 32, 2 * 4 * FLOAT)


def test_nested_models_are_counted_through() -> None:
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, padding="same"), layers.ReLU()])
    x = keras.Input((8, 8, 3))
    flat = count_costs(keras.Model(x, inner.layers[1](inner.layers[0](x))))
    nested = count_costs(keras.Model(x, inner(x)))
    assert nested == flat
    twice = count_costs(keras.Model(x, layers.Add()([inner(x), inner(x)])))
    assert (twice.params_total, twice.flops) == (flat.params_total, 2 * flat.flops)


def test_a_nested_model_of_any_size_is_counted_at_the_size_it_is_called_at() -> None:
    y = keras.Input((None, None, 3))
    inner = keras.Model(y, layers.Conv2D(4, 3, padding="same")(y))
    x = keras.Input((8, 6, 3))
    assert count_costs(keras.Model(x, inner(x))).flops == 48 * 27 * 4


class Unit(layers.Layer):
    """A layer of layers, which Keras shows as one."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = layers.Conv2D(3, 3, padding="same"), layers.Dense(3)

    def call(self, x: Any) -> Any:
        return keras.ops.relu(x + self.two(self.one(x)))


class Stretch(layers.Layer):
    """A layer of its own weights, which no table knows."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],))

    def call(self, x: Any) -> Any:
        return x * self.factor


def test_layers_that_nobody_knows_are_never_free() -> None:
    assert chain((4, 4, 3), Unit()).flops == 16 * 27 * 3 + 16 * 3 * 3
    assert chain((4, 4, 3), Unit()).params_total == 28 * 3 + 4 * 3
    assert chain((4, 4, 3), Stretch()).flops == 4 * 4 * 3
    with pytest.raises(ValueError, match="no rule for the multiply-adds of the layer 'embedding"):
        chain((4,), layers.Embedding(10, 2))
    with pytest.raises(ValueError, match="no rule"):
        chain((4, 8), layers.EinsumDense("abc,cd->abd", (4, 2)))


def test_a_size_that_is_not_fixed_is_named() -> None:
    x = keras.Input((None, None, 3), name="photo")
    with pytest.raises(ValueError, match=r"'photo' has no fixed size"):
        count_costs(keras.Model(x, layers.ReLU()(x)))


def test_memory_holds_what_a_later_layer_takes() -> None:
    """x (10 floats) stays until the sum while a (20) becomes b (10): 40 at most; a chain would need 30."""
    x = keras.Input((10,))
    a = layers.Dense(20, use_bias=False)(x)
    b = layers.Dense(10, use_bias=False)(a)
    costs = count_costs(keras.Model(x, layers.Add()([x, b])))
    assert costs.forward_bytes == (10 + 20 + 10 + 400) * FLOAT
    straight = count_costs(keras.Model(x, b))
    assert straight.forward_bytes == (20 + 10 + 400) * FLOAT


def test_half_precision_halves_the_outputs_and_not_the_weights() -> None:
    costs = chain((10,), layers.Dense(6, dtype="mixed_float16"))
    assert (costs.output_bytes, costs.weights_bytes) == (6 * 2, 66 * FLOAT)
    assert Value((1, 5), "bool").bytes == 5
    assert Value((1, 5), "bfloat16").bytes == 10


def test_frozen_layers_need_nothing_kept() -> None:
    model = keras.Sequential([keras.Input((8,)), layers.Dense(100), layers.Dense(6), layers.ReLU()])
    assert count_costs(model).kept_bytes == (8 + 100 + 6 + 6) * FLOAT
    model.layers[0].trainable = False
    costs = count_costs(model)
    assert costs.kept_bytes == (100 + 6 + 6) * FLOAT
    assert costs.trained_bytes == 606 * FLOAT
    assert (costs.params_trainable, costs.params_total) == (606, 900 + 606)


def test_counting_without_values_gives_the_same_and_leaves_no_trace() -> None:
    def build() -> Any:
        return keras.Sequential([keras.Input((6, 6, 3)), layers.Conv2D(4, 3), layers.BatchNormalization()])

    first, costs, second = layers.Conv2D(1, 1).name, count_unbuilt(build), layers.Conv2D(1, 1).name
    before, after = (int(name.removeprefix("conv2d").removeprefix("_") or 0) for name in (first, second))
    assert after == before + 1
    assert costs == count_costs(build())
    # What is built afterwards has values: no scope is left open.
    assert np.isfinite(np.asarray(layers.Dense(2)(np.ones((1, 3))))).all()
    with pytest.raises(ZeroDivisionError):
        count_unbuilt(lambda: 1 / 0)


@pytest.mark.parametrize(
    "head", ["anchor_free", "classify", "fcn_grid", "localize", "sliding", "ssd", "yolo_v1"]
)
def test_whole_networks_are_the_sum_of_their_parts(head: str) -> None:
    model: Any = SimpleNamespace(
        backbone=find_part("backbones", "csp_compact").Params(name="csp_compact", weights="none"),
        neck=none.Params(name="none")
        if head == "classify"
        else top_down.Params(name="top_down", channels=16),
        head=find_part("heads", head).Params(name=head),
    )

    def build() -> Any:
        return build_network(model, height_px=64, width_px=64, classes=3)

    network = build()
    full, backbone, top = (count_costs(part) for part in (network.full, network.backbone, network.top))
    assert full.flops == backbone.flops + top.flops
    assert full.params_total == backbone.params_total + top.params_total
    assert full.output_bytes == backbone.output_bytes + top.output_bytes
    freeze(network, None)
    assert count_costs(network.full).kept_bytes < full.kept_bytes
