"""`make retrain`: new data in, a judged model and a change to merge out. Every step may be repeated.

Killed at any moment, the next run goes on from what is there: DVC knows the stages that are over, trainings
have checkpoints, the registry knows the state and what was decided of it, git the commits. The change of a
state is opened last, and only that makes the state done.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from glasshouse.journal.digests import Digests
from glasshouse.journal.journal import state_folder
from glasshouse.journal.pipeline import PARAMS, find_stale, read_lock, read_pipeline, read_yaml
from glasshouse.journal.state import read_state
from glasshouse.params import read_params
from glasshouse.retraining import acceptance
from glasshouse.retraining.change import (
    REPORT,
    Change,
    ChangeFault,
    demand_repository,
    has_origin,
)
from glasshouse.retraining.findings import find_stopped
from glasshouse.retraining.lock import alone
from glasshouse.retraining.programs import ProgramFailed, show
from glasshouse.retraining.report import write_report, write_stopped
from glasshouse.retraining.request import ask_to_merge
from glasshouse.retraining.setting import (
    NotCommitted,
    Say,
    Setting,
    demand_lasting,
    list_foreign,
    open_setting,
)
from glasshouse.retraining.shelf import RemoteAway, fetch_pictures, fetch_weights, knock, pull, push
from glasshouse.retraining.verdict import Verdict, is_taken_back, take_verdict
from glasshouse.tracking.aliases import RegistryFault
from glasshouse.tracking.claims import Contended
from glasshouse.tracking.facts import read_pictures
from glasshouse.tracking.store import Store, StoreAway

DONE, FAILED = 0, 1


class Stopped(RuntimeError):
    """`dvc repro` did not reach its end; the message says where and why."""


class Moved(RuntimeError):
    """Somebody changed the project's files while it was retrained."""


def retrain(root: Path, say: Say, store: Store | None = None) -> int:
    """Do all steps that are left; returns the exit status: 0 done or nothing to do, 1 a fault.

    Args:
        root: the project's folder, the top of its git repository.
        say: takes a line for every step.
        store: MLflow's; the one that the environment names by default.

    Raises:
        AtWork: another retraining is at work here.
        LockFault, ChangeFault, ProgramFailed, RemoteAway, DataFault, NotCommitted, NotLasting, Stopped,
            Moved, LedgerFault: each says what to do.
    """
    demand_repository(root)
    with alone(root) as lock:
        setting = open_setting(root, say, store)
        demand_lasting(setting)
        demand_committed(setting)
        bring_data(setting)
        state = settle_state(setting)
        change = Change(root, state)
        where = find_change(setting, change)
        if where is not None:
            return leave(setting, change, where)
        say(f"state {state[:12]} is new: {say_stale(root)}")
        bring_outputs(setting)
        run_pipeline(setting, state, lock)
        return finish(setting, change)


def demand_committed(setting: Setting) -> None:
    """Raise NotCommitted where params, code or weights are in no commit."""
    if others := list_foreign(setting):
        weights = any(path.endswith(".h5") for path in others)
        how = " (of weights, which git ignores, the .dvc file that `dvc add` makes)" if weights else ""
        raise NotCommitted(
            f"HEAD does not hold what would be run: {', '.join(others[:5])}"
            f"{' and others' if len(others) > 5 else ''}. Commit it first{how}: the model must say "
            "from which commit it can be made again."
        )


def bring_data(setting: Setting) -> None:
    """Weights and pictures from where they come; what cannot be read of these is passed over by DVC."""
    root, say = setting.root, setting.say
    if setting.remote is not None:
        knock(setting.remote)
    if setting.weights:
        say(fetch_weights(root, setting.weights, setting.remote))
    if setting.tracked is not None:
        say(fetch_pictures(root, setting.tracked, setting.remote))
    if show(root, sys.executable, "-m", "glasshouse.cli", "unreadable"):
        raise Stopped("the pictures cannot be read: what is wrong with them stands above.")


def bring_outputs(setting: Setting) -> None:
    """What others have computed already: the run cache, and the outputs that dvc.lock names."""
    if setting.remote is None:
        setting.say("no default DVC remote: nothing to pull")
        return
    stages = read_pipeline(setting.root, read_yaml(setting.root / PARAMS)).stages
    pull(setting.root, setting.remote, stages)
    setting.say(f"pulled data and run cache from {setting.remote.shown}")


def settle_state(setting: Setting) -> str:
    """The present state's id; what waits to be accepted becomes its input, if it is a new state anyway.

    A registry that is away must not keep a schedule from training. Then nobody knows here whether the
    champion that brought it was taken back, and it is accepted as if not.
    """
    root = setting.root
    state, waiting = read_state(root).id, acceptance.read_waiting(root)
    if waiting is None or waiting == state or Change(root, state).is_held_by("HEAD"):
        return state
    try:
        withdrawn = is_taken_back(root, setting.store, waiting)
    except StoreAway as away:
        setting.say(f"{away} Whether its model was taken back meanwhile is not known: taken for not.")
        withdrawn = False
    if withdrawn:
        acceptance.forget(root)
        setting.say(f"the data version of state {waiting[:12]} is not accepted: its model was taken back")
        return state
    acceptance.take_up(root)
    setting.say(f"the data version of state {waiting[:12]} is accepted now")
    return read_state(root).id


