"""How many parameters the networks that are written here have with their own tops, and where each number
comes from."""

from __future__ import annotations

import math
from typing import Any

import pytest

from glasshouse.models.catalog import find_part
from glasshouse.models.layers.inception_modules import MODULES

# Trainable parameters with the published top of 1,000 classes, 10 for the small ones.
TRAINABLE = {
    "alexnet": 62_378_344,  # whole convolutions; the paper's own 60 million are of divided ones
    "fashion_cnn": 1_413_834,
    "googlenet": 6_998_552,  # with biases, without auxiliaries, as the authors' Caffe model
    "inception_v4": 42_679_816,  # batch normalization with scales, as in timm; TF-slim's has none
    "lenet5": 61_706,  # C3 sees all of S2; the paper's own table of connections has 60,000
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnext50": 25_028_904,
    "se_resnet50": 28_088_024,
}
SMALL = ("lenet5", "fashion_cnn")
# Sizes and maps that the papers' figures and tables give along the way.
SHAPES: dict[str, dict[str, tuple[int, int, int]]] = {
    "alexnet": {
        "block1_conv": (55, 55, 96),
        "block1_pool": (27, 27, 96),
        "block2_pool": (13, 13, 256),
        "block5_pool": (6, 6, 256),
    },
    "fashion_cnn": {"block1_conv": (28, 28, 64), "block3_pool": (3, 3, 256), "block5_conv": (1, 1, 64)},
    "googlenet": {
        "block1_lrn": (56, 56, 64),
        "inception3b_join": (28, 28, 480),
        "inception4e_join": (14, 14, 832),
        "inception5b_join": (7, 7, 1024),
    },
    "inception_v4": {  # figures 3 and 9
        "stem_a3_relu": (147, 147, 64),
        "stem_c_join": (71, 71, 192),
        "a4_join": (35, 35, 384),
        "b7_join": (17, 17, 1024),
        "c3_join": (8, 8, 1536),
    },
    "lenet5": {"block1_conv": (28, 28, 6), "block2_conv": (10, 10, 16), "block3_conv": (1, 1, 120)},
    "resnet18": {"stem_pool": (56, 56, 64), "stage3_unit2_out": (28, 28, 128)},
    "resnet34": {"stage4_unit6_out": (14, 14, 256), "stage5_unit3_out": (7, 7, 512)},
    "resnext50": {"stage2_unit1_b_conv": (56, 56, 128), "stage5_unit3_b_conv": (7, 7, 1024)},
    "se_resnet50": {"stage2_unit1_se_reduce": (1, 1, 16), "stage5_unit3_out": (7, 7, 2048)},
}


def build(name: str, **more: Any) -> Any:
    part = find_part("backbones", name)
    return part.build_classifier(
        part.Params(name=name, weights="none", **more), 10 if name in SMALL else 1000
    )


def count(weights: Any) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


@pytest.mark.parametrize("name", TRAINABLE)
def test_published_counts(name: str) -> None:
    model = build(name)
    assert count(model.trainable_weights) == TRAINABLE[name]
    assert model.input_shape == (None, *find_part("backbones", name).INPUT_SIZE_PX)
    assert model.output_shape == (None, 10 if name in SMALL else 1000)
    shapes = {layer: model.get_layer(layer).output.shape[1:] for layer in SHAPES[name]}
    assert shapes == SHAPES[name]


def convolution(side: int, maps_in: int, maps: int) -> int:
    """Kernels and biases; a dense layer is one with side 1."""
    return side * side * maps_in * maps + maps


def normalized(side: int, maps_in: int, maps: int) -> int:
    """Kernels without biases, and a scale and a shift of each map."""
    return side * side * maps_in * maps + 2 * maps


