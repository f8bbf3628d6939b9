"""Follows what `glasshouse lineage` prints, in a fresh clone on a tiny set: are the bytes the same?

python tools/lineage_trial.py          some two minutes
python tools/lineage_trial.py --keep   source and clone stay for a look
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from project_copy import GLASSHOUSE, TINY, ProjectCopy, TrialFailure, stages_run

SETUP = "make setup"  # the environment is the one that this runs in
ANY_FLOOR = {"promotion.class_floor": 0.0}  # so little training teaches some classes nothing


def main() -> int:
    """Status 1 where a command fails or a byte differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", action="store_true", help="leave the copies")
    asked = parser.parse_args()
    place, start = Path(tempfile.mkdtemp(prefix="glasshouse-lineage-")), time.monotonic()
    try:
        for line in follow(place):
            print(f"lineage: {time.monotonic() - start:4.0f} s  {line}", flush=True)
    except TrialFailure as error:
        print(f"lineage: {error}", file=sys.stderr)
        return 1
    finally:
        if asked.keep:
            print(f"lineage: the copies are in {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)
    return 0


def follow(place: Path) -> Iterator[str]:
    """Make a champion, ask where it comes from, do what is said; tells each thing that holds."""
    source = ProjectCopy.make(place / "source", {**TINY, **ANY_FLOOR})
    source.repro()
    yield source.run(*GLASSHOUSE, "promote").splitlines()[0]
    commands = read_commands(source.run(*GLASSHOUSE, "lineage"))
    (name,) = (words[-1] for words in map(str.split, commands) if words[0] == "cd")
    clone = ProjectCopy(place / "followed" / name)
    said = run_commands(commands, clone)
    ran = stages_run(said)
    if len(ran) != len(source.read("dvc.yaml")["stages"]):
        raise TrialFailure(f"the clone must run every stage itself. It ran {', '.join(ran) or 'none'}.")
    if clone.lock != source.lock:
        raise TrialFailure("dvc.lock of the clone differs from that of the source")
    yield f"cloned, ran {len(ran)} stages: {said.splitlines()[-1]}"
    (clone.folder / "exports/model.onnx").write_bytes(b"another")
    done = subprocess.run(
        commands[-1], shell=True, cwd=clone.folder, env=clone.environment(), capture_output=True, text=True
    )
    if done.returncode != 3 or "exports/model.onnx is not the one" not in done.stdout:
        raise TrialFailure(
            f"a changed file must be told with status 3. Got {done.returncode}:\n{done.stdout}"
        )
    yield "a changed export is told"


def read_commands(shown: str) -> list[str]:
    """The lines below `reproduce`, less the set-up."""
    lines = shown.partition("\nreproduce\n")[2].splitlines()
    commands = [line.strip() for line in lines if not line.strip().startswith(SETUP)]
    if len(commands) != len(lines) - 1:
        raise TrialFailure(f"the commands must hold one `{SETUP}`. Got instead:\n{shown}")
    return commands


def run_commands(commands: list[str], clone: ProjectCopy) -> str:
    """Run them in one shell, as a person would, in an empty folder; what they print."""
    clone.folder.parent.mkdir()
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(commands)],
        cwd=clone.folder.parent,
        env=clone.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise TrialFailure(f"the commands ended with status {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
