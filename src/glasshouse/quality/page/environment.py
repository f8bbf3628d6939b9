"""How the project's pages are made of templates: strictly, and with everything escaped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def open_templates(folder: Path, **filters: Callable[..., Any]) -> Environment:
    """A Jinja environment over a folder of templates: a name that is not given is an error, and statements
    leave no blank lines.

    Args:
        folder: of the templates.
        filters: by name.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment
