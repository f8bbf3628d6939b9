from __future__ import annotations

from pathlib import Path

import pytest

from glasshouse.params import read_view
from glasshouse.training.runtime import training_seed

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.mark.parametrize("stage", ["train_head", "fine_tune"])
def test_the_trainings_seed_is_the_sum_of_both(stage: str, tmp_path: Path) -> None:
    text = PARAMS.read_text(encoding="utf-8")
    changed = tmp_path / "params.yaml"
    changed.write_text(text.replace("\nseed: 7 ", "\nseed: 40 ").replace("\n  seed: 0 ", "\n  seed: 2 "))
    assert training_seed(read_view(stage, PARAMS)) == 7
    assert training_seed(read_view(stage, changed)) == 42


def test_data_and_split_do_not_follow_the_models_seed() -> None:
    for stage in ("download", "split", "preprocess"):
        with pytest.raises(AttributeError, match=r"seed|model"):
            training_seed(read_view(stage, PARAMS))
