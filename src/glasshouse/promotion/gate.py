"""`promote` and `rollback`: a decision, and what follows from it in the registry and in the ledger.

The order of the writing makes every moment safe to be killed at: first the ledger's new text stands beside
the old one, then the version says (in its tags) what was decided, then @previous and @champion move, then the
new text takes the ledger's place. `settle`, at the start of every further call, brings @previous and the
ledger up to what @champion's own tags say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from glasshouse.journal.pipeline import PARAMS
from glasshouse.journal.state import read_state
from glasshouse.params import Params, read_params
from glasshouse.promotion.comparing import Bench, Candidate
from glasshouse.promotion.decision import Decision, check_floors, choose_metric, decide, same_model
from glasshouse.promotion.ledger import Entry, add_line, find_row, read_ledger, rewritten
from glasshouse.tracking.aliases import (
    CHAMPION,
    PREVIOUS,
    Registry,
    RegistryFault,
    Version,
    name_place,
)
from glasshouse.tracking.claims import Contended
from glasshouse.tracking.facts import Facts, read_facts, read_person, read_pictures
from glasshouse.tracking.outcome import METRICS, read_outcome
from glasshouse.tracking.registry import DIGEST
from glasshouse.tracking.store import Store, StoreAway, alone, locate_store
from glasshouse.tracking.sync import sync

TAG = "promotion."
LINE, BEFORE, TAKEN_BACK = f"{TAG}line", f"{TAG}before", f"{TAG}taken_back"
GAIN = ("first", "second", "difference", "low", "high", "better", "pictures")  # of a comparison, as tags
NEW = "new"  # of a challenger that no version number has yet
OTHER_BYTES = "this state was registered with other bytes than lie here: those were judged"
TRIES = 5  # decisions anew, because @champion moved meanwhile


class Unfinished(ValueError):
    """The state in the project's folder is not finished, so that there is nothing to promote."""


class NoWayBack(ValueError):
    """There is no champion before the present one."""


def promote(
    root: Path, *, dry_run: bool = False, again: bool = False, store: Store | None = None
) -> Decision:
    """Decide whether the finished state in `root` becomes the champion, and make it so.

    Args:
        root: the project's folder.
        dry_run: only say what would happen; nothing is written, in the registry or here (but the memory of
            files' digests in `.glasshouse/`, and, after a move of the project, where its files lie now).
        again: also judge a challenger that `rollback` took back.
        store: MLflow's; the one that the environment names by default.

    Returns:
        The decision, after it was carried out.

    Raises:
        Unfinished: a stage is not up to date, or there is no ONNX export.
        RegistryFault, FactsMissing: MLflow lacks files or tags of the champion.
        LedgerFault: the ledger cannot be written.
        Contended: another promoter is at work, or was faster. In all these cases the champion is as it was.
        StoreAway: MLflow is away; where it broke off while a decision was written, its message says so, and
            the next call completes what stands half written.
    """
    store = store or locate_store(root)
    params = read_params(root / PARAMS)
    candidate = read_candidate(root)
    facts = candidate.facts
    check_floors(params.promotion, facts.classes)
    if not dry_run:
        sync(root, store)
    registry = Registry(store, params.tracking.model_name)
    bench: Bench | None = None
    for _ in range(TRIES):
        challenger, champion = registry.find_state(facts.state), registry.find(CHAMPION)
        number = NEW if challenger is None else challenger.number
        if champion is not None and champion.number == number:
            decision = same_model(choose_metric(params.promotion, facts.task), number)
        else:
            bench = bench or open_bench(root, params, registry, candidate, challenger)
            decision = judge(bench, registry, challenger, champion, again)
        if dry_run or carry_out(root, registry, params, decision):
            return decision
    raise Contended(
        f"@{CHAMPION} of {registry.name} moved {TRIES} times while this was deciding: run it again."
    )


