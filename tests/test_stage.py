from __future__ import annotations

import errno
import gc
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glasshouse.journal.digests import Digests
from glasshouse.journal.journal import Execution, read_executions
from glasshouse.stage import Clock, Stage, is_expected, say_fault, seconds_since_process_start, stage

SOURCES = Path(__file__).parents[1] / "src"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def script(project: Any, run_python: Run) -> Run:
    """Run a stage script with this body, without MLflow."""

    def run(body: str, name: str = "download", **environment: str) -> subprocess.CompletedProcess[str]:
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        project.write(
            "script.py", f"from glasshouse.stage import stage\nwith stage({name!r}) as run:\n{lines}\n"
        )
        return run_python("script.py", cwd=project.root, GLASSHOUSE_LIVE="0", **environment)

    return run


def _last(project: Any, name: str = "download") -> Execution:
    return read_executions(project.folder, name)[-1]


def test_a_stage_that_ends_well_prints_its_seconds(project: Any, script: Run) -> None:
    answer = script("import time\nwith run.phase('work'):\n    time.sleep(0.3)\nprint(run.params.seed)")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("7\ndownload: ")
    execution = _last(project)
    assert f"work {execution.phases['work']:.1f}" in answer.stdout
    assert execution.status == "ok"
    assert {"import", "work", "track", "other"} == set(execution.phases)
    assert 0.3 <= execution.phases["work"] < 10  # s
    assert execution.phases["import"] > 0.05  # the interpreter's own start


def test_what_ran_in_a_copy_that_dvc_takes_away_is_noted_in_the_project(
    project: Any, run_python: Run
) -> None:
    """`dvc exp run --temp` and `--queue`: their runs were in no MLflow."""
    project.write("script.py", "from glasshouse.stage import stage\nwith stage('download'): pass\n")
    copy, elsewhere = project.root / ".dvc/tmp/exps/standalone/tmp1", project.root.parent / "elsewhere"
    for place in (copy, elsewhere):
        shutil.copytree(project.root, place, ignore=shutil.ignore_patterns(".dvc"))
        run_python("script.py", cwd=place, GLASSHOUSE_LIVE="0", DVC_ROOT=str(project.root))
    assert _last(project).status == "ok"
    assert len(read_executions(project.folder, "download")) == 1
    assert not (copy / ".glasshouse/journal").exists()
    assert (elsewhere / ".glasshouse/journal").exists()


def test_trainings_note_the_machine_that_their_bytes_depend_on(project: Any, script: Run) -> None:
    script("pass", "train_head", TF_NUM_INTRAOP_THREADS="3")
    assert _last(project, "train_head").about["machine"]["threads"] == 3
    script("pass", "download", TF_NUM_INTRAOP_THREADS="3")
    assert "machine" not in _last(project).about


def test_faults_of_params_are_all_told_before_anything(project: Any, script: Run) -> None:
    project.set("seed: 7", "seed: seven")
    project.set("epochs: 6", "epoch: 6")
    answer = script("print('never')")
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert "seed" in answer.stderr
    assert "train_head.epochs" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (project.root / ".glasshouse").exists()


def test_a_severity_for_no_check_of_any_stage_is_told_before_the_first_one_works(
    project: Any, script: Run
) -> None:
    """The training would be done by the time its own stage came to `export`."""
    text = (project.root / "params.yaml").read_text()
    for stage_name, check in (("split", "no_such"), ("export", "latncy_ratio")):
        before, _, after = text.partition(f"\n  {stage_name}:\n    severity: {{}}")
        text = f"{before}\n  {stage_name}:\n    severity: {{{check}: warning}}{after}"
    project.write("params.yaml", text)
    answer = script("print('never')")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "quality.split.severity.no_such" in answer.stderr
    assert "quality.export.severity.latncy_ratio" in answer.stderr
    assert "Did you mean 'latency_ratio'" in answer.stderr and "Traceback" not in answer.stderr


EXPECTED = {
    "a room's own exception": (
        "from glasshouse.params import ParamsError\nraise ParamsError('x.yaml', [])",
        "download: x.yaml has 0 fault",
    ),
    "a ValueError that a room raises": (
        "from glasshouse.journal import journal\njournal.check_metrics({'loss': float('nan')}, 'epoch 3')",
        "download: epoch 3: loss must be a finite number",
    ),
    "a file that is missing": ("open('data/nothing')", "download: data/nothing: No such file or directory."),
    "a table that is missing": (
        "from glasshouse.tables.raw import read_raw\nfrom pathlib import Path\nread_raw(Path('data/raw'))",
        "download: data/raw/images.parquet is missing: run `dvc repro`.",
    ),
    "a shard that is missing": (
        "from glasshouse.tables.raw import *\nfrom pathlib import Path\nlist_shards(Path('data/raw'))",
        "download: data/raw: picture shard pictures-00000-of-00001.parquet is missing; run `dvc repro",
    ),
    "a folder where a file should be": ("open('.', 'w')", "download: .: Is a directory."),
    "too little memory": ("raise MemoryError", "memory ran out. End other programs; `dvc repro` goes"),
    "too little memory for TensorFlow": (
        "class ResourceExhaustedError(Exception): ...\nraise ResourceExhaustedError('OOM when allocating')",
        "download: memory ran out.",
    ),
    "a full disk": ("raise OSError(28, 'No space left', 'data/x')", "the disk is full while writing data/x"),
}


