"""Sliding window detector: a localiser with objectness looks at every window of the picture, one by one.

The text's slow baseline. It trains as `localize` with `objectness` does, on whole pictures as the training
stream moves them, and is slid over windows of several sizes when it is used. So let the stream show it what
windows look like: parts of pictures and pictures without an object, for instance with
`augment: {scale: [1.0, 2.5], translate: 0.5, mosaic: 0.0}`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from glasshouse.models.contracts import Tensors
from glasshouse.models.layers.one_box import OneBox, OneBoxOptions
from glasshouse.models.layers.pooled import Pool
from glasshouse.models.layers.windows import Windows, count_beside, lay_windows
from glasshouse.models.lazy import ops
from glasshouse.params import FineTuning
from glasshouse.params.strict import FromList

MOST_WINDOWS = 5000  # each is a run of the network, and all those of a batch are in memory together


class Params(OneBoxOptions):
    """`model.head` for `name: sliding`."""

    task: ClassVar[str] = "detect"
    neck: ClassVar[str] = "either"
    fine_tuning: ClassVar[FineTuning] = FineTuning(epochs=20, learning_rate=1.0e-3)
    pyramid: ClassVar[bool] = False  # it pools the coarsest level, whatever that one's stride

    name: Literal["sliding"]
    windows: Annotated[tuple[float, ...], FromList, Field(min_length=1)] = (1.0, 0.6, 0.4)  # sides, shares
    step: float = Field(default=0.5, ge=0.01, lt=1.0)  # of a window's side, between neighbours
    objectness: float = Field(default=0.3, ge=0.0, lt=1.0)  # windows under it are taken for empty
    margin: float = Field(default=0.1, ge=0.0, lt=0.5)  # of a window: so near an inner edge an object is cut
    pool: Pool = "flatten"  # where in the window the object is counts more than in a whole picture
    box_weight: float = Field(default=5.0, ge=0.0)

    @field_validator("windows")
    @classmethod
    def _check_windows(cls, windows: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0.1 <= share <= 1.0 for share in windows):
            raise ValueError("each share of the picture's side must lie in 0.1..1.0")
        return windows

    @field_validator("step")
    @classmethod
    def _check_step(cls, step: float, others: ValidationInfo) -> float:
        count = sum(count_beside(share, step) ** 2 for share in others.data.get("windows", ()))
        if count > MOST_WINDOWS:
            raise ValueError(
                f"windows and step make {count} windows a picture, more than {MOST_WINDOWS}: take larger ones"
            )
        return step


class Head(OneBox):
    """A localiser with objectness; `scan` slides it."""

    def __init__(self, params: Params, *, classes: int, height_px: int, width_px: int) -> None:
        """Fix the number of classes C, the size of the input, px, and the windows."""
        super().__init__(params, classes=classes, height_px=height_px, width_px=width_px, objectness=True)
        self.threshold, self.margin = params.objectness, params.margin
        self.windows = lay_windows(height_px, width_px, params.windows, params.step)

    def scan(self, full: Any, pixels: Any) -> Tensors:
        """Run the network on every window.

        Args:
            full: the network, pixels of a window -> raw outputs.
            pixels: pictures (B, height_px, width_px, 3), 0..255.

        Returns:
            `boxes` (B, A, 4) xyxy px of the pictures and `scores` (B, A, C), A counting all windows; 0 where
            the objectness stays under its threshold or an inner edge of the window seems to cut the object.
        """
        found = [self._look(full, windows, pixels) for windows in self.windows]
        return {name: ops.concatenate([part[name] for part in found], axis=1) for name in found[0]}

    def _look(self, full: Any, windows: Windows, pixels: Any) -> Tensors:
        raw = full(windows.cut(pixels))
        decoded = self.decode(raw)
        boxes, scores = (windows.gather(decoded[name]) for name in ("boxes", "scores"))
        is_object = windows.gather(ops.sigmoid(raw["objectness"])[:, None]) >= self.threshold
        kept = windows.are_whole(boxes, self.margin)[..., None] * ops.cast(is_object, "float32")
        side = ops.convert_to_tensor([self.width_px, self.height_px] * 2, dtype="float32")
        return {"boxes": windows.place(boxes) * side, "scores": scores * kept}