def read_candidate(root: Path) -> Candidate:
    """What stands finished in `root`; raises Unfinished."""
    outcome = read_outcome(root)
    if not outcome.is_whole:
        raise Unfinished(f"nothing to promote: {'; '.join(outcome.faults)}.")
    if outcome.network is None:
        raise Unfinished(
            "nothing to promote: exports/model.onnx is missing (params.yaml export.formats needs onnx)."
        )
    if not outcome.metrics:
        raise Unfinished(f"nothing to promote: {METRICS} holds no score: `dvc repro evaluate`.")
    facts = read_facts(root, read_state(root), outcome, read_pictures(root))
    return Candidate(facts, outcome.network, frozenset(outcome.metrics))


def open_bench(
    root: Path, params: Params, registry: Registry, candidate: Candidate, challenger: Version | None
) -> Bench:
    """With the bytes that would become the champion: those of the state's version, where it has one.

    They may be others than lie here, made of the same state on another machine.
    """
    if challenger is None or challenger.tags.get(DIGEST, candidate.facts.network) == candidate.facts.network:
        return Bench.open(root, params, candidate)
    with TemporaryDirectory() as folder:
        network = registry.fetch_network(challenger, Path(folder))
        registered = Candidate(challenger.facts, network, candidate.reported, (OTHER_BYTES,))
        return Bench.open(root, params, registered)


def judge(
    bench: Bench, registry: Registry, challenger: Version | None, champion: Version | None, again: bool
) -> Decision:
    """Score, compare and decide."""
    taken_back = "" if challenger is None or again else challenger.tags.get(TAKEN_BACK, "")
    number = NEW if challenger is None else challenger.number
    rules, scored = bench.params.promotion, bench.score()
    decision = decide(
        bench.facts,
        number,
        scored,
        rules,
        champion.facts if champion else None,
        champion.number if champion else None,
        bench.compare(registry, champion) if champion else None,
        taken_back,
    )
    return replace(decision, notes=(*bench.candidate.notes, *decision.notes))


def carry_out(root: Path, registry: Registry, params: Params, decision: Decision) -> bool:
    """Write a decision down, and move the aliases; False where @champion has moved since it was taken."""
    with alone(root), registry.claimed(name_place(root)):
        settle(root, registry)
        champion, challenger = registry.find(CHAMPION), registry.read(decision.challenger)
        if challenger is None:
            raise RegistryFault(f"version {decision.challenger} of {registry.name} was deleted meanwhile.")
        if (champion.number if champion else None) != decision.champion:
            return False
        if decision.verdict == "unchanged":
            return True
        entry = write_entry(registry.name, decision, params, challenger.facts)
        tags = _decision_tags(decision, entry)
        text = add_line(read_ledger(root), entry.line)
        with rewritten(root, text), told_half_written():
            if decision.promoted:
                tags |= {LINE: find_row(text, entry.key), BEFORE: decision.champion or ""}
                _tell(registry, challenger, tags)
                registry.untag(challenger, TAKEN_BACK)
                registry.move(PREVIOUS, decision.champion, decision.champion)
                registry.move(CHAMPION, challenger.number, decision.champion)
            else:
                _tell(registry, challenger, tags)
    return True


def settle(root: Path, registry: Registry) -> None:
    """Finish what a promoter that was killed, or a promoter elsewhere, has begun."""
    champion = registry.find(CHAMPION)
    if champion is None or LINE not in champion.tags:
        return
    registry.point(PREVIOUS, find_before(registry, champion))
    with rewritten(root, add_line(read_ledger(root), champion.tags[LINE])):
        pass


@contextmanager
def told_half_written() -> Iterator[None]:
    """Where MLflow breaks off in the middle of a decision, or its answer is lost, say what that means."""
    try:
        yield
    except StoreAway as away:
        raise StoreAway(
            f"{away} It was in the middle of writing a decision, which may stand half written, or whole: run "
            "this again, which completes it."
        ) from away


def find_before(registry: Registry, champion: Version) -> str | None:
    """The champion before this one; None where there is none, or it was deleted, or taken back itself."""
    number = champion.tags.get(BEFORE)
    before = registry.read(number) if number else None
    return None if before is None or TAKEN_BACK in before.tags else before.number


