"""A checkpoint is taken up whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glasshouse.training.checkpoints import Checkpoint

SHAPES = ((3, 4), (16,), (), (2, 2, 2, 5))


class Variable:
    """As much of a Keras variable as a checkpoint needs."""

    def __init__(self, value: np.ndarray) -> None:
        self.value = value

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.value

    def assign(self, value: np.ndarray) -> None:
        if value.shape != self.value.shape:
            raise ValueError(f"{value.shape} for {self.value.shape}")
        self.value = value


def learn(seed: int) -> Any:
    """A learner with four variables and an optimizer with as many."""
    draw = np.random.default_rng(seed)
    first, second = ([Variable(draw.normal(size=shape).astype(np.float32)) for shape in SHAPES] for _ in "12")
    return SimpleNamespace(variables=first, optimizer=SimpleNamespace(variables=second))


def values_of(learner: Any) -> list[np.ndarray]:
    return [each.value for each in (*learner.variables, *learner.optimizer.variables)]


def are_same(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(values_of(one), values_of(other), strict=True))


@pytest.mark.parametrize("damage", ["a bit", "a block", "an end"])
def test_damage_is_seen_before_the_first_variable_changes(tmp_path: Path, damage: str) -> None:
    """The arrays of the file are read one by one, each with its own check sum."""
    path, trained = tmp_path / "c.npz", learn(1)
    Checkpoint(path, "k").save(trained, [{"epoch": 1}])
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    draw, refused = np.random.default_rng(0), 0
    for _ in range(300):
        place, damaged = int(draw.integers(0, len(whole) - 64)), whole.copy()
        if damage == "a bit":
            damaged[place] ^= np.uint8(1 << int(draw.integers(0, 8)))
        elif damage == "a block":
            damaged[place : place + 64] = 0
        else:
            damaged = damaged[:place]
        path.write_bytes(damaged.tobytes())
        learner = learn(2)
        if Checkpoint(path, "k").load(learner):
            assert are_same(learner, trained)  # the damage lies where nothing is read
        else:
            assert are_same(learner, learn(2))
            refused += 1
    assert refused > 100


def test_a_file_of_other_variables_is_not_taken_up(tmp_path: Path) -> None:
    path, trained = tmp_path / "c.npz", learn(1)
    Checkpoint(path, "k").save(trained, [{"epoch": 1}])
    fewer = learn(2)
    fewer.variables.pop()
    assert Checkpoint(path, "k").load(fewer) == []
    assert Checkpoint(path, "other").load(learn(2)) == []
    assert Checkpoint(tmp_path / "none.npz", "k").load(learn(2)) == []
    learner = learn(2)
    assert Checkpoint(path, "k").load(learner) == [{"epoch": 1}] and are_same(learner, trained)


def test_a_full_disk_is_told_with_the_name_of_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    path.with_suffix(".draft").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        Checkpoint(path, "k").save(learn(1), [])
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
