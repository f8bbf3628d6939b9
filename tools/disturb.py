"""Disturbs a tiny pipeline in copies of the project, and looks whether it ends as the undisturbed one does.

python tools/disturb.py                     all rows
python tools/disturb.py kill resume         some of them
python tools/disturb.py --seed 3 --kills 8  other moments, more of them
python tools/disturb.py --keep              the copies stay for a look

Prints a line a row with its figures; the exit status is 1 where one fails.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kills import (
    Moment,
    Timeline,
    check_resumed,
    count_saved,
    draw_moments,
    kill_during,
    read_timeline,
    say_resumed,
)
from mirror_checks import check_model, check_parents, read_runs
from project_copy import DVC, GLASSHOUSE, TINY, ProjectCopy, TrialFailure, stages_run

TRAININGS = ("train_head", "fine_tune")
UNSEEN = {"GLASSHOUSE_LIVE": "0"}  # where the mirror is not what is looked at
OTHER_RATE = {"fine_tune.learning_rate": 3.0e-4}
OTHER_SPLIT = {"split.method": "ordered"}
OTHER_EXPORT = {"export.latency_runs": 3}
TOO_MANY = 100_000  # pictures
TRIES = 4  # to kill a stage before it is over


class Trial:
    """The undisturbed pipeline, what it came to after each training, and copies of it to disturb."""

    def __init__(self, place: Path, seed: int, kills: int) -> None:
        """Run the pipeline once, stopping before each training to keep a copy."""
        self.place, self.kills = place, kills
        self.random = random.Random(seed)
        self.whole = ProjectCopy.make(place / "whole", TINY)
        self.before: dict[str, ProjectCopy] = {}
        self.locks: dict[str, bytes] = {}
        self.timelines: dict[str, Timeline] = {}
        self.whole.repro("preprocess")
        for stage in TRAININGS:
            self.before[stage] = self.whole.twin(f"before-{stage}")
            self.whole.repro(stage)
            self.locks[stage] = self.whole.lock
            self.timelines[stage] = read_timeline(self.whole, stage)
        self.whole.repro()
        self.end = self.whole.lock
        self._twins = 0

    def twin(self, stage: str) -> ProjectCopy:
        """A fresh copy that stands before `stage`."""
        self._twins += 1
        return self.before[stage].twin(f"{stage}-{self._twins}")

    def killed(self, stage: str, moment: Moment, **environment: str) -> tuple[ProjectCopy, str]:
        """A fresh copy in which `stage` was killed, and when; sooner, where the moment came too late."""
        for _ in range(TRIES):
            copy = self.twin(stage)
            if told := kill_during(copy, stage, moment, **environment):
                return copy, told
            moment = Moment(moment.epoch, moment.seconds / 2)
        raise TrialFailure(f"{stage} was always over before it could be killed, last {moment}")


def force(trial: Trial) -> Iterator[str]:
    """`dvc repro --force` leaves dvc.lock as it is, to the byte."""
    ran = stages_run(trial.whole.repro("--force"))
    check_equal(trial.whole.lock, trial.end, "forced")
    yield f"{len(ran)} stages forced, dvc.lock ({len(trial.end)} bytes) unchanged"


def kill(trial: Trial) -> Iterator[str]:
    """SIGKILL of the process group at random moments of each training, in copies: the next run goes on."""
    for stage in TRAININGS:
        for moment in draw_moments(trial.random, trial.timelines[stage], trial.kills):
            copy, told = trial.killed(stage, moment)
            saved = count_saved(copy, stage)
            copy.repro(stage, **UNSEEN)
            check_equal(copy.lock, trial.locks[stage], f"{stage} killed {told}")
            yield f"{stage} killed {told}: {check_resumed(copy, stage, saved)}, same bytes"
            shutil.rmtree(copy.folder)


def again(trial: Trial) -> Iterator[str]:
    """One pipeline killed again and again, also while it resumes, in both trainings, then left alone."""
    copy = trial.twin("train_head")
    for stage in TRAININGS:
        last = trial.timelines[stage].epochs
        for epoch in sorted(trial.random.sample(range(last), k=min(3, last))):
            moment = Moment(epoch, trial.random.uniform(0.0, 0.5) * trial.timelines[stage].epoch_seconds)
            if not (told := kill_during(copy, stage, moment)):
                raise TrialFailure(f"{stage} was over before it could be killed {moment}")
            yield f"{stage} killed {told}"
    saved = count_saved(copy, "fine_tune")
    copy.repro(**UNSEEN)
    check_equal(copy.lock, trial.end, "killed again and again")
    yield f"then to the end: {check_resumed(copy, 'fine_tune', saved)}, dvc.lock as undisturbed"


def resume(trial: Trial) -> Iterator[str]:
    """A checkpoint of other params, or of other data, is never resumed."""
    for stage, changes in (("fine_tune", OTHER_RATE), ("train_head", OTHER_SPLIT)):
        calm = trial.twin(stage)
        calm.change(changes)
        calm.repro(stage, **UNSEEN)
        if calm.lock == trial.locks[stage]:
            raise TrialFailure(f"{changes} changes nothing: the row shows nothing")
        copy, told = trial.killed(stage, Moment(2, 0.0))
        copy.change(changes)
        copy.repro(stage, **UNSEEN)
        check_equal(copy.lock, calm.lock, f"{stage} killed {told}, then {changes}")
        if (said := say_resumed(copy, stage)) != "started over":
            raise TrialFailure(f"{stage} after {changes}: {said}")
        ((key, value),) = changes.items()
        yield f"{stage} killed {told}, then {key} {value}: started over, bytes of an undisturbed run"


def clone(trial: Trial) -> Iterator[str]:
    """`dvc push` to a folder, fresh clone, `dvc pull`, `dvc repro`: nothing runs."""
    source, copy = trial.whole, ProjectCopy(trial.place / "clone")
    source.run(*DVC, "remote", "add", "--force", "--default", "shelf", str(trial.place / "shelf"))
    source.commit("the lock and a remote")
    source.run(*DVC, "push")
    source.run("git", "clone", "--quiet", "--no-hardlinks", ".", str(copy.folder))
    copy.run(*DVC, "pull")
    check_nothing_runs(copy, source)
    yield "pushed, cloned, pulled: nothing runs"
    copy.run(*GLASSHOUSE, "runs", "sync")
    yield f"mirrored from the clone: {check_parents(copy, states=1)}, {check_model(copy)}"
    check_nothing_runs(shuffle_files(copy, trial.random), source)
    yield "copied in another order with other times: nothing runs"


def mirror(trial: Trial) -> Iterator[str]:
    """Repeated, forced, cached and resumed runs leave one parent run a state."""
    copy = trial.whole
    for _ in range(2):
        copy.run(*GLASSHOUSE, "runs", "sync")
    yield f"repeated: {check_parents(copy, states=1)}"
    copy.repro("--force", "--single-item", "export")
    copy.run(*GLASSHOUSE, "runs", "sync")
    yield f"forced: {check_parents(copy, states=1)}"
    copy.change(OTHER_EXPORT)
    ran = stages_run(copy.repro())
    copy.run(*GLASSHOUSE, "runs", "sync")
    yield f"another state ({', '.join(ran)} ran): {check_parents(copy, states=2)}"
    copy.change({key: TINY[key] for key in OTHER_EXPORT})
    if ran := stages_run(copy.repro()):
        raise TrialFailure(f"back to the first state, {', '.join(ran)} ran instead of coming from the cache")
    copy.run(*GLASSHOUSE, "runs", "sync")
    yield f"back, from the cache: {check_parents(copy, states=2)}"
    copy, told = trial.killed("fine_tune", Moment(2, 0.0), GLASSHOUSE_LIVE="1")
    copy.repro("fine_tune")
    copy.run(*GLASSHOUSE, "runs", "sync")
    yield f"killed {told}, resumed: {check_parents(copy, states=1)}; {check_curve(copy, 'fine_tune')}"


def away(trial: Trial) -> Iterator[str]:
    """A server that does not answer: the training goes on, and `glasshouse runs sync` mirrors it later."""
    copy, nowhere = (
        trial.twin("train_head"),
        {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{find_closed_port()}"},
    )
    said = copy.repro("train_head", **nowhere)
    check_equal(copy.lock, trial.locks["train_head"], "without a server")
    if "warning: MLflow at" not in said or "Traceback" in said:
        raise TrialFailure(f"the missing server must be told in a sentence. Got instead:\n{said}")
    yield "trained to the same bytes, with one warning"
    done = copy.attempt(*GLASSHOUSE, "runs", "sync", **nowhere)
    if done.returncode != 1 or "Traceback" in done.stdout:
        raise TrialFailure(f"`runs sync` without a server: status {done.returncode}\n{done.stdout}")
    yield f"sync without a server: {done.stdout.strip()}"
    copy.run(*GLASSHOUSE, "runs", "sync")
    yield f"synced later: {check_parents(copy, states=1)}; {check_curve(copy, 'train_head')}"


def guard(trial: Trial) -> Iterator[str]:
    """A critical finding is told in a sentence, stops `dvc repro` and locks nothing of its stage."""
    copy = ProjectCopy.make(trial.place / "guard", {**TINY, "quality.download.min_pictures": TOO_MANY})
    done = copy.attempt(*DVC, "repro", **UNSEEN)
    if done.returncode == 0:
        raise TrialFailure("`dvc repro` ended well in spite of a critical finding")
    if "Traceback" in done.stdout or "enough_pictures" not in done.stdout:
        raise TrialFailure(f"the finding must be told without a traceback. Got instead:\n{done.stdout}")
    if b"download:" in copy.lock or stages_run(done.stdout) != ["download"]:
        raise TrialFailure(
            f"after a critical finding: ran {stages_run(done.stdout)}, dvc.lock:\n{copy.lock!r}"
        )
    (line,) = (line for line in done.stdout.splitlines() if "enough_pictures" in line)
    yield f"status {done.returncode}, nothing locked: {line.strip()}"
    copy.change({"quality.download.min_pictures": 20})
    copy.repro("preprocess", **UNSEEN)
    yield "with the limit put right it goes on"


ROWS: dict[str, Callable[[Trial], Iterator[str]]] = {
    "guard": guard,
    "force": force,
    "mirror": mirror,
    "clone": clone,
    "away": away,
    "resume": resume,
    "again": again,
    "kill": kill,
}


def check_equal(lock: bytes, expected: bytes, what: str) -> None:
    """Raises TrialFailure with the lines of dvc.lock that differ."""
    if lock == expected:
        return
    ours, theirs = (text.decode().splitlines() for text in (lock, expected))
    other = [f"{place}: {a} | {b}" for place, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b]
    shown = "\n".join(other[:10]) or f"{len(ours)} lines against {len(theirs)}"
    raise TrialFailure(f"{what}: dvc.lock differs from the undisturbed one:\n{shown}")


def check_nothing_runs(copy: ProjectCopy, source: ProjectCopy) -> None:
    """`dvc repro` in `copy` runs no stage and leaves the lock as it is in `source`."""
    if ran := stages_run(copy.repro(**UNSEEN)):
        raise TrialFailure(f"in {copy.folder.name} `dvc repro` ran {', '.join(ran)}")
    check_equal(copy.lock, source.lock, copy.folder.name)


def check_curve(copy: ProjectCopy, stage: str) -> str:
    """The stage's child run has one loss an epoch."""
    from mlflow import MlflowClient

    (run,) = (run for run in read_runs(copy, "stage") if run.data.tags["glasshouse.stage"] == stage)
    steps = [point.step for point in MlflowClient(copy.store).get_metric_history(run.info.run_id, "loss")]
    wanted = list(range(1, TINY[f"{stage}.epochs"] + 1))
    if sorted(steps) != wanted:
        raise TrialFailure(f"the curve of {stage} has epochs {sorted(steps)} instead of {wanted}")
    resumed = run.data.tags.get("glasshouse.resumed_from")
    return f"{stage} has its {len(steps)} epochs" + (f", resumed after {resumed}" if resumed else "")


