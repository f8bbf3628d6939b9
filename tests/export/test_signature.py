from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glasshouse.export.signature import check_signature, freeze, predict_with


def test_task_is_read_from_the_outputs(detector: Any, classifier: Any) -> None:
    assert (check_signature(detector), check_signature(classifier)) == ("detect", "classify")


def test_breaches_of_the_contract_are_named() -> None:
    import keras

    def model(name: str, shape: tuple[int | None, ...], dtype: str, output: str) -> Any:
        pixels = keras.Input(shape, name=name, dtype=dtype)
        return keras.Model(pixels, {output: keras.layers.GlobalAveragePooling2D()(pixels)})

    with pytest.raises(ValueError, match=r"exactly one input, 'pixels'. Got \['image'\]"):
        check_signature(model("image", (8, 8, 3), "float32", "probabilities"))
    with pytest.raises(ValueError, match=r"fixed height and width. Got float32 of \(None, None, 8, 3\)"):
        check_signature(model("pixels", (None, 8, 3), "float32", "probabilities"))
    with pytest.raises(ValueError, match="must be float32"):
        check_signature(model("pixels", (8, 8, 3), "float16", "probabilities"))
    with pytest.raises(ValueError, match=r"Got \('logits',\)"):
        check_signature(model("pixels", (8, 8, 3), "float32", "logits"))
    pixels, other = keras.Input((8, 8, 3), name="pixels"), keras.Input((8, 8, 3), name="other")
    both = keras.Model([pixels, other], {"probabilities": keras.layers.Add()([pixels, other])})
    with pytest.raises(ValueError, match="exactly one input"):
        check_signature(both)


@pytest.mark.parametrize("batch", [None, 1])
def test_frozen_graph_has_one_placeholder_and_no_variables(classifier: Any, batch: int | None) -> None:
    frozen = freeze(classifier, batch)
    kinds = [node.op for node in frozen.graph_def.node]
    assert kinds.count("Placeholder") == 1
    assert not {"VarHandleOp", "ReadVariableOp"} & set(kinds)
    assert frozen.input.shape.as_list() == [batch, 32, 32, 3]
    assert list(frozen.outputs) == ["probabilities"]


def test_frozen_graphs_of_one_network_are_equal_though_counters_moved_on(detector: Any) -> None:
    first, second = (freeze(detector, None).graph_def.SerializeToString(deterministic=True) for _ in "12")
    assert first == second


def test_reference_leaves_batch_norm_alone_and_equals_predict(classifier: Any, make_pictures: Any) -> None:
    before = [weight.copy() for weight in classifier.get_weights()]
    pixels = make_pictures(4, 32)
    ours, keras_own = predict_with(classifier)(pixels), classifier.predict(pixels, verbose=0)
    np.testing.assert_allclose(ours["probabilities"], keras_own["probabilities"], atol=1e-6)
    assert ours["probabilities"].std(axis=0).max() > 1e-3
    assert all(np.array_equal(a, b) for a, b in zip(before, classifier.get_weights(), strict=True))
