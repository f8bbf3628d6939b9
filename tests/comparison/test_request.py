from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glasshouse.comparison.request import Asked, Request, RequestError, read_request

NOTHING: dict[str, Any] = {"backbones": None, "seeds": None, "changes": [], "parallel": None, "file": None}


def ask(**given: Any) -> Request:
    return read_request(**{**NOTHING, **given})


def test_command_line() -> None:
    request = ask(
        backbones="mobilenet_v2:alpha=0.35:weights=none, lenet5",
        seeds=3,
        changes=["seed=8", "split.method=ordered", "augment.scale=[1, 1.5]"],
    )
    assert request.backbones == (Asked("mobilenet_v2", {"alpha": 0.35, "weights": "none"}), Asked("lenet5"))
    assert (request.seeds, request.parallel, request.name) == (3, 1, "compare")
    assert request.changes == {"seed": 8, "split.method": "ordered", "augment.scale": [1, 1.5]}
    assert str(request.backbones[0]) == "mobilenet_v2:alpha=0.35:weights=none"


def test_file_and_what_goes_before_it(tmp_path: Path) -> None:
    path = tmp_path / "small ones.yaml"
    path.write_text(
        "backbones:\n  - {name: mobilenet_v2, alpha: 0.35}\n  - lenet5\n"
        "seeds: 2\nset: {seed: 8, split.test: 0.2}\n"
    )
    request = ask(file=path, parallel=2, changes=["seed=9"])
    assert request == Request(
        "small ones",
        (Asked("mobilenet_v2", {"alpha": 0.35}), Asked("lenet5")),
        2,
        {"seed": 9, "split.test": 0.2},
        2,
    )
    assert ask(file=path, backbones="vgg16").backbones == (Asked("vgg16"),)


def test_all_faults_at_once(tmp_path: Path) -> None:
    path = tmp_path / "compare.yaml"
    path.write_text("backbone: [a]\nset: [1]\nbackbones: [{alpha: 1}]\nparallel: true\n")
    with pytest.raises(RequestError) as caught:
        ask(file=path, seeds=0, changes=["seed"])
    told = "\n".join(caught.value.faults)
    for words in (
        "unknown key 'backbone'. Did you mean 'backbones'?",
        "a backbone must be a name",
        "`set` must be a block of dotted keys",
        "'seed' must be key=value",
        "seeds must be a whole number from 1 to 100. Got 0 instead",
        "parallel must be a whole number from 1 to 100. Got true",
    ):
        assert words in told
    assert len(caught.value.faults) == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "cannot be read"), ("a: [", "no valid YAML"), ("- a", "must be a block of keys")],
)
def test_file_that_is_none(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "compare.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RequestError, match=words):
        ask(file=path)


def test_nothing_to_compare() -> None:
    with pytest.raises(RequestError, match="no backbone is named"):
        ask()
