"""Parameters of the networks that Keras has no ImageNet weights for."""

from __future__ import annotations

from typing import get_args

from pydantic import field_validator

from glasshouse.params import Strict


class Untrained(Strict):
    """`model.backbone` of such a network; a subclass adds its name and options."""

    weights: str  # none | path of a .weights.h5

    @field_validator("weights")
    @classmethod
    def _refuse_imagenet(cls, weights: str) -> str:
        if weights == "imagenet":
            (name,) = get_args(cls.model_fields["name"].annotation)
            raise ValueError(f"Keras has no ImageNet weights of {name}: use none or a .weights.h5")
        return weights
