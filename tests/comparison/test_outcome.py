from __future__ import annotations

from typing import Any

import pytest

from glasshouse.comparison.measured import find_training, note_peak, note_trainings
from glasshouse.comparison.outcome import find_reason, list_sound, say_progress
from glasshouse.comparison.processes import Ended
from glasshouse.journal.journal import read_executions
from glasshouse.tracking.mirror import count_seconds

LOG = "Running stage 'download':\n> x\nRunning stage 'train_head':\n> y\n"
FAILED = Ended(255, 0, 1.0)


@pytest.mark.parametrize(
    ("log", "ended", "words"),
    [
        (f"{LOG}ERROR: failed to run: y, exited with -9\n", FAILED, "train_head was killed (signal 9): most"),
        (
            f"{LOG}ERROR: failed to run: y, exited with 137\n",
            FAILED,
            "train_head was killed (signal 9): most",
        ),
        (f"{LOG}ERROR: failed to run: y, exited with -11\n", FAILED, "train_head was killed (signal 11)."),
        (f"{LOG}ERROR: failed to run: y, exited with 130\n", FAILED, "failed to run: y, exited with 130"),
        ("", Ended(-9, 0, 1.0), "dvc repro was killed (signal 9): most likely the machine ran out of memory"),
        (f"{LOG}train_head: params.yaml has 1 fault\nERROR: failed\n", FAILED, "train_head: params.yaml has"),
        ("ERROR: 'dvc.yaml' is invalid.\n\nmore\n", FAILED, "dvc repro: 'dvc.yaml' is invalid."),
        ("", FAILED, "dvc repro failed and printed nothing"),
    ],
)
def test_reason_from_the_log(project: Any, log: str, ended: Ended, words: str) -> None:
    reason = find_reason(project.root, log, ended, began=0.0)
    assert reason.removeprefix("dvc repro: ").startswith(words.removeprefix("dvc repro: "))


def test_reason_from_the_journal_of_this_very_run(project: Any) -> None:
    with project.open("train_head") as journal:
        journal.end("failed", "NotFinite: epoch 2: loss is\nno finite number")
    began = read_executions(project.folder, "train_head")[0].start_time
    said = "train_head: NotFinite: epoch 2: loss is no finite number"
    assert find_reason(project.root, LOG, FAILED, began) == said
    assert find_reason(project.root, f"{LOG}the end\n", FAILED, began + 100) == "the end"
    with project.open("train_head") as journal:
        journal.end("failed", "x" * 500)
    assert len(find_reason(project.root, LOG, FAILED, began)) == 300


def test_progress() -> None:
    assert say_progress("") == "starting"
    assert say_progress(LOG) == "train_head"
    assert say_progress(f"Epoch 9/9\n{LOG}Epoch 1/6\n5/5 - 1s\nEpoch 2/6\n") == "train_head 2/6"
    assert say_progress(f"{LOG}Epoch 6/6\nRunning stage 'evaluate':\n") == "evaluate"


def test_scores_of_an_older_model_are_not_believed(project: Any) -> None:
    project.make_outputs()
    sound, stages = list_sound(project.root)
    assert sound == stages == {"download", "train_head", "evaluate", "export"}
    project.set("learning_rate: 2.0e-3", "learning_rate: 3.0e-3")
    assert list_sound(project.root)[0] == {"download"}
    project.make_outputs()
    project.write("reports/evaluate/metrics.json", "{}")
    assert list_sound(project.root)[0] == {"download", "train_head", "export"}


OUTS = {"train_head": "models/head.keras", "fine_tune": "models/model.keras"}


def lock(project: Any, **digests: str) -> None:
    stages = "".join(
        f"  {stage}:\n    cmd: x\n    outs: [{{path: {OUTS[stage]}, md5: {digest}}}]\n"
        for stage, digest in digests.items()
    )
    project.write("dvc.lock", f"stages:\n{stages}")


