"""The rules: from what two models are and how they compare to one decision, with a sentence for each reason.

Pure: nothing here reads files, asks a registry or runs a network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from glasshouse.metrics.paired import Gain
from glasshouse.params import Promotion
from glasshouse.tracking.facts import AGREES, MISSING, Facts

MAIN_METRIC = {"detect": "mAP_50_95", "localize": "mAP_50_95", "classify": "accuracy"}
METRICS = {
    "detect": ("mAP_50_95", "mAP_50"),
    "localize": ("mAP_50_95", "mAP_50", "accuracy", "mean_iou"),
    "classify": ("accuracy",),
}
CLASS_SCORE = {"detect": "AP_50_95", "localize": "AP_50_95", "classify": "recall"}
NEEDED_EXPORT = "onnx"  # the format that is registered


class Outcome(StrEnum):
    """What became of a challenger. The first three make it the champion, SAME leaves all as it is."""

    FIRST = "first champion"
    BETTER = "better"
    NOT_WORSE = "not worse"
    SAME = "same model"
    QUALITY = "quality not clean"
    EXPORTS = "exports disagree"
    NO_METRIC = "metric missing"
    NOT_FINITE = "not finite"
    CLASS_FLOOR = "class under its floor"
    OTHER_TASK = "other task"
    LOST_CLASSES = "classes lost"
    TAKEN_BACK = "taken back before"
    WORSE = "worse"
    BELOW_MARGIN = "better by too little"
    NOISE = "inside the noise"


PROMOTED = (Outcome.FIRST, Outcome.BETTER, Outcome.NOT_WORSE)
STATUS_REFUSED = 3


@dataclass(frozen=True, slots=True)
class Reason:
    """One outcome and the sentence that tells it with its numbers."""

    outcome: Outcome
    sentence: str


@dataclass(frozen=True, slots=True)
class Scored:
    """A challenger on the present test pictures.

    Args:
        score: of the metric, NaN where it is not defined, None where its report does not have it.
        classes: name -> CLASS_SCORE, NaN for a class without test objects.
        fault: why it could not be scored, "" where it could.
    """

    score: float | None
    classes: dict[str, float]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Champion (first) and challenger (second) on the same pictures; `notes`: what was left out and why."""

    gain: Gain
    notes: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided and on what grounds. Reasons stand in the order of the rules; the first one counts."""

    reasons: tuple[Reason, ...]
    metric: str
    challenger: str  # version number, or "new" before it is registered
    champion: str | None
    scored: Scored | None = None
    comparison: Comparison | None = None
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The one that counts."""
        return self.reasons[0].outcome

    @property
    def promoted(self) -> bool:
        """Whether the challenger becomes the champion."""
        return self.outcome in PROMOTED

    @property
    def status(self) -> int:
        """Exit status: 0 promoted or nothing to do, 3 refused."""
        return 0 if self.promoted or self.outcome is Outcome.SAME else STATUS_REFUSED

    @property
    def verdict(self) -> str:
        """`promoted`, `unchanged` or `refused`."""
        return "promoted" if self.promoted else "unchanged" if self.outcome is Outcome.SAME else "refused"


def choose_metric(rules: Promotion, task: str) -> str:
    """The metric's own name; raises ValueError for a task that cannot be compared."""
    if task not in MAIN_METRIC:
        raise ValueError(f"models of task {task} cannot be compared yet: there are {', '.join(MAIN_METRIC)}.")
    return MAIN_METRIC[task] if rules.metric == "main" else rules.metric