# Maps of the layers 3, 4, 5: as figure 3 draws them, and of table 2's best single network.
@pytest.mark.parametrize(
    ("maps", "widths", "total"),
    [("figure_3", (384, 384, 256), 62_357_608), ("table_2", (512, 1024, 512), 107_627_624)],
)
def test_zfnet_by_hand(maps: str, widths: tuple[int, int, int], total: int) -> None:
    third, fourth, fifth = widths
    layers = [
        convolution(7, 3, 96),  # 14,208: (224 + 2 - 7) // 2 + 1 = 110 px, pooled to 55
        convolution(5, 96, 256),  # 614,656: (55 - 5) // 2 + 1 = 26 px, pooled to 13
        convolution(3, 256, third),
        convolution(3, third, fourth),
        convolution(3, fourth, fifth),  # 13 px, pooled to (13 - 3) // 2 + 1 = 6
        convolution(1, 6 * 6 * fifth, 4096),
        convolution(1, 4096, 4096),
        convolution(1, 4096, 1000),
    ]
    assert sum(layers) == total
    model = build("zfnet", maps=maps)
    assert count(model.trainable_weights) == total
    sides = {"block1_conv": 110, "block1_pool": 55, "block2_conv": 26, "block2_pool": 13, "block5_pool": 6}
    assert {name: model.get_layer(name).output.shape[1] for name in sides} == sides


def test_se_inception_by_hand() -> None:
    """BN-Inception's published counts are of other modules, so the sum over GoogLeNet's table decides."""
    total = normalized(7, 3, 64) + normalized(1, 64, 64) + normalized(3, 64, 192)
    maps = 192
    for one, three, five, pooled in MODULES.values():
        total += normalized(1, maps, one) + normalized(1, maps, pooled)
        total += normalized(1, maps, three[0]) + normalized(3, *three)
        total += normalized(1, maps, five[0]) + normalized(5, *five)
        maps = one + three[1] + five[1] + pooled
        total += convolution(1, maps, maps // 16) + convolution(1, maps // 16, maps)
    assert maps == 1024
    assert total + convolution(1, 1024, 1000) == 7_485_935
    assert count(build("se_inception").trainable_weights) == 7_485_935


def test_cspnet_against_the_paper() -> None:
    """Table 4 gives CSPDarknet53 27.61 million: kernels and biases, without scales and shifts of the batch
    normalization, which most counts (timm: 27,642,184) have in them."""
    weights = build("cspnet").trainable_weights
    assert count(weights) == 27_642_184
    scales = [weight for weight in weights if weight.path.endswith(("gamma", "beta"))]
    assert count(scales) == 35_328
    assert round((27_642_184 - 35_328) / 1e6, 2) == 27.61


def test_googlenets_auxiliaries() -> None:
    """Each: 1x1 from 512 or 528 maps to 128, 4 * 4 * 128 = 2,048 to 1,024, 1,024 to 1,000."""
    part = find_part("backbones", "googlenet")
    model = part.build_classifier(part.Params(name="googlenet", weights="none"), auxiliary=True)
    more = [
        convolution(1, maps, 128) + convolution(1, 2048, 1024) + convolution(1, 1024, 1000)
        for maps in (512, 528)
    ]
    assert count(model.trainable_weights) == 6_998_552 + sum(more) == 13_378_280
    shapes = {name: output.shape for name, output in model.output.items()}
    assert shapes == dict.fromkeys(part.LOSS_WEIGHTS, (None, 1000))


def test_lenets_options() -> None:
    # A coefficient and a bias for each of 6 and 16 maps, as the paper's S2 (12 parameters) and S4 (32).
    assert count(build("lenet5", pooling="trainable").trainable_weights) == 61_706 + 12 + 32
    assert build("lenet5", pad_px=2).input_shape == (None, 28, 28, 1)
    part = find_part("backbones", "lenet5")
    model = part.build_classifier(part.Params(name="lenet5", weights="none"), rbf=True)
    # The 84 * 10 numbers of the codes do not learn; a dense layer had as many, and 10 biases.
    assert count(model.trainable_weights) == 61_706 - convolution(1, 84, 10)
    assert count(model.non_trainable_weights) == 840
