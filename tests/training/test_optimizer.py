"""The optimizer: Keras's own AdamW but for rounding, by one kernel a variable."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from glasshouse.training.optimizer import build_optimizer

keras = pytest.importorskip("keras")
needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has the kernel"
)
SHAPES = {"kernel": (3, 3, 4, 8), "bias": (8,), "gamma": (1,)}
STEPS = 12


def reference(*, total: int, weight_decay: float, ema_momentum: float) -> Any:
    """What `build_optimizer` promises, written with Keras's own class."""
    rate = keras.optimizers.schedules.CosineDecay(0.0, total - 3, 0.01, warmup_target=0.1, warmup_steps=3)
    average: dict[str, Any] = {"use_ema": True, "ema_momentum": ema_momentum} if ema_momentum else {}
    optimizer = keras.optimizers.AdamW(rate, weight_decay=weight_decay, global_clipnorm=2.0, **average)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def walk(optimizer: Any, *, graph: bool = False) -> list[np.ndarray]:
    """Weights and the optimizer's state after STEPS steps on the same gradients; `graph`: in one that
    TensorFlow traced, as in training."""
    rng = np.random.default_rng(4)
    weights = [
        keras.Variable(rng.normal(size=shape), dtype="float32", name=name) for name, shape in SHAPES.items()
    ]
    optimizer.build(weights)

    def apply(slopes: list[Any]) -> None:
        optimizer.apply(slopes, weights)

    if graph:
        import tensorflow as tf

        apply = tf.function(apply)
    for step in range(STEPS):
        slopes = [rng.normal(size=shape).astype(np.float32) * 3.0 ** (step % 4) for shape in SHAPES.values()]
        apply([keras.ops.convert_to_tensor(slope) for slope in slopes])
    state = {variable.path: variable for variable in optimizer.variables}
    assert int(state.pop(next(path for path in state if path.endswith("/iteration")))) == STEPS
    optimizer.finalize_variable_values(weights)
    return [keras.ops.convert_to_numpy(each) for each in (*weights, *state.values())]


@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
@pytest.mark.parametrize("ema_momentum", [0.0, 0.9])
def test_steps_are_those_of_kerass_adamw(weight_decay: float, ema_momentum: float) -> None:
    choice = {"weight_decay": weight_decay, "ema_momentum": ema_momentum}
    own = build_optimizer(learning_rate=0.1, warmup_steps=3, total_steps=STEPS, clip_norm=2.0, **choice)
    found, expected = walk(own), walk(reference(total=STEPS, **choice))
    assert len(found) == len(expected) >= 3 * len(SHAPES)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5)  # steps of 0.1


@needs_tensorflow
def test_steps_in_a_graph_are_those_outside() -> None:
    choice: dict[str, Any] = {"weight_decay": 0.05, "ema_momentum": 0.9}
    build = partial(build_optimizer, learning_rate=0.1, warmup_steps=3, total_steps=STEPS, **choice)
    for inside, outside in zip(walk(build(), graph=True), walk(build()), strict=True):
        np.testing.assert_allclose(inside, outside, rtol=0, atol=1e-6)


def test_the_first_step_is_the_rate_against_the_gradient() -> None:
    # Adam's first step: m / sqrt(v) = g / |g|, so each weight moves by the rate whatever the size of g.
    weight = keras.Variable(np.zeros(3), dtype="float32", name="kernel")
    optimizer = build_optimizer(learning_rate=0.01, warmup_steps=0, total_steps=100, clip_norm=1e9)
    optimizer.build([weight])
    optimizer.apply([keras.ops.convert_to_tensor(np.array([5.0, -0.5, 300.0], np.float32))], [weight])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weight), [-0.01, 0.01, -0.01], rtol=1e-3)


@pytest.mark.parametrize(("total", "rates"), [(5, [0.0, 0.025, 0.05, 0.075, 0.1]), (1, [0.1])])
def test_a_warm_up_longer_than_the_training_ends_with_it(total: int, rates: list[float]) -> None:
    weight = keras.Variable(np.zeros(3), dtype="float32", name="kernel")
    optimizer = build_optimizer(learning_rate=0.1, warmup_steps=50, total_steps=total)
    optimizer.build([weight])
    found = []
    for _ in rates:
        found.append(float(optimizer.learning_rate))
        optimizer.apply([keras.ops.ones(3)], [weight])
    assert found == pytest.approx(rates, abs=1e-6)


def test_in_a_network_kernels_alone_decay() -> None:
    # Without a gradient nothing but decay moves a weight: by 0.1 * 0.05 of itself in the first step.
    pixels = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, bias_initializer="ones", name="conv")(pixels)
    model = keras.Model(pixels, keras.layers.BatchNormalization(beta_initializer="ones", name="norm")(x))
    weights = model.trainable_variables
    before = [keras.ops.convert_to_numpy(weight) for weight in weights]
    optimizer = build_optimizer(learning_rate=0.1, warmup_steps=0, total_steps=100, weight_decay=0.05)
    optimizer.build(weights)
    optimizer.apply([keras.ops.zeros(weight.shape) for weight in weights], weights)
    left = {
        weight.name: float(np.mean(keras.ops.convert_to_numpy(weight) / value))
        for weight, value in zip(weights, before, strict=True)
    }
    assert left == pytest.approx({"kernel": 0.995, "bias": 1.0, "gamma": 1.0, "beta": 1.0}, abs=1e-6)


@needs_tensorflow
def test_a_variables_step_is_one_kernel() -> None:
    import tensorflow as tf

    weights = [keras.Variable(np.ones(shape), dtype="float32", name=name) for name, shape in SHAPES.items()]
    optimizer = build_optimizer(learning_rate=0.1, warmup_steps=3, total_steps=STEPS)
    optimizer.build(weights)
    slopes = [tf.ones(shape) for shape in SHAPES.values()]
    graph = tf.function(lambda: optimizer.apply(slopes, weights)).get_concrete_function().graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == len(SHAPES)
    assert "Sqrt" not in kinds[kinds.index("ResourceApplyAdam") :]  # nothing of the step is left outside


@needs_tensorflow
def test_what_all_variables_share_is_computed_once_a_step() -> None:
    import tensorflow as tf

    weights = [keras.Variable(np.ones(3), dtype="float32", name="kernel") for _ in range(9)]
    optimizer = build_optimizer(
        learning_rate=0.1, warmup_steps=3, total_steps=STEPS, weight_decay=0.05, ema_momentum=0.9
    )
    optimizer.build(weights)
    slopes = [tf.ones(3)] * len(weights)
    graph = tf.function(lambda: optimizer.apply(slopes, weights)).get_concrete_function().graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("StatelessIf") == 1  # the schedule: warm-up or decay
    assert kinds.count("Pow") == 2  # of Adam's two decays
    assert kinds.count("ResourceApplyGradientDescent") == 2 * len(weights)  # their decay, and their averages
    assert kinds.count("SelectV2") == 1  # the first step's average is the variable
