"""Retrains on a schedule in a small world of its own, and disturbs it: does it end as it must?

python tools/retrain_trial.py              all rows, some ten minutes
python tools/retrain_trial.py kill         SIGKILL alone; --kills 20 for the full proof
python tools/retrain_trial.py --keep       the worlds stay for a look

The world: pictures that come from a bucket, a DVC remote, a bare git origin, an MLflow server on 127.0.0.1.
The first champion learned from random labels, so that it is weak, honestly. Prints a line for every thing
that holds; the exit status is 1 where one does not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kills import count_saved, last_execution, list_journals, say_resumed
from project_copy import DVC, ProjectCopy, TrialFailure, stages_run
from retrain_kills import find_newest, kill
from retrain_world import MODEL, PULL, RETRAIN, Server, Trial, World, fail, fill, say_last, succeed

SOME = 130  # pictures in the bucket when worse ones came in
STAGES = 7
CAREFUL = "unshare", "--mount", "sh", "-c"
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && exec "$@"'


def story(trial: Trial) -> Iterator[str]:
    """First champion, nothing new, bad data, worse data, kill, two at once, servers away, better data."""
    server = Server(trial.place / "server")
    server.start()
    try:
        fill(trial.bucket, trial.photos[: Trial.FEW], shuffle=1)
        world = World.make(trial.place / "story" / "world", trial.bucket, server.address)
        for part in (first, nothing, stopped, worse, away, unreachable, merged, followed, read_only):
            for line in part(trial, world, server):
                yield f"{part.__name__}: {line}"
    finally:
        server.stop()


def first(_trial: Trial, world: World, _server: Server) -> Iterator[str]:
    """The first run makes a champion, and touches neither HEAD nor index nor a branch of the user's."""
    before = read_git(world)
    said = succeed(world)
    if len(stages_run(said)) != STAGES or "promoted: first champion" not in said:
        raise TrialFailure(f"the first run must run all stages and make a champion. It said:\n{said}")
    if read_git(world) != before:
        raise TrialFailure(f"HEAD, branch or index changed: {before} to {read_git(world)}")
    (branch,) = world.branches()
    held = world.copy.run("git", "ls-tree", "-r", "--name-only", f"refs/heads/{branch}").splitlines()
    wanted = ["dvc.lock", "reports/ledger.md", "reports/retrain.md", "reports/retrain/scores.svg"]
    if missing := [name for name in wanted if name not in held]:
        raise TrialFailure(f"the change {branch} lacks {', '.join(missing)}")
    yield f"{say_last(said, 'version 1')}; {branch} on origin, HEAD and index untouched"
    left = world.copy.run("git", "ls-remote", "--heads", "origin").splitlines()
    yield f"origin has {len(left)} branches"


def nothing(_trial: Trial, world: World, _server: Server) -> Iterator[str]:
    """A second one with nothing new stops early, green."""
    known, start = world.registered(), time.monotonic()
    said = succeed(world)
    if stages_run(said) or "nothing new" not in said or world.registered() != known:
        raise TrialFailure(f"with nothing new it must stop early. It said:\n{said}")
    yield f"{say_last(said, 'nothing new')} ({time.monotonic() - start:.0f} s)"


def stopped(trial: Trial, world: World, _server: Server) -> Iterator[str]:
    """Bad data: the guard stops it, and the report names the finding."""
    known = world.registered()
    fill(trial.bucket, trial.photos[: Trial.FEW], shuffle=1)
    for path in sorted((trial.bucket / "roses").iterdir())[:6]:
        path.write_bytes(path.read_bytes()[:200])
    said = fail(world)
    report = (world.root / "reports/retrain.md").read_text(encoding="utf-8")
    if "quarantined_share" not in report or "stopped in download" not in said or world.registered() != known:
        raise TrialFailure(f"cut off pictures must be told in the report:\n{said}\n{report}")
    yield f"{say_last(said, 'stopped in')[:120]}...; quarantined_share in the report, champion as before"


