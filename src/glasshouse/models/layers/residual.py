"""Residual units, plain, with a bottleneck or with groups, and the stages of a residual network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from glasshouse.models.layers.squeeze_excite import SqueezeExcite
from glasshouse.models.layers.units import conv_norm, conv_unit
from glasshouse.models.lazy import keras

EXPANSION = 4  # a bottleneck ends with so many times `filters`

Unit = Callable[..., Any]


@dataclass(frozen=True)
class ResidualUnit:
    """Convolutions beside a shortcut, added, ReLU.

    Plain: 3x3 with the stride, 3x3, both `filters` wide. Bottleneck: 1x1, 3x3 with the stride, 1x1 to four
    times `filters`. The shortcut is the input itself, or a 1x1 convolution with the stride where size or
    width change. The stride is in the 3x3 convolution: with the same parameters that beats the paper's first
    1x1, which looks at a quarter of the places only.

    Source: He et al., "Deep Residual Learning", arXiv:1512.03385, figures 2 and 5, table 1; groups: Xie et
    al., "Aggregated Residual Transformations", arXiv:1611.05431, figure 3 c.

    Args:
        filters: F, width of the plain unit; a quarter of the bottleneck's.
        stride: 1 or 2.
        bottleneck: which of the two.
        groups: of the bottleneck's 3x3 convolution.
        inner: width of the bottleneck's 1x1 and 3x3 convolutions; None is `filters`.
        excite: squeeze and excitation of the convolutions' output, before the addition.
    """

    filters: int
    stride: int = 1
    bottleneck: bool = False
    groups: int = 1
    inner: int | None = None
    excite: SqueezeExcite | None = None

    def __call__(self, x: Any, *, name: str) -> Any:
        """Lay the unit on `x` (B, H, W, C); `name` is the prefix of its layers.

        Returns:
            (B, ceil(H / stride), ceil(W / stride), F), 4 F for a bottleneck.
        """
        y = self._narrow(x, name) if self.bottleneck else self._plain(x, name)
        if self.excite:
            y = self.excite(y, name=f"{name}_se")
        if self.stride > 1 or x.shape[-1] != y.shape[-1]:
            x = conv_norm(x, y.shape[-1], 1, stride=self.stride, name=f"{name}_shortcut")
        x = keras.layers.Add(name=f"{name}_add")([x, y])
        return keras.layers.ReLU(name=f"{name}_out")(x)

    def _plain(self, x: Any, name: str) -> Any:
        x = conv_unit(x, self.filters, 3, stride=self.stride, name=f"{name}_a")
        return conv_norm(x, self.filters, 3, name=f"{name}_b")

    def _narrow(self, x: Any, name: str) -> Any:
        inner = self.inner or self.filters
        x = conv_unit(x, inner, 1, name=f"{name}_a")
        x = conv_unit(x, inner, 3, stride=self.stride, groups=self.groups, name=f"{name}_b")
        return conv_norm(x, EXPANSION * self.filters, 1, name=f"{name}_c")


def residual_stages(pixels: Any, depths: Sequence[int], unit: Callable[[int, int], Unit]) -> dict[str, Any]:
    """The stem and four stages of a residual network.

    Args:
        pixels: (B, H, W, 3), scaled.
        depths: units of each stage.
        unit: (filters, stride) -> what lays a unit: `unit(64, 1)(x, name="stage2_unit1")`. Filters are 64,
            128, 256, 512.

    Returns:
        c2 (B, H/4, W/4, .) to c5 (B, H/32, W/32, .), the ends of the stages, sides rounded up.
    """
    x = conv_unit(pixels, 64, 7, stride=2, name="stem")  # (B, H/2, W/2, 64)
    x = keras.layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    taps = {}
    for level, depth in enumerate(depths, start=2):
        for number in range(1, depth + 1):
            stride = 2 if number == 1 and level > 2 else 1
            x = unit(64 * 2 ** (level - 2), stride)(x, name=f"stage{level}_unit{number}")
        taps[f"c{level}"] = x
    return taps
