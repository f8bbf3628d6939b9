"""No neck: the head takes the backbone's levels as they are."""

from __future__ import annotations

from typing import Any, Literal

from glasshouse.params import Strict


class Params(Strict):
    """`model.neck` for `name: none`."""

    name: Literal["none"]
    channels: int | None = None  # ignored, so that only the name need change to leave out a neck


def build(features: dict[str, Any], params: Params) -> dict[str, Any]:
    """Return the levels c3, c4, c5 under the names p3, p4, p5."""
    del params
    return {f"p{level[1:]}": x for level, x in features.items()}