def worse(trial: Trial, world: World, _server: Server) -> Iterator[str]:
    """More pictures with random labels, killed in the middle, two at once: not promoted."""
    known = world.registered()
    fill(trial.bucket, trial.photos[:SOME], shuffle=2)
    log = trial.place / "worse.log"
    process = world.start(log)
    await_epoch(process, world.copy, "fine_tune", 2, log)
    os.killpg(process.pid, signal.SIGSTOP)  # on a slow machine it would be done before the other has looked
    other = succeed(world)
    if "another retraining is at work here" not in other or stages_run(other):
        raise TrialFailure(f"of two at once one must leave. It said:\n{other}")
    yield f"two at once: {say_last(other, 'another retraining')}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    await_death(world.copy, "fine_tune")
    saved = count_saved(world.copy, "fine_tune")
    said = succeed(world)
    if (resumed := say_resumed(world.copy, "fine_tune")) == "started over" or "refused:" not in said:
        raise TrialFailure(f"killed after {saved} epochs, it {resumed}. It said:\n{said}")
    now = world.registered()
    if (now["champion"], now["versions"]) != (known["champion"], "2"):
        raise TrialFailure(f"worse data changed the champion, or were registered twice: {known} to {now}")
    yield f"killed with {saved} epochs saved: {resumed}; {say_last(said, 'version 2')[:150]}"


def away(trial: Trial, world: World, server: Server) -> Iterator[str]:
    """New good pictures; the MLflow server dies while they are learned, and stays away for a while."""
    fill(trial.bucket, trial.photos)
    log = trial.place / "away.log"
    process = world.start(log)
    await_epoch(process, world.copy, "fine_tune", 1, log)
    server.stop()
    if process.wait() == 0 or "What was trained stands" not in (said := log.read_text(errors="replace")):
        raise TrialFailure(f"without a server it must train to the end and say so:\n{log.read_text()}")
    yield f"it died during the training: {say_last(said, 'What was trained stands')[:150]}"
    said = fail(world)
    if stages_run(said) or "What was trained stands" not in said:
        raise TrialFailure(f"without a server nothing is left to run:\n{said}")
    yield "away from the start: nothing runs again, told in a sentence"
    server.start()


def unreachable(_trial: Trial, world: World, _server: Server) -> Iterator[str]:
    """DVC's remote away at the pull, then at the push; then all is well, and nothing was done twice."""
    known, hidden = world.registered(), world.shelf.with_name("hidden")
    world.shelf.rename(hidden)
    said = fail(world)
    if "is no folder here" not in said or world.registered() != known:
        raise TrialFailure(f"without DVC's remote nothing must change:\n{said}")
    yield "no remote to pull from: told, nothing changed"
    hidden.rename(world.shelf)
    (world.shelf / "files").rename(hidden)
    (world.shelf / "files").write_text("in the way of a push\n")
    said = fail(world)
    now, branches = world.registered(), world.branches()
    if "promoted: better" not in said or now["champion"] != "3" or len(branches) != 2:
        raise TrialFailure(f"good pictures must be promoted though nothing can be pushed: {now}\n{said}")
    yield f"{say_last(said, 'version 3')[:200]}; not pushed, no change opened"
    (world.shelf / "files").unlink()
    hidden.rename(world.shelf / "files")
    said = succeed(world)
    verdicts = [row[1] for row in world.rows()]
    if stages_run(said) or world.registered() != now or len(world.branches()) != 3:
        raise TrialFailure(f"the next run must push and open the change, and no more:\n{said}")
    if verdicts.count("promoted: better") != 1 or len(verdicts) != 3:
        raise TrialFailure(f"the ledger must hold each decision once: {verdicts}")
    yield f"the next run pushed and opened the change; versions {now['versions']}, ledger {verdicts}"


def merged(_trial: Trial, world: World, _server: Server) -> Iterator[str]:
    """The change merged and its branch deleted: a fresh clone has nothing to do, and reproduces it."""
    branch = find_newest(world)
    world.copy.run("git", "push", "--quiet", "origin", f"refs/heads/{branch}:refs/heads/main", f":{branch}")
    clone = World(world.place.with_name("clone"), world.store)
    clone.place.mkdir()
    world.copy.run("git", "clone", "--quiet", "--branch", "main", "../origin.git", str(clone.root))
    clone.shelf.symlink_to(world.shelf)
    clone.ready()
    said = succeed(clone)
    if stages_run(said) or "is in HEAD" not in said:
        raise TrialFailure(f"a clone of the merged change must have nothing to do:\n{said}")
    yield f"in a fresh clone: {say_last(said, 'nothing new')}"
    clone.copy.run(*DVC, "pull")
    if ran := stages_run(clone.copy.repro(**clone.environment())):
        raise TrialFailure(f"in the clone `dvc repro` ran {', '.join(ran)}")
    told = clone.glasshouse("lineage", f"models:/{MODEL}@champion")
    if "does not hold" in told:
        raise TrialFailure(f"the champion's commit must hold what it was made from:\n{told}")
    yield "`dvc repro` runs nothing there; the champion's commit holds what it was made from"
    yield clone.glasshouse("lineage", f"models:/{MODEL}@champion", "--verify").splitlines()[-1]


