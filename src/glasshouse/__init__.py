"""Glasshouse: CNN image models as a DVC pipeline that is guarded, tracked and reproducible to the byte."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glasshouse.tracking.loading import load as load

DYNAMIC_IMPORTS = ()  # what is offered to people is needed by no stage
OFFERED = {"load": "glasshouse.tracking.loading"}

# No package phones home, however Glasshouse is started; a person's own setting stays.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
}.items():
    os.environ.setdefault(_name, _value)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter hides what matters


def __getattr__(name: str) -> Any:
    """`glasshouse.load` and its like, imported when they are asked for: `import glasshouse` stays light."""
    if name in OFFERED:
        return getattr(import_module(OFFERED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
