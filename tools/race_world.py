"""What races of promoters are run on: finished states of a tiny pipeline, an MLflow server, promoters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hasty import HASTE
from project_copy import GLASSHOUSE, ROOT, ProjectCopy, TrialFailure
from retrain_world import PICTURES, RECIPE, Server, draw_photos, fill
from slow_proxy import Request, SlowProxy

from glasshouse.journal.state import read_state
from glasshouse.promotion.gate import BEFORE, LINE, TAKEN_BACK, promote, settle
from glasshouse.promotion.ledger import find_key, read_ledger
from glasshouse.tracking.aliases import Registry
from glasshouse.tracking.claims import CLAIM
from glasshouse.tracking.mirror import STATE
from glasshouse.tracking.store import Store
from glasshouse.tracking.sync import sync

HASTY = (sys.executable, str(ROOT / "tools/hasty.py"))
# Every challenger is promoted, whatever it beats: so after two promotions both have to be in the chain.
RACE = {
    **RECIPE,
    "fine_tune.epochs": 2,
    "fine_tune.validate_every": 2,
    "promotion.rule": "not_worse",
    "promotion.tolerance": 1.0,
}
STATES = ("weak", "one", "two")  # the champion before the race, and two challengers
PHOTOS = 60
ENDED_SECONDS, POLL_SECONDS = 900.0, 0.05
KNOCKS = 3  # at the server, until a promoter has mirrored its state and looks who is champion
KILLED = -signal.SIGKILL
READY = "ready"  # the file that says that all states are trained
UNSEEN = {"GLASSHOUSE_LIVE": "0"}


@dataclass
class Promoter:
    """One process in the folder of a state, behind a proxy of its own; `strike` meddles with its requests."""

    copy: ProjectCopy
    words: tuple[str, ...]
    is_hasty: bool
    log: Path
    process: subprocess.Popen[bytes] | None = None
    told: list[str] = field(default_factory=list)

    def start(self, address: str) -> None:
        """Start it as the leader of its group."""
        command = (*(HASTY if self.is_hasty else GLASSHOUSE), *self.words)
        self.process = self.copy.start(*command, log=self.log, MLFLOW_TRACKING_URI=address)

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        if self.process is not None and self.is_running:
            os.kill(self.process.pid, number)

    def stop_for(self, seconds: float) -> None:
        """SIGSTOP now, SIGCONT after so many seconds."""
        self.send(signal.SIGSTOP)
        threading.Timer(seconds, self.send, (signal.SIGCONT,)).start()

    def wait(self) -> int:
        """Its status."""
        if self.process is None:
            raise TrialFailure("it was never started")
        try:
            return self.process.wait(ENDED_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise TrialFailure(f"it does not end:\n{self.said}") from None

    @property
    def said(self) -> str:
        """What it printed."""
        return self.log.read_text(errors="replace")


@dataclass
class Strike:
    """Does `act` once, at the how-manyeth sight of a request after the promoter's claim was set."""

    at: int
    act: Callable[[], None]
    told: str = ""
    _seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request, answered: bool) -> None:
        """As `SlowProxy` calls it."""
        with self._lock:
            if self._seen == 0 and not (answered and is_claim(request)):
                return
            self._seen += 1
            if self._seen != self.at:
                return
            self.told = f"at its {request} ({'answered' if answered else 'on its way'})"
        self.act()


@dataclass
class Hold:
    """Keeps the requests that move @champion so long before the server gets them."""

    seconds: float
    begun: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: Request, answered: bool) -> None:
        """As `SlowProxy` calls it."""
        if not answered and request.call == "POST registered-models/alias" and '"champion"' in request.body:
            self.begun.set()
            time.sleep(self.seconds)


@dataclass
class Follow:
    """Stops a promoter before it looks at the registry, until another one's request is held."""

    promoter: Promoter
    first: Promoter
    held: Hold
    _knocks: int = 0

    def __call__(self, request: Request, answered: bool) -> None:
        """As `SlowProxy` calls it."""
        if request.call == "GET /health" and not answered:
            self._knocks += 1
            if self._knocks == KNOCKS:
                self.promoter.send(signal.SIGSTOP)
                threading.Thread(target=self._await, daemon=True).start()

    def _await(self) -> None:
        while self.first.is_running and not self.held.begun.wait(POLL_SECONDS):
            pass
        self.promoter.send(signal.SIGCONT)


@dataclass
class Lose:
    """Breaks off the connection of every request after the how-manyeth sight since the claim was set."""

    at: int
    _seen: int = 0

    def __call__(self, request: Request, answered: bool) -> None:
        """As `SlowProxy` calls it."""
        if self._seen or (answered and is_claim(request)):
            self._seen += 1
        if self._seen > self.at:
            raise ConnectionResetError


