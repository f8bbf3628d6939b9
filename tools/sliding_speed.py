"""One convolutional pass against the same network slid over the picture: is it equal, and how much faster?

python tools/sliding_speed.py        a 224 px localiser on 448 px pictures: 8 x 8 windows, 32 px apart
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

STRIDE_PX = 32
FILTERS = (16, 32, 64, 128, 256)


def build_patches(side_px: int) -> Any:
    """A backbone whose windows do not overlap: 2 x 2 convolutions of stride 2. 224 px give 7 x 7 features."""
    import keras

    x = pixels = keras.Input((side_px, side_px, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(x)
    taps = {}
    for level, filters in enumerate(FILTERS, start=1):
        x = keras.layers.Conv2D(filters, 2, strides=2, padding="valid", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        taps[f"c{level}"] = x
    return keras.Model(pixels, {name: taps[name] for name in ("c3", "c4", "c5")}, name="backbone")


def build_stack(side_px: int) -> Any:
    """A stack like VGG's without its padding: 3 x 3 convolutions and pools. 224 px give 5 x 5 features."""
    import keras

    x = pixels = keras.Input((side_px, side_px, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(x)
    taps = {}
    for level, filters in enumerate(FILTERS, start=1):
        x = keras.layers.Conv2D(filters, 3, padding="valid", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        x = keras.layers.MaxPooling2D(2)(x)
        taps[f"c{level}"] = x
    return keras.Model(pixels, {name: taps[name] for name in ("c3", "c4", "c5")}, name="backbone")


def build_compact(side_px: int) -> Any:
    """The default backbone, with "same" padding and its weights."""
    import keras

    from glasshouse.models.backbones import csp_compact
    from glasshouse.models.pretrained import load_backbone_weights

    pixels = keras.Input((side_px, side_px, 3), name="pixels")
    params = csp_compact.Params(name="csp_compact", weights="builtin")
    backbone = keras.Model(pixels, csp_compact.build(pixels, params), name="backbone")
    load_backbone_weights(backbone, params)
    return backbone


BACKBONES: dict[str, Callable[[int], Any]] = {
    "patches (no padding)": build_patches,
    "stack (no padding)": build_stack,
    "csp_compact (same padding)": build_compact,
}


def build_localiser(backbone: Any, pool: str, seed: int = 0) -> Any:
    """A `localize` network with objectness on a backbone, 5 classes, with random statistics and weights."""
    import keras

    from glasshouse.models.heads import localize
    from glasshouse.models.network import Network

    keras.utils.set_random_seed(seed)
    side = backbone.input_shape[1]
    params = localize.Params(name="localize", objectness=True, pool=pool)  # type: ignore[arg-type]
    head = localize.Head(params, classes=5, height_px=side, width_px=side)
    features = {name: keras.Input(x.shape[1:], name=name) for name, x in backbone.output.items()}
    top = keras.Model(features, head.build(features), name="top")
    full = keras.Model(backbone.input, top(backbone(backbone.input)), name="network")
    rng = np.random.default_rng(seed)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization) and layer.moving_mean.numpy().any() == 0:
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    rng.uniform(0.8, 1.2, gamma.shape),
                    rng.normal(0, 0.2, beta.shape),
                    rng.normal(0, 0.1, mean.shape),
                    rng.uniform(0.3, 0.8, variance.shape),
                ]
            )
    return Network(backbone, top, full, head)


def cut_windows(pixels: np.ndarray, side_px: int) -> np.ndarray:
    """All windows of one picture (H, W, 3), STRIDE_PX apart, row by row: (n, side_px, side_px, 3)."""
    tops, lefts = (range(0, size - side_px + 1, STRIDE_PX) for size in pixels.shape[:2])
    return np.stack([pixels[top : top + side_px, left : left + side_px] for top in tops for left in lefts])


def compare(network: Any, side_px: int, picture_px: int) -> tuple[dict[str, float], tuple[int, ...]]:
    """Largest difference of each raw output between one pass and the slid windows, and the grid's shape."""
    from glasshouse.models.convolutional import convolutionalize

    pixels = np.random.default_rng(3).uniform(0, 255, (picture_px, picture_px, 3)).astype(np.float32)
    once = convolutionalize(network, picture_px, picture_px)(pixels[None], training=False)
    slid = network.full(cut_windows(pixels, side_px), training=False)
    differences = {
        name: float(np.abs(np.asarray(once[name])[0].reshape(value.shape) - np.asarray(value)).max())
        for name, value in slid.items()
    }
    return differences, tuple(once["box"].shape[1:3])


def measure(run: Callable[[], Any], repeats: int) -> float:
    """Median seconds of a call, after one to warm up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def time_both(network: Any, side_px: int, picture_px: int, repeats: int) -> SimpleNamespace:
    """Seconds of one pass, and of all windows in one batch, one after the other."""
    import tensorflow as tf

    from glasshouse.models.convolutional import convolutionalize

    convolved = tf.function(convolutionalize(network, picture_px, picture_px))
    full = tf.function(network.full)
    pixels = np.random.default_rng(3).uniform(0, 255, (picture_px, picture_px, 3)).astype(np.float32)
    windows = tf.constant(cut_windows(pixels, side_px))
    whole = tf.constant(pixels[None])
    return SimpleNamespace(
        windows=len(windows),
        once=measure(lambda: convolved(whole), repeats),
        batched=measure(lambda: full(windows), repeats),
    )


def main() -> int:
    """Print one line for each backbone and pool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side-px", type=int, default=224)
    parser.add_argument("--picture-px", type=int, default=448)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    print("backbone, pool: grid, largest difference of box / logits / objectness; windows / one pass")
    for name, build in BACKBONES.items():
        for pool in ("flatten", "average"):
            network = build_localiser(build(asked.side_px), pool)
            apart, grid = compare(network, asked.side_px, asked.picture_px)
            took = time_both(network, asked.side_px, asked.picture_px, asked.repeats)
            print(
                f"{name}, {pool}: {grid[0]} x {grid[1]}, "
                f"{apart['box']:.1e} / {apart['logits']:.1e} / {apart['objectness']:.1e}; "
                f"{took.windows} windows {took.batched * 1e3:.0f} ms, one pass {took.once * 1e3:.0f} ms: "
                f"{took.batched / took.once:.1f} times as fast",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
