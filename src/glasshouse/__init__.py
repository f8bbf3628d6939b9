"""Glasshouse: CNN image models as a DVC pipeline that is guarded, tracked and reproducible to the byte."""

from __future__ import annotations

import os

# No package phones home, however Glasshouse is started; a person's own setting stays.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}.items():
    os.environ.setdefault(_name, _value)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter hides what matters