@pytest.mark.parametrize(("body", "message"), EXPECTED.values(), ids=list(EXPECTED))
def test_what_a_person_can_put_right_is_one_message(
    project: Any, script: Run, body: str, message: str
) -> None:
    answer = script(body)
    assert answer.returncode == 1
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
    execution = _last(project)
    assert execution.status == "failed"
    assert execution.end is not None
    assert "Traceback" in execution.end["traceback"]


def test_a_stage_with_batches_says_how_to_take_less_memory(project: Any, script: Run) -> None:
    answer = script("raise MemoryError", "train_head")
    assert answer.stderr == (
        "train_head: memory ran out. Lower train_head.batch_size in params.yaml, or end other programs; "
        "`dvc repro` goes on from here.\n"
    )


def test_an_output_that_nobody_reads_any_more_is_told(project: Any, script: Run) -> None:
    """As where a pager is left: the first print after that fails, and the journal is whole."""
    answer = script(
        "import os\nreader, writer = os.pipe()\nos.close(reader)\nos.dup2(writer, 1)\nprint(1, flush=True)"
    )
    assert answer.returncode != 0
    assert "download: what read the output (`| less`, `| head`) has ended." in answer.stderr
    assert "Traceback" not in answer.stderr and "journal" not in answer.stderr
    assert _last(project).status == "failed"


def test_streams_that_the_caller_closed_lead_nowhere(project: Any, script: Run) -> None:
    """And not into the file that is opened next: the journal would take the number of standard error."""
    script("import os, sys\nprint('x', file=sys.stderr, flush=True)\nos.write(2, b'from C')")
    command = f"{sys.executable} script.py 0<&- 1>&- 2>&-"
    environment = {**os.environ, "PYTHONPATH": os.fspath(SOURCES), "GLASSHOUSE_LIVE": "0"}
    done = subprocess.run(["sh", "-c", command], cwd=project.root, env=environment)
    assert done.returncode == 0
    assert _last(project).status == "ok"
    assert all(line.startswith("{") for line in _last(project).path.read_text().splitlines())


UNEXPECTED = {
    "a fault of the program": ("{}['x']", "KeyError"),
    "a ValueError of elsewhere": ("int('x')", "ValueError"),
    "a ValueError out of compiled code below a room": (
        "from glasshouse.journal.journal import check_metrics\ncheck_metrics({'loss': 'high'}, 'epoch 3')",
        "could not convert string to float",
    ),
}


@pytest.mark.parametrize(("body", "message"), UNEXPECTED.values(), ids=list(UNEXPECTED))
def test_a_fault_of_the_program_keeps_its_traceback(
    project: Any, script: Run, body: str, message: str
) -> None:
    answer = script(body)
    assert answer.returncode == 1
    assert "Traceback" in answer.stderr
    assert message in answer.stderr
    assert _last(project).status == "failed"


def test_ctrl_c_says_how_to_go_on(project: Any, script: Run) -> None:
    answer = script("raise KeyboardInterrupt")
    assert answer.returncode == 130
    assert answer.stderr == "download: stopped. `dvc repro` goes on from here.\n"
    assert _last(project).status == "interrupted"


@pytest.mark.parametrize("body", ["raise KeyboardInterrupt", "pass"], ids=["the second", "at the end"])
def test_ctrl_c_while_a_stage_closes_is_no_fault_of_the_program(project: Any, script: Run, body: str) -> None:
    impatient = "def again(self): raise KeyboardInterrupt\nrun.journal.__class__.close = again\n"
    answer = script(impatient + body)
    assert answer.returncode == 130
    assert answer.stderr == "download: stopped. `dvc repro` goes on from here.\n"


@pytest.mark.parametrize(("code", "status"), [("0", "ok"), ("3", "failed")])
def test_leaving_is_an_end(project: Any, script: Run, code: str, status: str) -> None:
    assert script(f"import sys; sys.exit({code})").returncode == int(code)
    assert _last(project).status == status


def test_epochs_come_to_the_journal_and_a_late_start_is_a_resumption(project: Any, script: Run) -> None:
    answer = script("run.epoch(3, {'epoch': 3, 'loss': 0.5})\nrun.epoch(4, {'loss': 0.4})", "train_head")
    assert answer.returncode == 0, answer.stderr
    execution = _last(project, "train_head")
    assert [(epoch.step, epoch.metrics) for epoch in execution.epochs] == [
        (3, {"loss": 0.5}),
        (4, {"loss": 0.4}),
    ]
    assert execution.resumed_from == 2


