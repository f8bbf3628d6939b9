"""SIGKILL at random moments of `make retrain`, and what must be the same after the next run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from project_copy import TrialFailure
from retrain_world import Trial, World, fill, succeed


def kill(trial: Trial) -> Iterator[str]:
    """SIGKILL of the whole group at random moments of a schedule: the next run ends as an undisturbed one."""
    fill(trial.bucket, trial.photos[: Trial.FEW], shuffle=1)
    before = World.make(trial.place / "kill" / "before", trial.bucket)
    succeed(before)
    fill(trial.bucket, trial.photos)
    calm, start = before.twin("calm"), time.monotonic()
    succeed(calm)
    seconds, end = time.monotonic() - start, look(calm)
    yield f"undisturbed: {seconds:.0f} s, {end['ledger'][-1][1]}, lock of {len(calm.copy.lock)} bytes"
    for number in range(1, trial.kills + 1):
        world = before.twin(f"killed-{number}")
        moment = trial.random.uniform(0.02, 0.98) * seconds
        told = kill_at(world, moment, trial.place / f"kill-{number}.log")
        succeed(world)
        now = look(world)
        if wrong := [key for key in end if now[key] != end[key]]:
            shown = {key: (end[key], now[key]) for key in wrong}
            raise TrialFailure(f"killed after {moment:.1f} s ({told}), it ends otherwise: {shown}"[:3000])
        yield f"killed after {moment:.1f} s ({told}): same lock, network, ledger, registry, change"
        shutil.rmtree(world.place)


def kill_at(world: World, moment: float, log: Path) -> str:
    """Start a retraining, kill its group after so many seconds; says what it was at."""
    process = world.start(log)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(1.0)  # its processes give their memory and locks back
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:70] if lines else "before it said anything"
    return "it was over by then"


def look(world: World) -> dict[str, Any]:
    """What must be the same, however often a schedule was killed."""
    told = world.registered()
    listed = world.copy.run("git", "ls-tree", "-r", find_newest(world)).splitlines()
    kept = [line for line in listed if not line.endswith(("reports/ledger.md", "reports/retrain.md"))]
    return {
        "lock": world.copy.lock,
        "registry": told,
        "ledger": world.rows(),
        "changes": sorted(world.branches()),
        "change": kept,
    }


def find_newest(world: World) -> str:
    """The change that was committed last."""
    order = ("--sort=-committerdate", "--format=%(refname:short)")
    return world.copy.run("git", "for-each-ref", *order, "refs/heads/retrain").split()[0]