def check_floors(rules: Promotion, classes: tuple[str, ...]) -> None:
    """Raise ValueError where a floor is set for no class: it would guard nothing."""
    for name in rules.class_floors:
        if name not in classes:
            near = get_close_matches(name, classes, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are {', '.join(classes)}."
            raise ValueError(f"params.yaml promotion.class_floors: no class {name!r}.{hint}")


def judge_alone(facts: Facts, scored: Scored, metric: str, rules: Promotion) -> Iterator[Reason]:
    """Everything that stands against a challenger whatever the champion is."""
    yield from _judge_quality(facts.quality)
    yield from _judge_exports(facts.exports)
    if metric not in METRICS[facts.task]:
        text = f"{metric} is no metric of task {facts.task}: set promotion.metric to one of "
        yield Reason(Outcome.NO_METRIC, f"{text}{', '.join(METRICS[facts.task])}.")
    elif scored.fault:
        yield Reason(Outcome.NOT_FINITE, scored.fault)
    elif scored.score is None:
        text = f"reports/evaluate/metrics.json has no {metric} of the test pictures: look at that report."
        yield Reason(Outcome.NO_METRIC, text)
    elif not math.isfinite(scored.score):
        text = f"{metric} is not defined on the test pictures (nothing there to score): look at the split."
        yield Reason(Outcome.NOT_FINITE, text)
    yield from _judge_classes(scored.classes, rules, CLASS_SCORE[facts.task])


def _judge_quality(quality: Mapping[str, str]) -> Iterator[Reason]:
    bad = {stage: told for stage, told in quality.items() if told == MISSING or told.startswith("critical")}
    if bad or not quality:
        told = "; ".join(f"{stage}: {text}" for stage, text in bad.items()) or "no stage was judged"
        yield Reason(Outcome.QUALITY, f"quality is not clean ({told}): see reports/quality/index.html.")


def _judge_exports(exports: Mapping[str, str]) -> Iterator[Reason]:
    if NEEDED_EXPORT not in exports:
        yield Reason(
            Outcome.EXPORTS, f"the {NEEDED_EXPORT} export was never held against Keras: `dvc repro export`."
        )
    bad = [f"{name} {told}" for name, told in exports.items() if told != AGREES]
    if bad:
        yield Reason(
            Outcome.EXPORTS,
            f"exports differ from Keras: {', '.join(bad)}. See exports/agreement.json.",
        )


def _judge_classes(classes: Mapping[str, float], rules: Promotion, score: str) -> Iterator[Reason]:
    low = []
    for name, value in classes.items():
        floor = rules.class_floors.get(name, rules.class_floor)
        if value < floor:  # a class without test objects has no score, and is judged by nobody
            low.append(f"{name} {value:.3f} (floor {floor:g})")
    if low:
        yield Reason(Outcome.CLASS_FLOOR, f"{score} on the test pictures is too low: {', '.join(low)}.")


def judge_kinship(challenger: Facts, champion: Facts, rules: Promotion) -> Iterator[Reason]:
    """What keeps the two from being compared at all."""
    if challenger.task != champion.task:
        yield Reason(
            Outcome.OTHER_TASK,
            f"the champion's task is {champion.task}, the challenger's {challenger.task}: two tasks have no "
            "common score. Give this one a tracking.model_name of its own.",
        )
    lost = [name for name in champion.classes if name not in challenger.classes]
    common = [name for name in champion.classes if name in challenger.classes]
    if not common or (lost and rules.lost_classes == "refuse"):
        yield Reason(
            Outcome.LOST_CLASSES,
            f"the champion knows {', '.join(lost)}, the challenger does not"
            + (
                ": set promotion.lost_classes: allow if that is meant." if common else ": no class is common."
            ),
        )


def judge_gain(comparison: Comparison, metric: str, rules: Promotion) -> Reason:
    """Better, not worse, worse, or too near to tell: by the ends of the difference's interval."""
    gain, told = comparison.gain, say_gain(comparison.gain, metric, rules.confidence)
    if comparison.fault:
        return Reason(Outcome.NOT_FINITE, comparison.fault)
    if not all(map(math.isfinite, (gain.difference, gain.low, gain.high))):
        return Reason(
            Outcome.NOT_FINITE, f"{metric} of both is not defined on the pictures they can be compared on."
        )
    if gain.low > rules.margin:
        return Reason(Outcome.BETTER, f"better: {told}.")
    if rules.rule == "not_worse" and gain.low >= -rules.tolerance:
        return Reason(Outcome.NOT_WORSE, f"not worse by more than {rules.tolerance:g}: {told}.")
    if gain.high < 0:
        return Reason(Outcome.WORSE, f"worse: {told}.")
    if gain.low > 0:
        return Reason(
            Outcome.BELOW_MARGIN, f"better, but not surely by the margin of {rules.margin:g}: {told}."
        )
    return Reason(Outcome.NOISE, f"no difference beyond the noise: {told}.")


def decide(
    challenger: Facts,
    number: str,
    scored: Scored,
    rules: Promotion,
    champion: Facts | None = None,
    champion_number: str | None = None,
    comparison: Comparison | None = None,
    taken_back: str = "",
) -> Decision:
    """Put everything together.

    Args:
        challenger, number: what asks to be champion.
        scored: the challenger on the present test pictures.
        rules: the block `promotion` of params.yaml.
        champion, champion_number: what it has to beat; None where there is none yet.
        comparison: of the two; None where something keeps them from being compared.
        taken_back: when a person took this challenger back, "" where nobody did.
    """
    metric = choose_metric(rules, challenger.task)
    reasons = list(judge_alone(challenger, scored, metric, rules))
    if champion is not None:
        reasons += judge_kinship(challenger, champion, rules)
    if taken_back:
        reasons.append(
            Reason(
                Outcome.TAKEN_BACK,
                f"version {number} was taken back by `glasshouse rollback` on {taken_back}: "
                "`glasshouse promote --again` judges it once more.",
            )
        )
    if comparison is not None:
        gain = judge_gain(comparison, metric, rules)
        reasons += [gain] if gain.outcome not in PROMOTED or not reasons else []
    if not reasons and champion is not None:
        raise ValueError(f"version {number} was not compared with the champion {champion_number}.")
    if not reasons:
        score = f"{metric} {scored.score:.4f}"
        reasons = [Reason(Outcome.FIRST, f"there was no champion: the first one has {score}.")]
    notes = () if comparison is None else comparison.notes
    return Decision(tuple(reasons), metric, number, champion_number, scored, comparison, notes)


def same_model(metric: str, number: str) -> Decision:
    """The challenger is the champion already."""
    sentence = f"version {number} is the champion already: nothing to do."
    return Decision((Reason(Outcome.SAME, sentence),), metric, number, number)


def say_gain(gain: Gain, metric: str, confidence: float) -> str:
    """`mAP_50_95 0.7412 against 0.7301, difference +0.0111 (95 %: +0.0020 to +0.0199), P(better) 0.99`."""
    return (
        f"{metric} {gain.second:.4f} against {gain.first:.4f}, difference {gain.difference:+.4f} "
        f"({confidence * 100:g} %: {gain.low:+.4f} to {gain.high:+.4f}), P(better) {gain.better:.2f}, "
        f"{gain.pictures} test pictures"
    )