def shuffle_files(copy: ProjectCopy, order: random.Random) -> ProjectCopy:
    """All files of a copy in a new folder, written in a random order with random times of the last year."""
    target, now = copy.folder.with_name("shuffled"), time.time()
    paths = sorted(path for path in copy.folder.rglob("*") if path.is_file())
    order.shuffle(paths)
    for path in paths:
        place = target / path.relative_to(copy.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
        os.utime(place, (moment := now - order.uniform(0.0, 365 * 86_400.0), moment))
    return ProjectCopy(target)


def find_closed_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def run_row(name: str, trial: Trial) -> bool:
    """Print what the row finds as it goes, then PASS or FAIL with the first sentence of what it is about."""
    start = time.monotonic()
    try:
        for line in ROWS[name](trial):
            print(f"      {line}", flush=True)
        verdict = "PASS"
    except TrialFailure as failure:
        print(f"      {failure}", flush=True)
        verdict = "FAIL"
    print(f"{verdict}  {name:7} {time.monotonic() - start:4.0f} s  {ROWS[name].__doc__}", flush=True)
    return verdict == "PASS"


def main() -> int:
    """Grow one undisturbed pipeline, then disturb copies of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="default: all")
    parser.add_argument("--seed", type=int, default=7, help="of the moments (default: 7)")
    parser.add_argument("--kills", type=int, default=5, help="a training (default: 5)")
    parser.add_argument("--keep", action="store_true", help="leave the copies")
    asked: Any = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="glasshouse-disturb-"))
    start = time.monotonic()
    try:
        trial = Trial(place, asked.seed, asked.kills)
        print(f"      the undisturbed pipeline took {time.monotonic() - start:.0f} s", flush=True)
        passed = [run_row(name, trial) for name in (asked.rows or ROWS)]
    finally:
        if asked.keep:
            print(f"the copies are in {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)
    print(f"{sum(passed)} of {len(passed)} rows passed, {time.monotonic() - start:.0f} s, seed {asked.seed}")
    return int(not all(passed))


if __name__ == "__main__":
    sys.exit(main())
