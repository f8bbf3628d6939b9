"""What was decided of a state, as the registry has it: also where an earlier run decided it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from glasshouse.journal.pipeline import PARAMS
from glasshouse.journal.state import read_state
from glasshouse.params import read_params
from glasshouse.promotion.decision import choose_metric
from glasshouse.promotion.gate import GAIN, TAG, TAKEN_BACK, promote
from glasshouse.promotion.ledger import read_ledger
from glasshouse.promotion.markdown import escape
from glasshouse.tracking.aliases import CHAMPION, Registry, RegistryFault, Version
from glasshouse.tracking.outcome import NETWORK
from glasshouse.tracking.store import Store, spoken

SAME_NETWORK = "unchanged: the champion's own network"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one state.

    Attributes:
        model: name of the registered model.
        number: of the version that was judged; that of the champion where the network is the champion's own.
        is_champion: whether that version is the champion now.
        outcome: `promoted: better`, `refused: worse` and the like.
        why: sentences as Markdown, what was left out of the comparison included.
        metric: what was compared; gain: its figures on common pictures (GAIN), empty without a champion.
        against: number of the champion that it was held against, "" without one.
        before: that champion's scores by its own report, flat names as in MLflow.
        line: of the ledger, "" where the decision left none.
    """

    model: str
    number: str
    is_champion: bool
    outcome: str
    why: str
    metric: str
    against: str = ""
    gain: Mapping[str, float] = field(default_factory=dict)
    before: Mapping[str, float] = field(default_factory=dict)
    line: str = ""

    @property
    def promoted(self) -> bool:
        """Whether the decision made it the champion."""
        return self.outcome.startswith("promoted")


def take_verdict(root: Path, store: Store) -> Verdict:
    """Register and judge the finished state in `root`, and say what came of it.

    A state whose network is the champion's own, to the byte (a comment was changed, the data version was
    accepted), is no other model: it is neither registered nor judged.

    Raises:
        Unfinished, StoreAway, RegistryFault, Contended, FactsMissing, LedgerFault: as `promote` does.
    """
    params, state = read_params(root / PARAMS), read_state(root).id
    registry = Registry(store, params.tracking.model_name)
    metric = choose_metric(params.promotion, params.model.task)
    champion = registry.find(CHAMPION)
    if champion is not None and is_same_network(root, champion, state):
        why = f"version {champion.number} is this network already, byte for byte: nothing to promote."
        scores = read_scores(registry, champion)
        return Verdict(
            registry.name, champion.number, True, SAME_NETWORK, why, metric, champion.number, before=scores
        )
    decision = promote(root, store=store)
    registry = Registry(store, registry.name)  # the first one may have found no database yet
    version = registry.find_state(state)
    if version is None:
        raise RegistryFault(f"{registry.name} lacks state {state[:12]}: its version was deleted meanwhile.")
    tags = {key.removeprefix(TAG): value for key, value in version.tags.items() if key.startswith(TAG)}
    line = find_line(read_ledger(root), state)
    against = registry.read(tags["against"]) if tags.get("against") else None
    return Verdict(
        model=registry.name,
        number=version.number,
        is_champion=decision.promoted or decision.challenger == decision.champion,
        outcome=tags.get("outcome") or f"{decision.verdict}: {decision.outcome}",
        why=read_why(line)
        or escape("; ".join([*(each.sentence for each in decision.reasons), *decision.notes])),
        metric=metric,
        against=tags.get("against", ""),
        gain={key: float(tags[key]) for key in GAIN if key in tags},
        before=read_scores(registry, against) if against else {},
        line=line,
    )


def is_taken_back(root: Path, store: Store, state: str) -> bool:
    """Whether `rollback` took the model of a state back; raises StoreAway."""
    version = Registry(store, read_params(root / PARAMS).tracking.model_name).find_state(state)
    return version is not None and TAKEN_BACK in version.tags


def is_same_network(root: Path, champion: Version, state: str) -> bool:
    """Whether the ONNX file here is the champion's though the state is another one."""
    path = root / NETWORK
    if not path.is_file() or champion.facts.state == state:
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == champion.facts.network


def read_scores(registry: Registry, version: Version) -> dict[str, float]:
    """The scores of a version's own report, as its run in MLflow has them."""
    with spoken(registry.store):
        return dict(registry.client.get_run(version.run_id).data.metrics)


def find_line(ledger: str, state: str) -> str:
    """The last row of the ledger on a state, "" where there is none."""
    rows = [row for row in ledger.splitlines() if f"({state[:8]})" in row and row.startswith("| ")]
    return rows[-1] if rows else ""


def read_why(line: str) -> str:
    """The reasons and notes in a row of the ledger: its last cell but the id."""
    cells = line.rstrip(" |").split(" | ")
    return cells[-2] if len(cells) > 2 else ""