def rollback(root: Path, *, store: Store | None = None) -> tuple[Version, Version]:
    """Make @previous the champion again; returns (taken back, restored).

    The version that is taken back says so in its tags: `promote` refuses it until it is told otherwise, so
    that the next schedule does not undo what a person did. Another rollback goes one champion further back.

    Raises:
        NoWayBack: there is no champion, or none before it.
        LedgerFault, Contended: the champion is as it was.
        StoreAway: as `promote` has it.
    """
    store = store or locate_store(root)
    name = read_params(root / PARAMS).tracking.model_name
    registry = Registry(store, name)
    if registry.find(CHAMPION) is None:
        raise NoWayBack(f"{name} has no @{CHAMPION}: there is nothing to take back.")
    with alone(root), registry.claimed(name_place(root)):
        settle(root, registry)
        champion, previous = registry.find(CHAMPION), registry.find(PREVIOUS)
        if champion is None or previous is None or champion.number == previous.number:
            raise NoWayBack(f"{name} has no @{PREVIOUS}: its first champion cannot be taken back.")
        now = _say_now()
        entry = _rollback_entry(now, name, champion, previous, read_person(root))
        text = add_line(read_ledger(root), entry.line)
        with rewritten(root, text), told_half_written():
            registry.tag(champion, {TAKEN_BACK: now})
            registry.tag(previous, {LINE: find_row(text, entry.key)})
            registry.move(CHAMPION, previous.number, champion.number)
            registry.point(PREVIOUS, find_before(registry, previous))
    return champion, previous


def write_entry(name: str, decision: Decision, params: Params, facts: Facts) -> Entry:
    """The ledger's row of a decision, and the grounds by which it is the same as another."""
    gain = decision.comparison.gain if decision.comparison else None
    why = "; ".join([reason.sentence for reason in decision.reasons] + list(decision.notes))
    mine = gain.second if gain else (decision.scored.score if decision.scored else None)
    cells = (
        name,
        f"{decision.verdict}: {decision.outcome}",
        f"{decision.challenger} ({facts.state[:8]})",
        decision.champion or "",
        decision.metric,
        _say_number(mine),
        _say_number(gain.first) if gain else "",
        f"{gain.difference:+.4f}" if gain else "",
        f"{gain.low:+.4f} to {gain.high:+.4f}" if gain else "",
        f"{gain.better:.2f}" if gain else "",
        str(gain.pictures if gain else facts.counts.get("test", 0)),
        why,
    )
    rules = params.promotion.model_dump_json()
    return Entry(_say_now(), cells, (*cells, facts.state, facts.test, rules))


def _rollback_entry(now: str, name: str, champion: Version, previous: Version, person: str) -> Entry:
    cells = (name, "rolled back", previous.number, champion.number, "", "", "", "", "", "", "")
    why = f"version {champion.number} was taken back by {person}"
    return Entry(now, (*cells, why), (*cells, champion.tags.get(LINE, "")))


def _decision_tags(decision: Decision, entry: Entry) -> dict[str, str]:
    gain = decision.comparison.gain if decision.comparison else None
    tags = {
        "outcome": f"{decision.verdict}: {decision.outcome}",
        "why": "; ".join(reason.sentence for reason in decision.reasons),
        "against": decision.champion or "",
        "time": entry.when,
    }
    if gain is not None:
        for key in GAIN:
            tags[key] = f"{getattr(gain, key):.6g}"
    return {f"{TAG}{key}": value for key, value in tags.items()}


def _tell(registry: Registry, version: Version, tags: Mapping[str, str]) -> None:
    """Give a version the tags of a decision; numbers of an earlier one go first where this one has none."""
    for key in (f"{TAG}{name}" for name in GAIN):
        if key not in tags:
            registry.untag(version, key)
    registry.tag(version, tags)


def _say_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _say_number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
