"""Keras, loaded at first use.

Every part file (backbone, neck, head) also holds its parameters, and parameters are read long before
TensorFlow is wanted: `split`, `--help` and a mistake in params.yaml must not wait seconds for it. So part
files take `keras` and `ops` from here instead of importing Keras themselves.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

DYNAMIC_IMPORTS = ()  # Keras only, nothing of the project's own

if TYPE_CHECKING:
    import keras
    from keras import ops
else:

    class _Later:
        """A module that is imported when the first attribute is asked for."""

        def __init__(self, module: str) -> None:
            self._module = module

        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module(self._module), name)

    keras = _Later("keras")
    ops = _Later("keras.ops")

__all__ = ["keras", "ops"]
