"""From 0..255 pixels to what a network was made for."""

from __future__ import annotations

from typing import Any

from glasshouse.models.lazy import keras, ops

# Mean and standard deviation of ImageNet's training pictures, red, green, blue, 0..255.
MEAN_RGB = (123.68, 116.78, 103.94)
SPREAD_RGB = (58.40, 57.12, 57.38)


def standardize_rgb(pixels: Any) -> Any:
    """(pixels - mean) / standard deviation, each channel by its own of ImageNet.

    Raises:
        ValueError: not three channels; one would be stretched to three, each shifted by another mean.
    """
    if pixels.shape[-1] != 3:
        raise ValueError(
            f"pixels must have 3 channels (red, green, blue); repeat a grey one three times. "
            f"Got {pixels.shape[-1]} instead."
        )
    scale = [1 / spread for spread in SPREAD_RGB]
    offset = [-mean / spread for mean, spread in zip(MEAN_RGB, SPREAD_RGB, strict=True)]
    return keras.layers.Rescaling(scale, offset, name="rescale")(pixels)


def to_grey(pixels: Any) -> Any:
    """Colour (B, H, W, 3) -> (B, H, W, 1), as bright as it looks; grey (B, H, W, 1) stays.

    Raises:
        ValueError: neither one nor three channels.
    """
    channels = pixels.shape[-1]
    if channels not in (1, 3):
        raise ValueError(f"pixels must have 1 or 3 channels. Got {channels} instead.")
    return pixels if channels == 1 else ops.image.rgb_to_grayscale(pixels)
