"""One contract for every backbone, whoever wrote it: a new file is taken up by its name.

Of the families of keras.applications one member is always tried; the others, which are the same code with
other numbers, by `make test ARGS="-m siblings"`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glasshouse.params import part_names

from .contract import (
    CHANNELS,
    OPTIONS,
    Subject,
    check_independence,
    check_learning,
    check_mixed_precision,
    check_options,
    check_reload,
    check_strides,
    lay_wide,
    make_subject,
)

NAMES = part_names("backbone")
SIBLINGS = {
    "densenet169",
    "densenet201",
    *(f"efficientnet_b{number}" for number in range(1, 8)),
    "mobilenet_v3_large",
    "resnet101",
    "resnet101v2",
    "resnet152",
    "resnet152v2",
    "vgg19",
}


def mark_siblings() -> list[Any]:
    marks = [pytest.mark.siblings, pytest.mark.slow]
    return [pytest.param(name, marks=marks if name in SIBLINGS else ()) for name in NAMES]


@pytest.fixture(scope="module", params=mark_siblings())
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    import keras

    keras.backend.clear_session()
    yield make_subject(request.param)


def test_names_are_of_backbones() -> None:
    assert OPTIONS.keys() | CHANNELS.keys() | SIBLINGS <= set(NAMES)


def test_constants_and_names(subject: Subject) -> None:
    import keras

    height, width, channels = subject.part.INPUT_SIZE_PX
    assert min(height, width) >= subject.part.MIN_SIZE_PX >= 1
    assert channels in (1, 3)
    layers = subject.network.layers
    # It carries its own preprocessing, and whatever the user may name in `unfreeze_from` has one meaning.
    assert any(isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization) for layer in layers)
    assert len({layer.name for layer in layers}) == len(layers)
    assert all(math.prod(weight.shape) for weight in subject.network.weights)


def test_batch_independence(subject: Subject) -> None:
    check_independence(subject)


def test_gradient_and_first_step(subject: Subject) -> None:
    check_learning(subject)


def test_save_and_reload(subject: Subject, tmp_path: Path) -> None:
    check_reload(subject, tmp_path / "network.keras")


def test_strides_and_mixed_precision(subject: Subject) -> None:
    wide = lay_wide(subject)
    check_strides(subject, wide)
    check_mixed_precision(wide)


def test_options(subject: Subject) -> None:
    check_options(subject)