def followed(trial: Trial, world: World, _server: Server) -> Iterator[str]:
    """The folder that made the merged change goes on: `make pull && make retrain`, as a schedule does."""
    said = world.copy.run(*PULL) + succeed(world)
    left = world.copy.run("git", "status", "--porcelain") + world.copy.run("git", "stash", "list")
    if stages_run(said) or "is in HEAD" not in said or left:
        raise TrialFailure(f"after the merge of its change it must have nothing to do:\n{said}\n{left}")
    yield f"{say_last(said, 'pulled up to')}; {say_last(said, 'nothing new')}"
    fill(trial.bucket, trial.photos[:-2])
    said = world.copy.run(*PULL) + succeed(world)
    branch = find_newest(world)
    if not stages_run(said) or branch not in said:
        raise TrialFailure(f"new pictures must lead to a change again:\n{said}")
    yield f"new pictures: {say_last(said, 'version 4')[:150]}"
    world.copy.run("git", "push", "--quiet", "origin", f"refs/heads/{branch}:refs/heads/main")
    said = world.copy.run(*PULL) + succeed(world)
    if stages_run(said) or "is in HEAD" not in said or world.copy.run("git", "status", "--porcelain"):
        raise TrialFailure(f"merged once more, it must have nothing to do:\n{said}")
    yield f"merged once more: {say_last(said, 'nothing new')}"


def read_only(trial: Trial, world: World, _server: Server) -> Iterator[str]:
    """A disk that is mounted read-only: a sentence, and nothing was changed."""
    known = world.registered()
    fill(trial.bucket, trial.photos[:-1])
    command = (*CAREFUL, READ_ONLY, str(world.root), *RETRAIN)
    probe = subprocess.run([*CAREFUL, READ_ONLY, str(world.root), "true"], capture_output=True, check=False)
    if probe.returncode:
        yield "SKIPPED: mounting in a namespace of its own is not allowed here"
        return
    done = world.copy.attempt(*command, **world.environment())
    if done.returncode == 0 or "Traceback" in done.stdout or "cannot be written" not in done.stdout:
        raise TrialFailure(f"a read-only disk must be told in a sentence:\n{done.stdout}")
    if world.registered() != known:
        raise TrialFailure("a run on a read-only disk changed the registry")
    yield say_last(done.stdout, "cannot be written")


ROWS: dict[str, Callable[[Trial], Iterator[str]]] = {"story": story, "kill": kill}


def read_git(world: World) -> tuple[str, ...]:
    """HEAD, its branch, the index."""
    asked = (("rev-parse", "HEAD"), ("symbolic-ref", "HEAD"), ("ls-files", "--stage"))
    return tuple(world.copy.run("git", *words) for words in asked)


def await_epoch(
    process: subprocess.Popen[bytes], copy: ProjectCopy, stage: str, epoch: int, log: Path
) -> None:
    """Wait until the stage has begun and saved so many epochs."""
    known = len(list_journals(copy, stage))
    while len(list_journals(copy, stage)) == known or count_saved(copy, stage) < epoch:
        if process.poll() is not None:
            raise TrialFailure(f"it ended before {stage} came to epoch {epoch}:\n{log.read_text()[-4000:]}")
        time.sleep(0.02)


def await_death(copy: ProjectCopy, stage: str) -> None:
    """Wait until the killed stage's lock is free."""
    deadline = time.monotonic() + 20
    while last_execution(copy, stage).status == "running":
        if time.monotonic() > deadline:
            raise TrialFailure(f"{stage} runs on though its process group was killed")
        time.sleep(0.02)


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="default: all")
    parser.add_argument("--seed", type=int, default=7, help="of the moments (default: 7)")
    parser.add_argument("--kills", type=int, default=3, help="moments (default: 3)")
    parser.add_argument("--keep", action="store_true", help="leave the worlds")
    asked: Any = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="glasshouse-retrain-"))
    start, failed = time.monotonic(), 0
    try:
        trial = Trial(place, asked.seed, asked.kills)
        for name in asked.rows or ROWS:
            try:
                for line in ROWS[name](trial):
                    print(f"{time.monotonic() - start:5.0f} s  {name}: {line}", flush=True)
                print(f"PASS  {name}: {ROWS[name].__doc__}", flush=True)
            except TrialFailure as failure:
                failed += 1
                print(f"{time.monotonic() - start:5.0f} s  {name}: {failure}\nFAIL  {name}", flush=True)
    finally:
        if asked.keep:
            print(f"the worlds are in {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