def find_change(setting: Setting, change: Change) -> str | None:
    """Where the finished change of the state stands; an origin that is away is told and waited for."""
    try:
        return change.find()
    except ChangeFault as fault:
        setting.say(f"{fault} The change will be sent when it answers.")
        return None


def leave(setting: Setting, change: Change, where: str) -> int:
    """Nothing new: say so, and see to it that people were asked to merge."""
    setting.say(f"nothing new: the change of state {change.state[:12]} is in {where}")
    if where != "HEAD":
        commit = change.find_sent() if has_origin(setting.root) else None
        setting.say(ask_to_merge(change, commit or change.ref))
    return DONE


def say_stale(root: Path) -> str:
    """Which stages have to run, and why."""
    params = read_yaml(root / PARAMS)
    stale = find_stale(read_pipeline(root, params), read_lock(root), params, Digests(root))
    return "; ".join(f"{stage} ({why})" for stage, why in stale.items()) or "every stage is up to date"


def run_pipeline(setting: Setting, state: str, lock: int) -> None:
    """`dvc repro`; raises Stopped where it does not reach its end, and writes the report of that."""
    root = setting.root
    words = ["dvc", "repro", *(["--pull"] if setting.remote else [])]
    setting.say(" ".join(words))
    status = show(root, *words, keep_open=(lock,))
    if status:
        stopped = find_stopped(state_folder(root, state))
        if stopped is None:
            raise Stopped(f"`dvc repro` ended with status {status}: what it said stands above.")
        write_stopped(root, state, stopped)
        raise Stopped(
            f"stopped in {stopped.stage}: {stopped.message.strip().splitlines()[0]} Nothing was promoted. "
            f"The findings stand in {REPORT.as_posix()}; put it right, and the next run goes on from there."
        )
    if read_state(root).id != state:
        raise Moved("params.yaml, code or pictures were changed while the pipeline ran: run this again.")


def finish(setting: Setting, change: Change) -> int:
    """Judge, report, push, open the change."""
    root, say = setting.root, setting.say
    inputs = change.keep_inputs(setting.inputs)
    try:
        verdict = take_verdict(root, setting.store)
    except (StoreAway, RegistryFault, Contended) as away:
        say(f"{away} What was trained stands: the next run registers and judges it.")
        share(setting)
        return FAILED
    say(f"version {verdict.number} of {verdict.model}: {verdict.outcome}. {verdict.why}")
    if verdict.is_champion and acceptance.accept_later(root, change.state):
        say("its data version is what the next one is held against")
    write_report(
        root, change.state, verdict, read_params(root / PARAMS).model.task, read_pictures(root).counts
    )
    say(f"report: {REPORT.as_posix()}")
    if not share(setting):
        return FAILED
    return open_change(setting, change, inputs, verdict)


def share(setting: Setting) -> bool:
    """Push data and run cache; says so, or why not."""
    if setting.remote is None:
        setting.say("no default DVC remote: data and models stay on this machine")
        return True
    try:
        push(setting.root, setting.remote)
    except (RemoteAway, ProgramFailed) as away:
        setting.say(f"{away} What was decided stands; the next run pushes it and opens the change.")
        return False
    setting.say(f"pushed data and run cache to {setting.remote.shown}")
    return True


def open_change(setting: Setting, change: Change, inputs: str, verdict: Verdict) -> int:
    """Commit the results on the state's branch, send it, ask people to merge it."""
    message = f"Retraining {change.state[:12]}: {verdict.outcome}"
    commit = change.keep_results(inputs, setting.results, message)
    setting.say(f"commit {commit[:12]} on {change.branch}")
    if has_origin(setting.root):
        change.send()
    setting.say(ask_to_merge(change, commit))
    return DONE


def preview(root: Path, store: Store | None = None) -> Iterator[str]:
    """What `retrain` would do by what is here, without asking anybody; nothing is written."""
    demand_repository(root)
    setting = open_setting(root, print, store)
    state, waiting = read_state(root).id, acceptance.read_waiting(root)
    remote = setting.remote
    yield f"would pull from and push to {remote.shown}" if remote else "no default DVC remote"
    if setting.weights:
        yield f"would bring the weights of {', '.join(path.as_posix() for path in setting.weights)}"
    if setting.tracked is not None:
        yield f"would bring the pictures of {setting.tracked.as_posix()} up to date"
    if others := list_foreign(setting):
        yield f"would stop: HEAD does not hold {', '.join(others)}"
    change = Change(root, state)
    for place in ("HEAD", change.ref, f"refs/remotes/origin/{change.branch}"):
        if change.is_held_by(place) if place == "HEAD" else change.is_open_in(place):
            yield f"nothing new by what is here: the change of state {state[:12]} is in {place}"
            return
    if waiting not in (None, state):
        yield (
            f"would accept the data version of state {str(waiting)[:12]} first, unless its model was taken "
            "back: another state than this"
        )
    yield f"state {state[:12]} is new: {say_stale(root)}"
    yield f"would run `dvc repro`, and judge the model with MLflow at {setting.store.shown}"
    yield f"would open the change {change.branch}{' of origin' if has_origin(root) else ', a local branch'}"
