"""`auto` in params.yaml: the number that the chosen head recommends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from glasshouse.commands.params import check as say
from glasshouse.params import check, flatten, part_names, read_params, read_view
from glasshouse.params.parts import load_part

EPOCHS, RATE = "  epochs: auto ", "  learning_rate: auto "


def write(folder: Path, text: str, changes: dict[str, str]) -> Path:
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def test_auto_is_what_the_head_recommends(tmp_path: Path, text: str, package: str) -> None:
    """The heads of the `package` fixture recommend 9 epochs at 0.004 (boxes) and 17 at 0.0005 (labels)."""
    path = write(tmp_path, text, {})
    tuned = read_view("fine_tune", path, package).fine_tune
    assert (tuned.epochs, tuned.learning_rate) == (9, 0.004)
    labels = {
        "name: boxes": "name: labels",
        "name: pyramid": "name: none",
        "channels: 64": "channels: null",
        "task: detect": "task: classify",
        "source: blooms": "source: tfds",
    }
    values = flatten(read_params(write(tmp_path, text, labels), package))
    assert (values["fine_tune.epochs"], values["fine_tune.learning_rate"]) == (17, 0.0005)


def test_a_number_stands(tmp_path: Path, text: str, package: str) -> None:
    path = write(tmp_path, text, {EPOCHS: "  epochs: 5 "})
    tuned = read_params(path, package).fine_tune
    assert (tuned.epochs, tuned.learning_rate) == (5, 0.004)
    path = write(tmp_path, text, {RATE: "  learning_rate: 0.25 "})
    tuned = read_params(path, package).fine_tune
    assert (tuned.epochs, tuned.learning_rate) == (9, 0.25)


def test_limits_are_those_of_the_recommended_epochs(tmp_path: Path, text: str, package: str) -> None:
    path = write(tmp_path, text, {"warmup_epochs: 1": "warmup_epochs: 10"})
    assert [fault.message for fault in check(path, package)] == [
        "must be at most fine_tune.epochs (9). Got 10 instead."
    ]


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        (EPOCHS, "  epochs: atuo ", "epochs", "must be a whole number, or auto. Got 'atuo' (text) instead."),
        (
            RATE,
            "  learning_rate: fast ",
            "learning_rate",
            "must be a number, or auto. Got 'fast' (text) instead.",
        ),
        (EPOCHS, "  epochs: 0 ", "epochs", "must be greater than or equal to 1. Got 0 instead."),
        ("  epochs: 6\n", EPOCHS + "\n", None, "must be a whole number. Got 'auto' (text) instead."),
    ],
)
def test_other_words_are_faults(
    tmp_path: Path, text: str, package: str, old: str, new: str, key: str | None, message: str
) -> None:
    (fault,) = check(write(tmp_path, text, {old: new}), package)
    assert (fault.key, fault.message) == (f"fine_tune.{key}" if key else "train_head.epochs", message)


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({"name: boxes": "name: boxer"}, {"model.head.name"}),
        ({"\nfine_tune:": "\nfine_tunes:"}, {"fine_tune", "fine_tunes"}),
    ],
)
def test_only_what_is_at_fault_is_told(
    tmp_path: Path, text: str, package: str, change: dict[str, str], keys: set[str]
) -> None:
    """Neither `auto` nor limits that go by what an unknown head would recommend."""
    assert {fault.key for fault in check(write(tmp_path, text, change), package)} == keys


def test_it_is_said_what_auto_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes((Path(__file__).parents[2] / "params.yaml").read_bytes())
    (tmp_path / "data/pictures").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert say(None) == 0  # type: ignore[arg-type]
    said = capsys.readouterr().out.splitlines()
    tuned = load_part("head", "anchor_free").fine_tuning
    assert said[1:] == [
        f"fine_tune.epochs: auto is {tuned.epochs}, which head anchor_free recommends",
        f"fine_tune.learning_rate: auto is {tuned.learning_rate}, which head anchor_free recommends",
    ]


@pytest.mark.parametrize("name", part_names("head"))
def test_every_head_recommends_numbers_that_params_take(name: str) -> None:
    tuned = load_part("head", name).fine_tuning
    assert 1 <= tuned.epochs <= 100 and 1e-5 <= tuned.learning_rate <= 0.1


def test_a_head_without_a_recommendation_breaks_the_contract(
    make_parts: Callable[[dict[str, str]], str],
) -> None:
    package = make_parts({"heads/mute.py": '        name: Literal["mute"]\n'})
    with pytest.raises(
        TypeError, match=r"heads\.mute\.Params must hold `fine_tuning: ClassVar\[FineTuning\]`"
    ):
        load_part("head", "mute", package)
