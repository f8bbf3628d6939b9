"""Finds backbones, necks and heads: a part's file name is its registration."""

from __future__ import annotations

import importlib
from types import ModuleType

# What `find_part` loads at run time, for the tool that derives a stage's dependencies from its imports.
DYNAMIC_IMPORTS = (
    "glasshouse.models.backbones.${model.backbone.name}",
    "glasshouse.models.necks.${model.neck.name}",
    "glasshouse.models.heads.${model.head.name}",
)


def find_part(kind: str, name: str) -> ModuleType:
    """Return the module of a part.

    Args:
        kind: backbones, necks or heads.
        name: file name without suffix; `params` has checked that it exists.
    """
    return importlib.import_module(f"glasshouse.models.{kind}.{name}")
