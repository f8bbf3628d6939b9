"""What must be known beside a network to use it on any picture. It travels inside every exported file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

KEY = "glasshouse"  # name of the entry that holds it in an exported file
VERSION = 1
MOST_PX = 4096  # of a side, as params.yaml: what a file asks for is made of every picture
CHOICES = {"task": ("detect", "localize", "classify"), "resize": ("letterbox", "crop", "stretch")}
RANGES = {"height_px": (1, MOST_PX), "width_px": (1, MOST_PX), "pad_value": (0, 255)}


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
            UnknownRecipe: no text, not that of a recipe, or one of values that cannot be; the message names
                `where`.
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
        for name, value in content.items():
            if not _is_possible(name, value):
                raise UnknownRecipe(
                    f"{where} says of its pictures that {name} is {str(value)[:80]!r}, which cannot be: the "
                    "file was damaged or changed. Export the network again: `dvc repro export`."
                )
        return cls(**{**content, "labels": tuple(content["labels"])})


def _is_possible(name: str, value: Any) -> bool:
    if name in CHOICES:
        return value in CHOICES[name]
    if name in RANGES:
        low, high = RANGES[name]
        return type(value) is int and low <= value <= high
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)
