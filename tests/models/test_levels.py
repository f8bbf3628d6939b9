"""Which of a backbone's levels necks and heads get, and what `unfreeze_from` means to named blocks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.models.catalog import find_part


def build(backbone: str, neck: str, head: str, side_px: int = 64) -> Any:
    from glasshouse.models.network import build_network

    def choose(kind: str, name: str, **more: Any) -> Any:
        return find_part(kind, name).Params(name=name, **more)

    model: Any = SimpleNamespace(
        backbone=choose("backbones", backbone, weights="none"),
        neck=choose("necks", neck, channels=16),
        head=choose("heads", head),
    )
    return build_network(model, height_px=side_px, width_px=side_px, classes=3)


@pytest.mark.parametrize("backbone", ["resnet18", "alexnet", "googlenet"])
@pytest.mark.parametrize("neck", ["top_down", "none"])
def test_a_detector_stands_on_three_levels_of_more(backbone: str, neck: str) -> None:
    network = build(backbone, neck, "anchor_free")
    assert set(network.backbone.output) == {"c3", "c4", "c5"}
    raw = network.full(np.zeros((1, 64, 64, 3), np.float32))
    # 8 * 8 + 4 * 4 + 2 * 2 cells; a c2 would add 16 * 16.
    assert {value.shape[1] for value in raw.values()} == {84}


@pytest.mark.parametrize(
    ("backbone", "levels"), [("lenet5", {"c1", "c2"}), ("fashion_cnn", {"c1", "c2", "c3"})]
)
@pytest.mark.parametrize("head", ["classify", "localize"])
def test_a_head_that_pools_takes_any_backbone(backbone: str, levels: set[str], head: str) -> None:
    network = build(backbone, "none", head, side_px=32)
    assert set(network.backbone.output) == levels
    raw = network.full(np.full((2, 32, 32, 3), 128, np.float32))
    assert raw["logits"].shape == (2, 3)


@pytest.mark.parametrize(
    ("backbone", "block", "frozen", "free"),
    [
        ("resnet18", "stage4_unit1", "stage3_unit2_b_conv", "stage4_unit1_a_conv"),
        ("googlenet", "inception4d", "inception4c_1x1_conv", "inception4d_1x1_conv"),
        ("alexnet", "block3", "block2_conv", "block3_conv"),
    ],
)
def test_a_block_is_freed_by_its_prefix(backbone: str, block: str, frozen: str, free: str) -> None:
    from glasshouse.models.network import freeze

    network = build(backbone, "none", "classify", side_px=32)
    freeze(network, block)
    assert not network.backbone.get_layer(frozen).trainable
    assert network.backbone.get_layer(free).trainable
