"""A comparison from its plan to its entries' ends: shared stages once, then every entry's own."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from glasshouse.comparison.display import Display
from glasshouse.comparison.measured import note_peak, note_trainings
from glasshouse.comparison.mirror import Runs
from glasshouse.comparison.outcome import find_reason, list_sound, read_metrics, say_progress
from glasshouse.comparison.plan import Entry, Plan
from glasshouse.comparison.processes import Command, Ended
from glasshouse.comparison.schedule import Schedule
from glasshouse.comparison.statistics import name_score
from glasshouse.comparison.workplace import FOLDER, WorkplaceError, look_at, make_environment, prepare

SHARED = "preprocess"  # the last stage that does not know the network
REPRO = (sys.executable, "-m", "dvc", "repro")
LOGS = FOLDER / "logs"
LOOK_SECONDS = 1.0


class SharedFailure(RuntimeError):
    """The stages that all entries share failed: nothing can be compared."""


@dataclass
class Progress:
    """Where every entry works and how it ended.

    Args:
        folders: working copies.
        reasons: why an entry failed.
        run_ids: MLflow's runs.
        sound: stages whose outputs are of the present parameters and code.
        faults: what else went wrong, a sentence each.
    """

    folders: dict[Entry, Path] = field(default_factory=dict)
    reasons: dict[Entry, str] = field(default_factory=dict)
    run_ids: dict[Entry, str] = field(default_factory=dict)
    sound: dict[Entry, set[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def read_score(self, entry: Entry, split: str) -> float | None:
        """Main score of a split; None where it is not defined, or not of the entry's present model."""
        if "evaluate" not in self.sound[entry]:
            return None
        name = name_score(entry.params.model.task)
        score = read_metrics(self.folders[entry]).get(split, {}).get(name)
        return None if score is None else float(score)


class Comparison:
    """One comparison in one project."""

    def __init__(self, root: Path, plan: Plan, repro: Sequence[str] = REPRO) -> None:
        """`repro`: the command that brings a pipeline up to date."""
        self.root, self.plan, self.runs, self._repro = root.resolve(), plan, Runs(root), tuple(repro)
        self.progress = Progress()
        self._held: int | None = None

    @contextmanager
    def alone(self) -> Iterator[int]:
        """Hold the project's comparisons' lock, from the first copy to the last figure that is read of one.

        Inside of it `run` takes it no second time. What is started inherits it, so that a training left
        behind keeps it. Raises WorkplaceError where another comparison has it.
        """
        if self._held is not None:
            yield self._held
            return
        with _lock(self.root) as self._held:
            try:
                yield self._held
            finally:
                self._held = None

    def run(self) -> Progress:
        """Bring every entry's pipeline to its end.

        Raises:
            SharedFailure: download, split or preprocess failed.
            WorkplaceError: the project cannot be copied, or another comparison runs in it.
        """
        source = look_at(self.root)
        with self.alone() as descriptor:
            for entry in self.plan.entries:
                self.progress.folders[entry] = prepare(source, entry)
            waiting = [entry for entry in self.plan.entries if not self._is_whole(entry)]
            if waiting:
                self._share(waiting[0], descriptor)
            self._run_entries(waiting, descriptor)
        return self.progress

    def _is_whole(self, entry: Entry) -> bool:
        self.progress.sound[entry], stages = list_sound(self.progress.folders[entry])
        return self.progress.sound[entry] == stages

    def _share(self, entry: Entry, descriptor: int) -> None:
        """Run what all entries have in common, once; the others find it in the cache."""
        folder = self.progress.folders[entry]
        if SHARED in self.progress.sound[entry]:
            return
        print("data that all share: download, split, preprocess", file=sys.stderr, flush=True)
        schedule = Schedule([entry], 1, lambda _: self._start(entry, "shared", descriptor, SHARED))

        def finish(_: Entry, command: Command, ended: Ended) -> None:
            if ended.status:
                reason = find_reason(folder, command.read_log(), ended, command.began)
                raise SharedFailure(f"{reason} (all of it: {command.log.relative_to(self.root)})")

        schedule.run(finish)

    def _run_entries(self, waiting: list[Entry], descriptor: int) -> None:
        display = Display(len(self.plan.entries), 0)
        try:
            for entry in self.plan.entries:
                if entry not in waiting:
                    self._finish(entry, display, "up to date")
            schedule = Schedule(
                waiting,
                self.plan.request.parallel,
                lambda entry: self._start(entry, entry.folder, descriptor),
            )
            looked = [0.0]

            def look() -> None:
                if time.monotonic() - looked[0] > LOOK_SECONDS:
                    looked[0] = time.monotonic()
                    running = {entry.name: say_progress(job.read_log()) for entry, job in schedule.running}
                    display.show(running, len(schedule.waiting))

            def finish(entry: Entry, command: Command, ended: Ended) -> None:
                self._note(entry, command, ended)
                self._finish(entry, display, f"done in {ended.seconds:.0f} s")

            schedule.run(finish, look)
        finally:
            display.close()

    def _start(self, entry: Entry, log: str, descriptor: int, *targets: str) -> Command:
        folder = self.progress.folders[entry]
        live = self.runs.open(entry.params.tracking.experiment)
        return Command(
            [*self._repro, *targets],
            folder=folder,
            environment=make_environment(folder, self.runs.store.uri, live),
            log=self.root / LOGS / f"{log}.log",
            keep_open=[descriptor],
        )

    def _note(self, entry: Entry, command: Command, ended: Ended) -> None:
        folder = self.progress.folders[entry]
        note_peak(folder, ended.peak_bytes)
        note_trainings(folder)
        self.progress.sound[entry] = list_sound(folder)[0]
        if ended.status:
            self.progress.reasons[entry] = find_reason(folder, command.read_log(), ended, command.began)

    def _finish(self, entry: Entry, display: Display, told: str) -> None:
        folder = self.progress.folders[entry]
        run_id = self.runs.show(entry, folder, self.plan.request.name)
        if run_id is not None:
            self.progress.run_ids[entry] = run_id
        score = self.progress.read_score(entry, "valid")
        if entry in self.progress.reasons:
            log = self.root / LOGS / f"{entry.folder}.log"
            told = f"failed: {self.progress.reasons[entry]} (all of it: {log.relative_to(self.root)})"
        elif score is not None:
            told = f"validation {name_score(entry.params.model.task)} {score:.3f}, {told}"
        display.finish(entry.name, score, told)


@contextmanager
def _lock(root: Path) -> Iterator[int]:
    """The descriptor of the project's comparisons' lock; raises WorkplaceError where another one has it."""
    path = root / FOLDER / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WorkplaceError(
                "another comparison runs in this project, or one that was killed left a training behind "
                f"(`ps -ef | grep {FOLDER}`): end it, or wait."
            ) from error
        yield stream.fileno()