def is_claim(request: Request) -> bool:
    """Whether it sets a claim."""
    return request.call == "POST registered-models/set-tag" and CLAIM in request.body


class Stage:
    """A folder for each finished state, all of one MLflow server, and a registered model a round."""

    def __init__(self, place: Path) -> None:
        """Train the states, where the folder does not have them, and start a server."""
        self.place, self.states = place, dict[str, str]()
        self.copies = {name: ProjectCopy(place / name) for name in (*STATES, "twin")}
        if not (place / READY).is_file():
            self._train()
        self.server = Server(place / f"server-{os.getpid()}")
        self.server.start()

    def _train(self) -> None:
        weak = ProjectCopy.make(self.place / STATES[0], RACE)
        fill(weak.folder / PICTURES, draw_photos(self.place / "photos")[:PHOTOS])
        weak.commit("photos")
        weak.repro(**UNSEEN)
        for seed, name in enumerate(STATES[1:], start=100):
            copy = weak.twin(name)
            copy.change({"model.seed": seed})
            copy.repro(**UNSEEN)
        self.copies["one"].twin("twin")
        (self.place / READY).touch()

    @property
    def store(self) -> Store:
        """The server itself, without a proxy."""
        return Store(self.server.address, None)

    def set_up(self, name: str, champions: tuple[str, ...], synced: bool) -> Registry:
        """A model of this name, whose champions were these in turn; `synced`: all are registered."""
        for copy in self.copies.values():
            copy.change({"tracking.model_name": name})
            (copy.folder / "reports/ledger.md").unlink(missing_ok=True)
        self.states = {read_state(self.copies[key].folder).id: key for key in STATES}
        for key in champions:
            promote(self.copies[key].folder, store=self.store)
        if synced:
            for key in STATES:
                sync(self.copies[key].folder, self.store)
        return Registry(self.store, name)

    def make_promoter(self, key: str, *words: str, is_hasty: bool = True) -> Promoter:
        """One that is still to be started."""
        logs = self.place / "logs"
        logs.mkdir(exist_ok=True)
        log = logs / f"{len(list(logs.iterdir()))}-{key}.log"
        log.touch()
        return Promoter(self.copies[key], words, is_hasty, log)

    def look(self, registry: Registry) -> dict[str, str]:
        """champion, previous, what each state's version says was before it, whether it was taken back."""
        names = {}
        found = registry.client.search_model_versions(f"name = '{registry.name}'")
        for entry in found:
            key = self.states[entry.tags[STATE]]
            if key in names.values():
                raise TrialFailure(f"{key} is registered twice")
            names[str(entry.version)] = key
        told = {alias: names[number] for alias, number in registry.aliases().items() if alias != "challenger"}
        for entry in found:
            key = names[str(entry.version)]
            if BEFORE in entry.tags:
                told[f"{key} came after"] = names.get(entry.tags[BEFORE], "none")
            if TAKEN_BACK in entry.tags:
                told[f"{key} is"] = "taken back"
        return told

    def check_ledgers(self, registry: Registry, keys: tuple[str, ...]) -> int:
        """No decision is lost or stands twice; returns how many different ones there are."""
        lines: dict[str, str] = {}
        for key in keys:
            root = self.copies[key].folder
            settle(root, registry)
            rows = [row for row in read_ledger(root).splitlines() if row.startswith("| 2")]
            ids = [find_key(row) for row in rows]
            if len(set(ids)) != len(ids):
                raise TrialFailure(f"{key}'s ledger has a decision twice:\n" + "\n".join(rows))
            for row in rows:
                if lines.setdefault(find_key(row), row) != row:
                    raise TrialFailure(f"a decision stands in two versions:\n{row}\n{lines[find_key(row)]}")
        for entry in registry.client.search_model_versions(f"name = '{registry.name}'"):
            line = entry.tags.get(LINE)
            if line is not None and line not in lines.values():
                raise TrialFailure(f"no ledger has the decision on {self.states[entry.tags[STATE]]}:\n{line}")
        return len(lines)

    def check_claims(self, registry: Registry) -> None:
        """Nobody's claim is left."""
        if left := [key for key in registry.read_tags() if key.startswith(CLAIM)]:
            raise TrialFailure(f"{len(left)} claims were left")


__all__ = ["HASTE", "KILLED", "Follow", "Hold", "Lose", "Promoter", "SlowProxy", "Stage", "Strike"]
