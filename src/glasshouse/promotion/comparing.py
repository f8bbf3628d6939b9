"""What the rules judge by: the challenger's scores, and the champion's on the very same pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from glasshouse.metrics.overlap import Bools
from glasshouse.metrics.paired import Gain, compare_paired
from glasshouse.params import Params
from glasshouse.promotion.decision import METRICS, Comparison, Scored, choose_metric
from glasshouse.promotion.pictures import TestSet, prepare_test, read_test
from glasshouse.promotion.scoring import Answers, NotFinite, ask, find_labelled, make_score, score_classes
from glasshouse.tracking.aliases import Registry, Version
from glasshouse.tracking.facts import Facts

MIN_UNSEEN = 30  # test pictures; the percentiles of a bootstrap over fewer say little
NONE = Gain(float("nan"), float("nan"), float("nan"), float("nan"), float("nan"), 0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What stands finished in the project: its facts, its ONNX file, the scores that its report has.

    The file need only be there until a `Bench` is opened; `notes` go with the decision.
    """

    facts: Facts
    network: Path
    reported: frozenset[str]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Bench:
    """The present test pictures, with what the challenger said of them."""

    root: Path
    params: Params
    candidate: Candidate
    test: TestSet
    answers: Answers | None = field(init=False, default=None)
    fault: str = field(init=False, default="")

    @classmethod
    def open(cls, root: Path, params: Params, candidate: Candidate) -> Bench:
        """Let the challenger answer."""
        bench = cls(root, params, candidate, read_test(root))
        try:
            bench.answers = bench.ask(candidate.network, candidate.facts)
        except NotFinite as error:
            bench.fault = f"the challenger cannot be scored: {error}."
        return bench

    @property
    def facts(self) -> Facts:
        """Of the challenger."""
        return self.candidate.facts

    @property
    def metric(self) -> str:
        """The one that decides."""
        return choose_metric(self.params.promotion, self.facts.task)

    @property
    def has_metric(self) -> bool:
        """Whether the task knows the metric, and the challenger's report has it."""
        return self.metric in METRICS[self.facts.task] and self.metric in self.candidate.reported

    def ask(self, network: Path, facts: Facts) -> Answers:
        """What a network of a version says of the test pictures, at the size that it was trained at."""
        with TemporaryDirectory() as folder:
            prepared = prepare_test(
                self.root, self.test, facts.preprocess, self.params.preprocess, Path(folder)
            )
            return ask(network, prepared, facts.task, facts.classes, self.params.evaluate.batch_size)

    def score(self) -> Scored:
        """The challenger on all test pictures."""
        if self.answers is None:
            return Scored(float("nan"), {}, self.fault)
        classes = score_classes(self.test, self.answers)
        if not self.has_metric:
            return Scored(None, classes)
        score = make_score(self.metric, self.test, self.answers, self.test.names)
        return Scored(float(score(np.ones((1, len(self.test.images))))[0]), classes)

    def compare(self, registry: Registry, champion: Version) -> Comparison | None:
        """Both on the pictures that are fair to both; None where the two have nothing in common.

        Raises:
            RegistryFault: the champion's files are gone.
        """
        facts = champion.facts
        common = [name for name in self.facts.classes if name in facts.classes]
        comparable = facts.task == self.facts.task and self.has_metric
        if self.answers is None or not comparable or not common:
            return None
        with TemporaryDirectory() as folder:
            seen = registry.fetch_pictures(champion, Path(folder))
            network = registry.fetch_network(champion, Path(folder))
            fair, notes = choose_pictures(self.test, seen, common, self.facts, facts)
            if not fair.any():
                return Comparison(NONE, notes)
            try:
                theirs = self.ask(network, facts)
            except NotFinite as error:
                fault = f"the champion cannot be scored: {error}. Take it back, or move the alias by hand."
                return Comparison(NONE, notes, fault)
        test, rules = self.test.take(fair), self.params.promotion
        gain = compare_paired(
            make_score(self.metric, test, theirs, common),
            make_score(self.metric, test, self.answers, common),
            len(test.images),
            rounds=self.params.evaluate.bootstrap_rounds,
            seed=self.params.seed,
            confidence=rules.confidence,
        )
        return Comparison(gain, notes)


def choose_pictures(
    test: TestSet, seen: dict[str, list[str]], common: list[str], challenger: Facts, champion: Facts
) -> tuple[Bools, tuple[str, ...]]:
    """(P,) test pictures that both are compared on, and what to say about it.

    A champion of another split may have trained on pictures that test now: it knows their answers by heart.
    Those are left out, as long as MIN_UNSEEN others are left; else all count, which favours the champion.

    Args:
        test: the present test pictures.
        seen: split -> keys of the champion's pictures.
        common: classes that both know.
        challenger, champion: their facts.
    """
    notes, fair = [], np.ones(len(test.images), dtype=bool)
    if challenger.test != champion.test:
        notes.append("the test pictures or labels are others than when the champion was made")
    if challenger.preprocess != champion.preprocess:
        notes.append("the champion was asked at its own picture size")
    if set(challenger.classes) != set(champion.classes):
        added = [name for name in challenger.classes if name not in common]
        lost = [name for name in champion.classes if name not in common]
        told = "; ".join(
            f"{word} {', '.join(names)}" for word, names in (("new", added), ("lost", lost)) if names
        )
        notes.append(f"compared on the {len(common)} classes that both know ({told})")
        if challenger.task == "classify":
            fair = find_labelled(test, common)
    learned = {*seen.get("train", []), *seen.get("valid", [])}
    known: Bools = np.array([key in learned for key in test.keys], dtype=bool)
    if (known & fair).any():
        share = f"{int((known & fair).sum())} of {int(fair.sum())}"
        told = f"the champion has trained or validated on {share} test pictures"
        unseen = fair & ~known
        if unseen.sum() >= MIN_UNSEEN:
            notes.append(f"{told}: they are left out")
            fair = unseen
        else:
            notes.append(f"{told}, too many to leave out: the comparison favours the champion")
    return fair, tuple(notes)
