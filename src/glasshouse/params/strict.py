"""The strict pydantic base and the constrained numbers that the blocks of params.yaml are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.types import Strict as StrictFlag


class Strict(BaseModel):
    """A frozen block of keys that converts nothing: "3" is no 3, true is no 1, an unknown key is a fault.

    An int is accepted where a float is asked for (and becomes one); NaN and infinities are not.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
    )


# YAML has lists only, so the tuple itself may come as one; its items stay strict.
FromList = StrictFlag(False)

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]
BatchSize = Annotated[int, Field(ge=1, le=4096)]  # an order of so many is drawn before the first step
Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
GreyLevel = Annotated[float, Field(ge=0, le=255)]
PictureSide = Annotated[int, Field(ge=16, le=4096)]  # which ones a network takes, rules.py tells
NetworkSide = Annotated[int, Field(ge=32, le=4096, multiple_of=32)]  # the coarsest level has stride 32
