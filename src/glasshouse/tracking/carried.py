"""The code that a registered model carries along, so that it is served without Glasshouse being installed.

It is the very code of this package, under another package name: the name `glasshouse` would hide an installed
Glasshouse from whoever loads a model, or be hidden by it.
"""

from __future__ import annotations

import re
from pathlib import Path

READS = ()  # of no stage

PACKAGE, CARRIED = "glasshouse", "glasshouse_served"
LOADER = f"{CARRIED}.tracking.serving"
# What `tracking.serving` imports, directly and through others.
MODULES = (
    "geometry/boxes",
    "inputs/recipe",
    "inputs/resize",
    "pictures/decode",
    "pictures/orientation",
    "prediction/predictor",
    "prediction/result",
    "prediction/runtime",
    "tracking/serving",
)
IMPORT = re.compile(rf"^(\s*(?:from|import) ){PACKAGE}\b", re.MULTILINE)


def write_carried(folder: Path) -> Path:
    """Write the package into `folder`; returns its folder. The bytes depend on the sources alone."""
    root, target = Path(__file__).parents[1], folder / CARRIED
    for module in MODULES:
        place = target / f"{module}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        text = (root / f"{module}.py").read_text(encoding="utf-8")
        place.write_text(IMPORT.sub(rf"\g<1>{CARRIED}", text), encoding="utf-8")
    for place in (target, *(each for each in sorted(target.iterdir()) if each.is_dir())):
        (place / "__init__.py").write_text("", encoding="utf-8")
    return target
