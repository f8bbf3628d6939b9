"""What must be known beside a network to use it on any picture. It travels inside every exported file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

KEY = "glasshouse"  # name of the entry that holds it in an exported file
VERSION = 1


class UnknownRecipe(ValueError):
    """A network file does not say, or says in an unknown way, how pictures are prepared for it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a picture becomes the network's input, and what its answers mean.

    Attributes:
        task: detect | localize | classify.
        labels: class names in the order of the class index.
        height_px, width_px: size of the input.
        resize: letterbox | crop | stretch (`inputs.resize`).
        pad_value: grey level of the padding, 0..255.
    """

    task: str
    labels: tuple[str, ...]
    height_px: int
    width_px: int
    resize: str
    pad_value: int

    def spell(self) -> str:
        """As JSON; the same text for the same recipe."""
        return json.dumps({"version": VERSION, **asdict(self)}, ensure_ascii=False)

    @classmethod
    def read(cls, text: str | None, where: object) -> Self:
        """The recipe that `spell` wrote.

        Raises:
            UnknownRecipe: no text, or not that of a recipe; the message names `where`.
        """
        if text is None:
            raise UnknownRecipe(
                f"{where} does not say how pictures are prepared for it (size, resize, padding, labels), and "
                "a guess would give wrong boxes. Export the network again: `dvc repro export`."
            )
        content: Any = json.loads(text)
        names = {field.name for field in fields(cls)}
        if not isinstance(content, dict) or content.pop("version", None) != VERSION or set(content) != names:
            raise UnknownRecipe(
                f"{where} was exported by another version of Glasshouse (its recipe: {text[:200]}): use that "
                "version, or export it again with this one: `dvc repro export`."
            )
        return cls(**{**content, "labels": tuple(content["labels"])})
