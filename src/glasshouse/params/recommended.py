"""`auto` in params.yaml: a number that the chosen head recommends.

How fast and how long a network is best fine-tuned depends on its head: what many boxes on several levels gain
by a high rate, one class or one box a picture loses (docs/results.md, Rates and Heads).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from glasshouse.params.document import Document
from glasshouse.params.strict import Strict

AUTO = "auto"
ATTRIBUTE = "fine_tuning"  # of a head's `Params`
BLOCK, NAMES = "fine_tune", ("epochs", "learning_rate")
KEYS = tuple(f"{BLOCK}.{name}" for name in NAMES)


@dataclass(frozen=True, slots=True)
class FineTuning:
    """What a head recommends for fine-tuning; `Params` of its file hold one as `fine_tuning`, a ClassVar.

    epochs: of about 1,200 pictures.  learning_rate: the peak.
    """

    epochs: int
    learning_rate: float


def find_auto(document: Document) -> tuple[str, ...]:
    """Those of `NAMES` that stand as `auto`."""
    block = document.values.get(BLOCK)
    return tuple(name for name in NAMES if block.get(name) == AUTO) if isinstance(block, dict) else ()


def settle(document: Document, head: type[Strict]) -> Document:
    """The document with the numbers of `head`, a head's `Params`, in place of `auto`."""
    names, recommended = find_auto(document), getattr(head, ATTRIBUTE)
    if not names:
        return document
    numbers = {name: getattr(recommended, name) for name in names}
    return replace(document, values=document.values | {BLOCK: document.values[BLOCK] | numbers})
