"""Every rule on made-up facts: what is refused, why, and what the reasons say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.metrics.paired import Gain
from glasshouse.params import Promotion
from glasshouse.promotion.decision import (
    PROMOTED,
    Comparison,
    Decision,
    Outcome,
    check_floors,
    choose_metric,
    decide,
    judge_gain,
    same_model,
)

Make = Callable[..., Any]


def test_the_first_champion_needs_no_comparison(
    make_facts: Make, make_scored: Make, make_rules: Make
) -> None:
    decision = decide(make_facts(), "1", make_scored(), make_rules())
    assert (decision.outcome, decision.verdict, decision.status) == (Outcome.FIRST, "promoted", 0)
    assert "there was no champion: the first one has mAP_50_95 0.7000" in decision.reasons[0].sentence


def test_the_same_model_leaves_all_as_it_is() -> None:
    decision = same_model("accuracy", "4")
    assert (decision.verdict, decision.status, decision.promoted) == ("unchanged", 0, False)


ALONE: dict[str, tuple[dict[str, Any], dict[str, Any], Outcome, str]] = {
    "a critical finding": (
        {"quality": {"download": "clean", "split": "critical: no_leak"}},
        {},
        Outcome.QUALITY,
        "split: critical: no_leak",
    ),
    "a stage never judged": ({"quality": {"export": "missing"}}, {}, Outcome.QUALITY, "export: missing"),
    "no stage judged": ({"quality": {}}, {}, Outcome.QUALITY, "no stage was judged"),
    "an export that differs": (
        {"exports": {"onnx": "agrees", "litert": "differs by 0.2 (tolerance 0.001)"}},
        {},
        Outcome.EXPORTS,
        "litert differs by 0.2",
    ),
    "no ONNX parity": ({"exports": {"litert": "agrees"}}, {}, Outcome.EXPORTS, "onnx export was never held"),
    "a class under its floor": (
        {},
        {"red": 0.7, "green": 0.049, "blue": 0.7},
        Outcome.CLASS_FLOOR,
        "green 0.049",
    ),
    "a score that is NaN": (
        {},
        {"score": float("nan")},
        Outcome.NOT_FINITE,
        "not defined on the test pictures",
    ),
    "no score in the report": ({}, {"score": None}, Outcome.NO_METRIC, "metrics.json has no mAP_50_95"),
    "a network that answers NaN": ({}, {"fault": "its output is NaN"}, Outcome.NOT_FINITE, "is NaN"),
}


@pytest.mark.parametrize(("facts", "scored", "outcome", "words"), ALONE.values(), ids=list(ALONE))
@pytest.mark.parametrize("better", [True, False])
def test_what_is_wrong_with_a_challenger_stands_against_any_gain(
    facts: dict[str, Any], scored: dict[str, Any], outcome: Outcome, words: str, better: bool,
    make_facts: Make, make_scored: Make, make_rules: Make, make_comparison: Make,
) -> None:  # fmt: skip
    gain = make_comparison(0.1, 0.05, 0.15) if better else None
    champion = make_facts() if better else None
    decision = decide(
        make_facts(**facts), "2", make_scored(**scored), make_rules(), champion, "1" if better else None, gain
    )
    assert (decision.outcome, decision.verdict, decision.status) == (outcome, "refused", 3)
    assert words in decision.reasons[0].sentence
    assert len(decision.reasons) == 1  # the gain is no reason against it


def test_all_reasons_are_told_at_once(
    make_facts: Make, make_scored: Make, make_rules: Make, make_comparison: Make
) -> None:
    bad = make_facts(quality={}, exports={}, classes=("red",))
    decision = decide(
        bad,
        "2",
        make_scored(red=0.0),
        make_rules(),
        make_facts(),
        "1",
        make_comparison(-0.1, -0.2, -0.05),
        "today",
    )
    assert [reason.outcome for reason in decision.reasons] == [
        Outcome.QUALITY,
        Outcome.EXPORTS,
        Outcome.CLASS_FLOOR,
        Outcome.LOST_CLASSES,
        Outcome.TAKEN_BACK,
        Outcome.WORSE,
    ]


def test_a_floor_of_its_own_overrules_and_a_class_without_objects_is_not_judged(
    make_facts: Make, make_scored: Make, make_rules: Make
) -> None:
    rules = make_rules(class_floor=0.5, class_floors={"red": 0.1})
    scored = make_scored(red=0.2, green=0.5, blue=float("nan"))
    assert decide(make_facts(), "1", scored, rules).outcome is Outcome.FIRST
    strict = make_rules(class_floors={"red": 0.21})
    decision = decide(make_facts(), "1", scored, strict)
    assert "red 0.200 (floor 0.21)" in decision.reasons[0].sentence


@pytest.mark.parametrize(
    ("task", "score"), [("detect", "AP_50_95"), ("localize", "AP_50_95"), ("classify", "recall")]
)
def test_a_floor_is_of_the_score_that_the_task_has_of_a_class(
    task: str, score: str, make_facts: Make, make_scored: Make, make_rules: Make
) -> None:
    decision = decide(make_facts(task=task), "1", make_scored(red=0.0), make_rules())
    assert decision.reasons[0].sentence == f"{score} on the test pictures is too low: red 0.000 (floor 0.05)."


def test_a_floor_for_no_class_is_a_fault(make_rules: Make) -> None:
    with pytest.raises(ValueError, match=r"promotion\.class_floors: no class 'rde'\. Did you mean 'red'\?"):
        check_floors(make_rules(class_floors={"rde": 0.3}), ("red", "green"))


# rule, difference, low, high -> outcome; margin 0.01, tolerance 0.02
GAINS = {
    "better": ("better", 0.03, 0.02, 0.04, Outcome.BETTER),
    "better, not by the margin": ("better", 0.03, 0.005, 0.05, Outcome.BELOW_MARGIN),
    "the margin itself is not enough": ("better", 0.03, 0.01, 0.05, Outcome.BELOW_MARGIN),
    "inside the noise": ("better", 0.01, -0.01, 0.03, Outcome.NOISE),
    "equal in everything": ("better", 0.0, 0.0, 0.0, Outcome.NOISE),
    "worse": ("better", -0.03, -0.05, -0.01, Outcome.WORSE),
    "not worse": ("not_worse", -0.005, -0.015, 0.005, Outcome.NOT_WORSE),
    "not worse: the tolerance itself": ("not_worse", 0.0, -0.02, 0.02, Outcome.NOT_WORSE),
    "not worse: may be worse": ("not_worse", 0.0, -0.021, 0.02, Outcome.NOISE),
    "not worse: worse by little": ("not_worse", -0.005, -0.01, -0.001, Outcome.NOT_WORSE),
    "not worse: worse": ("not_worse", -0.05, -0.07, -0.03, Outcome.WORSE),
    "not worse: better": ("not_worse", 0.05, 0.03, 0.07, Outcome.BETTER),
    "undefined at one end": ("better", 0.1, 0.05, float("nan"), Outcome.NOT_FINITE),
    "undefined": ("better", float("nan"), float("nan"), float("nan"), Outcome.NOT_FINITE),
}


@pytest.mark.parametrize(("rule", "difference", "low", "high", "outcome"), GAINS.values(), ids=list(GAINS))
def test_the_interval_decides(
    rule: str,
    difference: float,
    low: float,
    high: float,
    outcome: Outcome,
    make_rules: Make,
    make_comparison: Make,
) -> None:
    rules = make_rules(rule=rule, margin=0.01, tolerance=0.02)
    reason = judge_gain(make_comparison(difference, low, high), "mAP_50_95", rules)
    assert reason.outcome is outcome
    if outcome is not Outcome.NOT_FINITE:
        assert f"({95:g} %: {low:+.4f} to {high:+.4f}), P(better)" in reason.sentence


def test_a_champion_that_answers_nan_is_left_to_a_person(make_rules: Make, make_comparison: Make) -> None:
    reason = judge_gain(make_comparison(0.1, 0.1, 0.1, fault="the champion is NaN"), "accuracy", make_rules())
    assert reason == reason.__class__(Outcome.NOT_FINITE, "the champion is NaN")


@given(
    st.floats(-1, 1),
    st.floats(0, 1),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.sampled_from(["better", "not_worse"]),
)
def test_a_higher_interval_never_loses_a_promotion(
    middle: float, half: float, margin: float, tolerance: float, rule: str
) -> None:
    rules = Promotion(
        metric="main", rule=rule, margin=margin, tolerance=tolerance, confidence=0.9, class_floor=0.0,
        class_floors={}, lost_classes="refuse",
    )  # fmt: skip

    def promotes(shift: float) -> bool:
        gain = Gain(0.5, 0.5 + middle + shift, middle - half + shift, middle + half + shift, 0.5, 9)
        return judge_gain(Comparison(gain), "accuracy", rules).outcome in PROMOTED

    assert promotes(0.1) or not promotes(0.0)
    if rule == "better":
        assert not promotes(0.0) or middle - half > margin


def test_another_task_cannot_be_compared(make_facts: Make, make_scored: Make, make_rules: Make) -> None:
    decision = decide(make_facts(), "2", make_scored(), make_rules(), make_facts(task="classify"), "1")
    assert decision.outcome is Outcome.OTHER_TASK
    assert "champion's task is classify, the challenger's detect" in decision.reasons[0].sentence


CLASS_LISTS = {
    "grown": (("red", "green", "blue", "pink"), "refuse", Outcome.BETTER),
    "in another order": (("blue", "red", "green"), "refuse", Outcome.BETTER),
    "shrunk": (("red", "green"), "refuse", Outcome.LOST_CLASSES),
    "shrunk, as was meant": (("red", "green"), "allow", Outcome.BETTER),
    "nothing in common": (("pink",), "allow", Outcome.LOST_CLASSES),
}


@pytest.mark.parametrize(("classes", "lost", "outcome"), CLASS_LISTS.values(), ids=list(CLASS_LISTS))
def test_changed_class_lists(
    classes: tuple[str, ...],
    lost: str,
    outcome: Outcome,
    make_facts: Make,
    make_scored: Make,
    make_rules: Make,
    make_comparison: Make,
) -> None:
    challenger, rules = make_facts(classes=classes), make_rules(lost_classes=lost)
    gain = make_comparison(0.1, 0.05, 0.15)
    decision = decide(challenger, "2", make_scored(), rules, make_facts(), "1", gain)
    assert decision.outcome is outcome


def test_metrics_by_task(make_facts: Make, make_scored: Make, make_rules: Make) -> None:
    assert [choose_metric(make_rules(), task) for task in ("detect", "localize", "classify")] == [
        "mAP_50_95",
        "mAP_50_95",
        "accuracy",
    ]
    decision = decide(make_facts(), "1", make_scored(), make_rules(metric="accuracy"))
    assert decision.outcome is Outcome.NO_METRIC
    assert "accuracy is no metric of task detect" in decision.reasons[0].sentence
    with pytest.raises(ValueError, match="models of task segment cannot be compared yet"):
        choose_metric(make_rules(), "segment")


def test_taken_back_is_refused_whatever_the_gain(
    make_facts: Make, make_scored: Make, make_rules: Make, make_comparison: Make
) -> None:
    gain = make_comparison(0.1, 0.05, 0.15)
    decision = decide(make_facts(), "2", make_scored(), make_rules(), make_facts(), "1", gain, "2026-11-01")
    assert decision.outcome is Outcome.TAKEN_BACK
    assert "`glasshouse promote --again`" in decision.reasons[0].sentence


def test_every_outcome_has_its_verdict() -> None:
    decisions = [
        Decision((dataclasses.replace(same_model("m", "1").reasons[0], outcome=each),), "m", "2", "1")
        for each in Outcome
    ]
    assert {decision.status for decision in decisions if decision.verdict == "refused"} == {3}
    assert sum(decision.promoted for decision in decisions) == len(PROMOTED)


def test_nothing_is_promoted_over_a_champion_that_it_was_not_compared_with(
    make_facts: Make, make_scored: Make, make_rules: Make
) -> None:
    with pytest.raises(ValueError, match="version 2 was not compared with the champion 1"):
        decide(make_facts(), "2", make_scored(), make_rules(), make_facts(), "1")
