"""A killed training ends as an undisturbed one; a checkpoint of another, or a look at the scores, changes
nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.inputs.stream import Pictures

from .runs import Killed, assert_same, build_tiny, die_after, run_head, run_tune, weights_of

pytestmark = pytest.mark.usefixtures("deterministic")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_training_ends_in_the_same_weights(squares: Pictures, ranges: Any, tmp_path: Path) -> None:
    undisturbed = build_tiny()
    history, scores = run_tune(undisturbed, squares, ranges, tmp_path / "a.npz")
    for epoch in (1, 3):  # after the first, and after the last: only the stage's own output is missing
        path = tmp_path / f"{epoch}.npz"
        with pytest.raises(Killed):
            run_tune(build_tiny(), squares, ranges, path, on_epoch=die_after(epoch))
        assert path.is_file()
        taken_up = build_tiny()
        seen: list[int] = []
        again, _ = run_tune(
            taken_up, squares, ranges, path, on_epoch=lambda number, row, seen=seen: seen.append(number)
        )
        assert seen == list(range(epoch + 1, 4))  # it did go on, and not begin anew
        assert_same(weights_of(undisturbed), weights_of(taken_up))
        strip = [{name: value for name, value in row.items() if name != "valid_score"} for row in again]
        assert strip == [
            {name: value for name, value in row.items() if name != "valid_score"} for row in history
        ]
    assert set(scores) == {"head", "fine_tuned", "kept"}


def test_half_precision_as_on_a_gpu_trains_and_goes_on_after_a_kill(
    squares: Pictures, ranges: Any, tmp_path: Path
) -> None:
    import keras

    keras.config.set_dtype_policy("mixed_float16")
    try:
        undisturbed, taken_up = build_tiny(), build_tiny()
        fresh = weights_of(undisturbed)
        run_head(undisturbed, squares, ranges, tmp_path / "head.npz")
        learnt = weights_of(undisturbed)
        assert any((fresh[name] != learnt[name]).any() for name in fresh)  # no step's gradients overflowed
        run_head(taken_up, squares, ranges, tmp_path / "head.npz")  # its last checkpoint is all of it
        run_tune(undisturbed, squares, ranges, tmp_path / "a.npz")
        path = tmp_path / "b.npz"
        with pytest.raises(Killed):
            run_tune(taken_up, squares, ranges, path, on_epoch=die_after(1))
        again = build_tiny()
        run_head(again, squares, ranges, tmp_path / "head.npz")
        run_tune(again, squares, ranges, path)
        assert_same(weights_of(undisturbed), weights_of(again))
        assert all(np.isfinite(value).all() for value in weights_of(again).values())
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("damage", ["another key", "torn", "empty"])
def test_a_checkpoint_of_another_training_is_not_taken_up(
    damage: str, squares: Pictures, ranges: Any, tmp_path: Path
) -> None:
    path = tmp_path / "c.npz"
    with pytest.raises(Killed):
        run_tune(build_tiny(), squares, ranges, path, on_epoch=die_after(2))
    if damage == "torn":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    seen: list[int] = []
    key = "other" if damage == "another key" else "k"
    run_tune(build_tiny(), squares, ranges, path, key, on_epoch=lambda number, row: seen.append(number))
    assert seen == [1, 2, 3]


def test_validation_leaves_the_training_alone(squares: Pictures, ranges: Any, tmp_path: Path) -> None:
    often, never = build_tiny(), build_tiny()
    run_tune(often, squares, ranges, tmp_path / "a.npz", params={"validate_every": 1})
    history, _ = run_tune(never, squares, ranges, tmp_path / "b.npz", params={"validate_every": 99})
    assert ["valid_score" in row for row in history] == [False, False, True]  # at the end in any case
    assert_same(weights_of(often), weights_of(never))


def test_the_frozen_head_is_kept_where_fine_tuning_loses(
    squares: Pictures, ranges: Any, tmp_path: Path
) -> None:
    network = build_tiny()
    before = weights_of(network)
    falling = iter([0.9, 0.5, 0.4, 0.3, 0.2])
    _, scores = run_tune(
        network, squares, ranges, tmp_path / "c.npz", validate=lambda: {"score": next(falling)}
    )
    assert_same(before, weights_of(network))
    assert scores["kept"] == scores["head"] == {"score": 0.9}
    assert scores["fine_tuned"] == {"score": 0.2}