def test_an_epoch_lost_between_checkpoint_and_journal_comes_from_the_history(
    project: Any, script: Run
) -> None:
    rows = "[{'epoch': e, 'loss': 1 / e} for e in (1, 2, 3)]"
    script(f"run.epoch(1, {rows}[0])", "train_head")
    script(f"run.epoch(3, {rows}[2])\nrun.history({rows})", "train_head")
    steps = [[epoch.step for epoch in run.epochs] for run in read_executions(project.folder, "train_head")]
    assert steps == [[1], [3, 2]]
    assert _last(project, "train_head").resumed_from == 2


def test_identity_changes_with_declared_params_and_deps_alone(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLASSHOUSE_LIVE", "0")

    def identity() -> str:
        with stage("train_head", project.root) as run:
            return run.identity()

    ids = [identity()]
    project.set("nms_iou: 0.6", "nms_iou: 0.7")
    assert identity() == ids[0]
    for change in (
        lambda: project.set("variants: 3", "variants: 2"),
        lambda: project.write("src/room.py", "X = 2"),
    ):
        change()
        ids.append(identity())
    assert len(set(ids)) == 3


@pytest.mark.parametrize("critical", [False, True])
def test_the_guard_decides(
    project: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], critical: bool
) -> None:
    import glasshouse.quality.checking.guard as room
    from glasshouse.quality.checking.checks import GuardFailure, Verdict

    asked: list[Any] = []

    def guard(name: str, tables: Any, quality: Any, folder: Path) -> Verdict:
        asked.append((name, tables, quality.mode, folder))
        if critical:
            raise GuardFailure("download: 1 critical finding")
        return Verdict(name, "enforce", {}, ())

    monkeypatch.setattr(room, "guard", guard)
    tables: dict[str, Any] = {"images": None}
    try:
        with stage("download", project.root) as run:
            run.guard(tables)
    except SystemExit as leaving:
        assert (critical, leaving.code) == (True, 1)
        assert capsys.readouterr().err == "download: 1 critical finding\n"
    assert asked == [("download", tables, "enforce", project.root / "reports/quality")]
    execution = _last(project)
    assert execution.guard is not None
    assert (execution.guard["passed"], execution.status) == (not critical, "failed" if critical else "ok")


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let seconds pass that no other work of the machine makes longer."""
    now = 100.0

    def pass_(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    return pass_


def test_phases_exclude_one_another(pass_time: Callable[[float], None]) -> None:
    clock = Clock()
    pass_time(0.5)
    with clock.phase("work"):
        pass_time(1)
        with clock.phase("guard"):
            pass_time(2)
        pass_time(4)
    with clock.phase("work"):
        pass_time(8)
    clock.charge()
    assert clock.seconds == {"other": 0.5, "work": 1 + 4 + 8, "guard": 2}


def test_the_garbage_collector_rests_while_a_stage_imports_and_not_while_it_works(project: Any) -> None:
    with stage("download", project.root) as run:
        with run.phase("import"):
            assert not gc.isenabled()
        with run.phase("work"):
            assert gc.isenabled()


def test_a_phase_that_fails_is_closed(pass_time: Callable[[float], None]) -> None:
    clock = Clock()
    with pytest.raises(KeyError), clock.phase("work"):
        pass_time(1)
        raise KeyError
    pass_time(2)
    clock.charge()
    assert clock.seconds == {"other": 2, "work": 1}


def test_a_full_disk_does_not_hide_the_first_error(
    project: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Stage, error: BaseException | None) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Stage, "close", fail)
    with pytest.raises(SystemExit) as leaving, stage("download", project.root):
        raise OSError(errno.ENOSPC, "No space left on device", "data/raw/x")
    assert leaving.value.code == 1
    assert "while writing data/raw/x" in capsys.readouterr().err


def test_an_oserror_of_the_program_is_none_of_the_disk() -> None:
    assert not is_expected(OSError(errno.EINVAL, "Invalid argument"))
    assert is_expected(OSError(errno.EACCES, "Permission denied", "x"))
    assert say_fault("split", PermissionError(errno.EACCES, "Permission denied", "x"), Path()) == (
        "split: x: Permission denied."
    )


def test_the_process_has_started_before_now() -> None:
    first = seconds_since_process_start()
    time.sleep(0.05)
    assert 0.02 < seconds_since_process_start() - first < 10


def test_a_stage_needs_no_heavy_package(project: Any, script: Run) -> None:
    answer = script("import sys\nprint(*sys.modules)", "train_head")
    loaded = set(answer.stdout.split())
    assert not loaded & {
        "mlflow",
        "tensorflow",
        "keras",
        "great_expectations",
        "pandas",
        "pyarrow",
        "matplotlib",
    }
    assert "glasshouse.journal.journal" in loaded


def test_stages_leave_nothing_but_what_git_ignores(project: Any, script: Run) -> None:
    before = {path for path in project.root.rglob("*") if ".glasshouse" not in path.parts}
    script("pass")
    after = {path for path in project.root.rglob("*") if ".glasshouse" not in path.parts}
    assert after - before == {project.root / "script.py"}
    assert Digests(project.root).digest("script.py") is not None
