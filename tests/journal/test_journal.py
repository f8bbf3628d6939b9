from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.journal.journal import (
    Epoch,
    Execution,
    Journal,
    check_metrics,
    list_stages,
    list_states,
    merge_epochs,
    read_about,
    read_execution,
    read_executions,
    state_folder,
    write_about,
)

NAMES = st.text("abcÄ_-./ 01@", max_size=8)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def test_an_execution_reads_back_as_written(tmp_path: Path) -> None:
    with Journal(tmp_path, "train_head", {"commit": "abc"}) as journal:
        assert read_execution(journal.path).status == "running"
        journal.resumed(3)
        journal.epoch(4, {"loss": 0.25, "valid/mAP_50": 1})
        journal.guard(passed=True)
        journal.metrics({"test": {"mAP_50": 0.5}})
        journal.phase("work", 2.0)
        journal.phase("work", 1.0)
        journal.phase("guard", 0.1234)
        journal.end("ok")
    execution = read_execution(journal.path)
    assert (execution.number, execution.status, execution.resumed_from) == (1, "ok", 3)
    assert execution.about["commit"] == "abc"
    assert [(epoch.step, epoch.metrics) for epoch in execution.epochs] == [
        (4, {"loss": 0.25, "valid/mAP_50": 1.0})
    ]
    assert execution.phases == {"work": 3.0, "guard": 0.1234}
    assert execution.seconds == 3.1234
    assert execution.metrics == {"test": {"mAP_50": 0.5}}


def test_every_execution_has_a_file_of_its_own(tmp_path: Path) -> None:
    for number in range(1, 12):
        with Journal(tmp_path, "split", {}) as journal:
            journal.end("ok")
        assert journal.path == tmp_path / "split" / f"{number}.jsonl"
    assert [execution.number for execution in read_executions(tmp_path, "split")] == list(
        range(1, 12)
    )  # not 1, 10, 11


def test_a_killed_execution_has_no_end(
    tmp_path: Path, killed: Callable[[str, dict[int, float]], Path]
) -> None:
    execution = read_execution(killed("train_head", {1: 2.0, 2: 1.5}))
    assert (execution.status, execution.end, len(execution.epochs)) == ("killed", None, 2)


def test_an_execution_that_was_cut_off_took_from_its_first_row_to_its_last(tmp_path: Path) -> None:
    start, epoch = '{"row": "start", "time": 100.0}', '{"row": "epoch", "step": 1, "metrics": {}, "time": '
    (tmp_path / "1.jsonl").write_text(f"{start}\n{epoch}107.5}}\n{epoch}112.25}}\n")
    assert read_execution(tmp_path / "1.jsonl").seconds == 12.25


def test_reading_its_own_journal_keeps_a_process_alive_to_others(
    tmp_path: Path, run_python: Callable[..., Any]
) -> None:
    """POSIX locks vanish when a process closes any descriptor of the file: it must not touch its own."""
    code = "import sys; from pathlib import Path; from glasshouse.journal.journal import read_execution; "
    code += "print(read_execution(Path(sys.argv[1])).status)"
    with Journal(tmp_path, "split", {}) as journal:
        assert read_execution(journal.path).status == "running"
        answer = run_python("-c", code, str(journal.path), cwd=tmp_path)
    assert answer.stdout.strip() == "running", answer.stderr


@pytest.mark.parametrize(
    "torn", ['{"row": "epo', '{"row": "epoch", "time": 1, "step": 2, "metrics": {}}', "\0\0\0\0", "\0\0\0\n"]
)
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: str) -> None:
    with Journal(tmp_path, "train_head", {}) as journal:
        journal.epoch(1, {"loss": 1.0})
    with journal.path.open("a") as stream:
        stream.write(torn)
    assert [epoch.step for epoch in read_execution(journal.path).epochs] == [1]


def test_a_broken_line_in_the_middle_is_a_fault(tmp_path: Path) -> None:
    with Journal(tmp_path, "train_head", {}) as journal:
        journal._stream.write("nonsense\n")
        journal.epoch(1, {"loss": 1.0})
    with pytest.raises(ValueError, match=r"1\.jsonl, line 2: no valid journal row"):
        read_execution(journal.path)