def test_a_cached_training_still_has_its_figures(project: Any, killed: Any) -> None:
    killed("fine_tune", {1: 2.0})
    note_peak(project.root, 700)
    project.execute("train_head")  # 2 s, by the journal's phases
    project.execute("fine_tune")
    lock(project, train_head="a1", fine_tune="b1")
    note_peak(project.root, 500)
    note_trainings(project.root)
    cut_off, last = read_executions(project.folder, "fine_tune")
    seconds = 2.0 + 2.0 + cut_off.seconds
    assert last.seconds == 2.0
    first = {"training_seconds": pytest.approx(seconds, abs=0.01), "peak_bytes": 700}
    assert find_training(project.root, project.root) == first
    # Of fine_tune: train_head comes from the cache.
    project.set("batch_norm: train ", "batch_norm: frozen ")
    project.execute("fine_tune")
    lock(project, train_head="a1", fine_tune="b2")
    note_peak(project.root, 900)
    note_trainings(project.root)
    assert find_training(project.root, project.root) == {"training_seconds": 4.0, "peak_bytes": 900}
    lock(project, train_head="a1", fine_tune="b1")  # back again, all from the cache
    assert find_training(project.root, project.root) == first
    lock(project, train_head="a2", fine_tune="b1")  # one of the two was measured
    assert find_training(project.root, project.root) == {"training_seconds": None, "peak_bytes": None}


def test_a_training_that_failed_is_not_the_one_whose_output_lies_there(project: Any) -> None:
    lock(project, train_head="a1", fine_tune="b1")
    project.execute("train_head")
    project.train("fine_tune", "failed", range(1, 4))
    note_peak(project.root, 700)
    note_trainings(project.root)
    assert find_training(project.root, project.root) == {"training_seconds": None, "peak_bytes": None}


def test_what_nobody_measured_is_not_known(project: Any) -> None:
    assert find_training(project.root, project.root) == {"training_seconds": None, "peak_bytes": None}
    lock(project, train_head="a1", fine_tune="b1")
    assert find_training(project.root, project.root) == {"training_seconds": None, "peak_bytes": None}


def test_seconds_of_the_projects_own_training(project: Any, make_project: Any, tmp_path: Any) -> None:
    (tmp_path / "copy").mkdir()
    copy = make_project(tmp_path / "copy")
    for each in (project, copy):
        lock(each, train_head="a1", fine_tune="b1")
    for stage in OUTS:
        project.execute(stage)
    assert find_training(copy.root, project.root) == {"training_seconds": 4.0, "peak_bytes": None}
    nothing = {"training_seconds": None, "peak_bytes": None}
    lock(copy, train_head="a1", fine_tune="b2")  # the project's own is another
    assert find_training(copy.root, project.root) == nothing
    lock(copy, train_head="a1", fine_tune="b1")
    project.train("fine_tune", "failed", range(1, 4))  # what lies there is of a training that nobody timed
    assert find_training(copy.root, project.root) == nothing


def test_a_second_training_is_not_the_firsts_time(project: Any) -> None:
    for _ in range(2):
        project.execute("fine_tune")
    assert count_seconds(read_executions(project.folder, "fine_tune")) == 2.0


def test_whatever_cut_a_training_off_its_epochs_count_where_they_were_taken_up(project: Any) -> None:
    """Those before a full disk did not: the leaderboard's training time was too short."""
    project.train("fine_tune", "failed", range(1, 4))
    project.train("fine_tune", "interrupted", range(0))  # before its first epoch
    project.train("fine_tune", "ok", range(4, 7), resumed=True)
    assert count_seconds(read_executions(project.folder, "fine_tune")) == 31 + 1 + 31


def test_epochs_that_were_trained_anew_do_not_count_twice(project: Any) -> None:
    project.train("fine_tune", "interrupted", range(1, 4))
    project.train("fine_tune", "ok", range(1, 7))
    assert count_seconds(read_executions(project.folder, "fine_tune")) == 61
