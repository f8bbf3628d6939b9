"""Typed, strict views of params.yaml; every fault is reported at once, with its line and dotted key."""

from __future__ import annotations

from glasshouse.params.faults import Fault, ParamsError
from glasshouse.params.parts import Backbone, Part, builtin_weights_path, part_names
from glasshouse.params.read import check, flatten, read_params
from glasshouse.params.recommended import FineTuning
from glasshouse.params.schema import (
    Augment,
    Blooms,
    Dataset,
    Evaluate,
    Export,
    FineTune,
    Model,
    Params,
    Preprocess,
    Promotion,
    Quality,
    Split,
    Tracking,
    TrainHead,
)
from glasshouse.params.strict import Strict
from glasshouse.params.view import STAGE_KEYS, View, read_view

__all__ = [
    "STAGE_KEYS",
    "Augment",
    "Backbone",
    "Blooms",
    "Dataset",
    "Evaluate",
    "Export",
    "Fault",
    "FineTune",
    "FineTuning",
    "Model",
    "Params",
    "ParamsError",
    "Part",
    "Preprocess",
    "Promotion",
    "Quality",
    "Split",
    "Strict",
    "Tracking",
    "TrainHead",
    "View",
    "builtin_weights_path",
    "check",
    "flatten",
    "part_names",
    "read_params",
    "read_view",
]