def test_a_row_of_a_newer_version_is_a_fault(tmp_path: Path) -> None:
    with Journal(tmp_path, "train_head", {}) as journal:
        journal._write("telemetry")
    with pytest.raises(ValueError, match="unknown kind 'telemetry'"):
        read_execution(journal.path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_not_finite_is_refused_with_a_sentence(tmp_path: Path, value: float) -> None:
    with (
        Journal(tmp_path, "train_head", {}) as journal,
        pytest.raises(
            ValueError, match=r"train_head, epoch 3: loss must be a finite number\. Got (nan|-?inf) instead"
        ),
    ):
        journal.epoch(3, {"loss": value})
    assert read_execution(journal.path).epochs == []


def test_a_score_that_is_not_finite_is_refused_with_its_key(tmp_path: Path) -> None:
    scores = {"test": {"mAP_50": 0.5, "per_class": {"a": {"AP": None}}, "ci95": {"mAP_50": [0.4, math.nan]}}}
    with (
        Journal(tmp_path, "evaluate", {}) as journal,
        pytest.raises(ValueError, match=r"evaluate: the score test\.ci95\.mAP_50 must be a finite number"),
    ):
        journal.metrics(scores)


@pytest.mark.parametrize(
    "name", ["mAP@50", "mAP[.5:.95]", "", "a\nb", "a,b", "/a", "a/", "a//b", ".", "../a"]
)
def test_a_name_that_mlflow_refuses_is_refused_here(name: str) -> None:
    with pytest.raises(ValueError, match="the metric name"):
        check_metrics({name: 1.0}, "here")


@settings(deadline=None)  # the first import of MLflow
@given(NAMES, FINITE)
def test_what_passes_here_passes_mlflow_and_stays_exact(name: str, value: float) -> None:
    from mlflow.utils.validation import _validate_metric_name

    try:
        assert check_metrics({name: value}, "here") == {name: value}
    except ValueError:
        return
    _validate_metric_name(name)


def _execution(number: int, losses: dict[int, float]) -> Execution:
    epochs = [Epoch(step, 100.0 * number + step, {"loss": loss}) for step, loss in losses.items()]
    return Execution(Path(f"{number}.jsonl"), number, epochs=epochs)


@pytest.mark.parametrize(
    ("losses", "curve"),
    [
        ([{1: 3.0, 2: 2.0}, {3: 1.0}], [(1, 3.0, 101.0), (2, 2.0, 102.0), (3, 1.0, 203.0)]),  # resumed
        (
            [{1: 3.0, 2: 2.0}, {1: 3.0, 2: 2.0}],
            [(1, 3.0, 101.0), (2, 2.0, 102.0)],
        ),  # forced: first times stay
        (
            [{1: 3.0, 2: 2.0}, {1: 3.0, 2: 2.5}],
            [(1, 3.0, 101.0), (2, 2.5, 202.0)],
        ),  # differs: the later stands
        ([{}, {}], []),
    ],
)
def test_executions_make_one_curve(losses: list[dict[int, float]], curve: list[Any]) -> None:
    merged = merge_epochs([_execution(number, rows) for number, rows in enumerate(losses, start=1)])
    assert [(epoch.step, epoch.metrics["loss"], epoch.time) for epoch in merged] == curve


def test_the_page_of_a_state_is_written_once(tmp_path: Path) -> None:
    """MLflow's run was made of the first one; a folder is known by 16 digits of the state."""
    folder = state_folder(tmp_path, "0123456789abcdef" * 4)
    assert folder == tmp_path / ".glasshouse/journal/0123456789abcdef"
    for time in (1, 2):
        write_about(folder, {"time": time})
    assert read_about(folder) == {"time": 1}


def test_an_empty_page_of_a_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").touch()
    with pytest.raises(ValueError, match=r"state\.json: no valid page of a state .* Remove the file\."):
        read_about(tmp_path)


def test_states_and_stages_are_listed_in_the_order_they_began(tmp_path: Path) -> None:
    for time, state in enumerate(("b", "a")):
        folder = tmp_path / ".glasshouse/journal" / state
        write_about(folder, {"state": state})
        os.utime(folder / "state.json", (time, time))
        for stage in ("split", "download"):
            Journal(folder, stage, {}).close()
    assert [folder.name for folder in list_states(tmp_path)] == ["b", "a"]
    assert list_stages(list_states(tmp_path)[0]) == ["split", "download"]
    assert list_stages(tmp_path / "nowhere") == []
