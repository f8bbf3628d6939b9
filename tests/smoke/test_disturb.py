from __future__ import annotations

import json
import random
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import disturb
import kills
import numpy as np
import pytest
from kills import Moment, Timeline
from project_copy import ProjectCopy, TrialFailure

TIMELINE = Timeline(epochs=4, to_first_epoch=10.0, epoch_seconds=0.5, from_last_epoch=3.0)


def test_locks_are_compared_to_the_byte() -> None:
    disturb.check_equal(b"a\nb\n", b"a\nb\n", "x")
    with pytest.raises(TrialFailure, match=r"x: dvc\.lock differs .*\n1: c \| b$"):
        disturb.check_equal(b"a\nc\n", b"a\nb\n", "x")
    with pytest.raises(TrialFailure, match="2 lines against 1"):
        disturb.check_equal(b"a\nb\n", b"a\n", "x")


def test_row_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(trial: disturb.Trial) -> Iterator[str]:
        """What it is about."""
        yield "a figure"
        raise TrialFailure("not so")

    monkeypatch.setitem(disturb.ROWS, "fail", fail)
    assert not disturb.run_row("fail", None)  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert "a figure" in said and "not so" in said and said.splitlines()[-1].startswith("FAIL  fail")


def test_every_row_says_what_it_is_about() -> None:
    assert [name for name, row in disturb.ROWS.items() if not row.__doc__] == []


def test_shuffled_copy_holds_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    for number in range(9):
        (folder / f"d{number % 3}").mkdir(parents=True, exist_ok=True)
        (folder / f"d{number % 3}/f{number}").write_text(str(number))
    shuffled = disturb.shuffle_files(ProjectCopy(folder), random.Random(1)).folder
    read = {
        place: {path.relative_to(place): path.read_text() for path in place.rglob("f*")}
        for place in (folder, shuffled)
    }
    assert read[folder] == read[shuffled] and len(read[folder]) == 9
    assert len({path.stat().st_mtime for path in shuffled.rglob("f*")}) == 9


def test_closed_port_is_closed() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", disturb.find_closed_port()), timeout=2)


def test_moments_are_spread_and_repeatable() -> None:
    moments = kills.draw_moments(random.Random(3), TIMELINE, 100)
    assert moments == kills.draw_moments(random.Random(3), TIMELINE, 100)
    kinds = [moments[kind::5] for kind in range(5)]
    assert all(moment.epoch == 0 and 0.5 <= moment.seconds <= 9.5 for moment in kinds[0])
    assert {moment.epoch for moment in kinds[1]} == {1, 2, 3}
    assert {moment.seconds for moment in kinds[1]} == {0.0}
    assert {moment.epoch for moment in kinds[2]} == {1, 2, 3}
    assert all(0.05 <= moment.seconds <= 0.45 for moment in kinds[2])
    assert set(kinds[3]) == {Moment(4, 0.0)}
    assert all(moment.epoch == 4 and 0.3 <= moment.seconds <= 2.7 for moment in kinds[4])


def test_saved_epochs_are_read_from_the_checkpoint(tmp_path: Path) -> None:
    copy = ProjectCopy(tmp_path)
    assert kills.count_saved(copy, "fine_tune") == 0
    path = tmp_path / ".glasshouse/checkpoints/fine_tune.npz"
    path.parent.mkdir(parents=True)
    note = json.dumps({"key": "k", "history": [{"epoch": 1}, {"epoch": 2}]})
    np.savez(path, note=np.frombuffer(note.encode(), np.uint8), v0=np.zeros(3))
    assert kills.count_saved(copy, "fine_tune") == 2


STAGE = """
import sys, time
from pathlib import Path
from glasshouse.journal.journal import Journal
with Journal(Path(".glasshouse/journal/state"), "grow", {}) as journal:
    journal.epoch(1, {"loss": 2.0})
    journal.epoch(2, {"loss": 1.0})
    journal.epoch(3, {"loss": 0.5})
    time.sleep(float(sys.argv[1]))
    journal.end("ok")
"""


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectCopy:
    """A copy whose `dvc repro grow` is a stage that sleeps, for 30 s or as `seconds` says."""
    folder = tmp_path / "copy"
    (folder / "src").mkdir(parents=True)
    (folder / "src/glasshouse").symlink_to(Path(__file__).parents[2] / "src/glasshouse")
    (folder / "stage.py").write_text(STAGE)
    monkeypatch.setattr(kills, "DVC", (sys.executable, "-c", RUNNER))
    return ProjectCopy(folder)


# As DVC does: the stage is a child, of the same process group.
RUNNER = (
    "import os, subprocess, sys; sys.exit(subprocess.call([sys.executable, 'stage.py', os.environ['SLEEP']]))"
)


def test_stage_is_killed_with_its_parent(copy: ProjectCopy) -> None:
    start = time.monotonic()
    told = kills.kill_during(copy, "grow", Moment(0, 0.2), SLEEP="30")
    assert told == "0.20 s after its start, 0 saved" and time.monotonic() - start < 20
    assert kills.last_execution(copy, "grow").status == "killed"
    assert kills.say_resumed(copy, "grow") == "started over"


def test_training_that_starts_over_with_epochs_saved_is_a_failure(copy: ProjectCopy) -> None:
    assert kills.kill_during(copy, "grow", Moment(0, 60.0), SLEEP="0") is None
    assert kills.check_resumed(copy, "grow", saved=0) == "started over"
    with pytest.raises(TrialFailure, match="grow started over though 2 epochs were saved"):
        kills.check_resumed(copy, "grow", saved=2)
    stage = copy.folder / "stage.py"
    stage.write_text(
        stage.read_text().replace("    journal.epoch(1", "    journal.resumed(2)\n    journal.epoch(1")
    )
    assert kills.kill_during(copy, "grow", Moment(0, 60.0), SLEEP="0") is None
    assert kills.check_resumed(copy, "grow", saved=2) == "resumed after epoch 2"


def test_finished_training_is_not_started_over(copy: ProjectCopy) -> None:
    """All epochs were in the checkpoint: none is left for the journal."""
    stage = copy.folder / "stage.py"
    stage.write_text("\n".join(line for line in STAGE.splitlines() if "journal.epoch" not in line))
    assert kills.kill_during(copy, "grow", Moment(0, 60.0), SLEEP="0") is None
    assert kills.say_resumed(copy, "grow") == "resumed after the last epoch"


def test_moment_after_the_end_is_none(copy: ProjectCopy) -> None:
    assert kills.kill_during(copy, "grow", Moment(0, 60.0), SLEEP="0") is None
    timeline = kills.read_timeline(copy, "grow")
    assert timeline.epochs == 3 and timeline.to_first_epoch >= 0 and timeline.from_last_epoch >= 0


def test_stage_that_fails_by_itself_is_no_kill(copy: ProjectCopy) -> None:
    with pytest.raises(TrialFailure, match=r"(?s)failed before it was killed.*ValueError"):
        kills.kill_during(copy, "grow", Moment(0, 60.0), SLEEP="no number")
