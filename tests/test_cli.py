from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glasshouse.cli import main, say_fault
from glasshouse.commands import doctor
from glasshouse.commands.architectures import read_first_sentence
from glasshouse.commands.times import align, draw_table
from glasshouse.journal import git
from glasshouse.journal.journal import read_executions

Run = Callable[..., subprocess.CompletedProcess[str]]
HEAVY = {
    "mlflow",
    "tensorflow",
    "keras",
    "great_expectations",
    "pandas",
    "numpy",
    "pydantic",
    "pyarrow",
    "onnx",
}


@pytest.fixture
def inside(project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(project.root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return project


def test_help_loads_nothing_heavy_and_is_quick(run_python: Run, tmp_path: Path) -> None:
    code = (
        "import sys, time; start = time.process_time(); from glasshouse.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as leaving: print(leaving.code, time.process_time() - start, *sys.modules)"
    )
    status, seconds, *modules = run_python("-c", code, cwd=tmp_path).stdout.splitlines()[-1].split()
    assert status == "0"
    assert not HEAVY & set(modules)
    assert float(seconds) < 0.3


@pytest.mark.parametrize(
    "command",
    ["summary", "times", "params check", "architectures --help", "scale --phi 1", "runs sync --help"],
)
def test_light_commands_stay_light(project: Any, run_python: Run, command: str) -> None:
    code = (
        "import sys; from glasshouse.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    (project.root / "data/pictures").mkdir(parents=True)
    answer = run_python("-c", code, *command.split(), cwd=project.root)
    assert answer.stderr == ""
    assert not (HEAVY - {"pydantic", "numpy"}) & set(answer.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "line",
    ["runs list --limit -3", "runs list --limit 0", "preview --pictures 0", "pretrain --epochs 0"],
)
def test_none_or_fewer_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(line.split())
    assert leaving.value.code == 2
    assert "must be a whole number above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "nearest"),
    [("sumary", "summary"), ("run sync", "runs"), ("runs snyc", "sync"), ("docter", "doctor")],
)
def test_an_unknown_command_is_answered_with_the_nearest(
    line: str, nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(line.split())
    assert leaving.value.code == 2
    assert f"Did you mean '{nearest}'?" in capsys.readouterr().err


def test_summary_tells_scores_with_intervals(inside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    inside.make_outputs()
    assert main(["summary"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0] == "test  mAP@0.5 0.880 (95 %: 0.850 to 0.910)   mAP@[.5:.95] 0.610 (95 %: 0.580 to 0.640)"
    )
    assert lines[1] == "valid mAP@[.5:.95] 0.600 (95 %: 0.570 to 0.630)"
    assert lines[2] == "report reports/evaluate/index.html"
    assert "`make ui`" in lines[3]


def test_summary_says_whose_scores_they_are(inside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """After an edit, or a pull without `dvc checkout`, they passed for the present model's."""
    inside.make_outputs()
    assert main(["summary"]) == 0
    assert "note" not in capsys.readouterr().out
    inside.write("exports/model.onnx", "another")
    assert main(["summary"]) == 0
    told = "note   exports is not on disk as export wrote it: run `dvc checkout` (or `dvc pull`)\n"
    assert capsys.readouterr().out.endswith(told)
    inside.set("seed: 7", "seed: 8")
    assert main(["summary"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("test  mAP@0.5 0.880")
    assert "note   these scores are of an earlier state; not up to date: download (params.yaml seed" in said


def test_summary_names_the_server_that_has_the_runs(
    inside: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inside.make_outputs(network=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@runs.example:5000/base")
    assert main(["summary"]) == 0
    assert capsys.readouterr().out.splitlines()[3] == "runs   https://runs.example:5000/base (MLflow)"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////x/mlflow.db")
    assert main(["summary"]) == 0
    assert capsys.readouterr().out.splitlines()[3] == "runs   `make ui` opens MLflow"


def test_summary_before_any_run_says_what_to_do(inside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary"]) == 1
    assert "Run `dvc repro`" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{", "[]", "<<<<<<< ours"])
def test_summary_tells_of_damaged_scores(inside: Any, capsys: pytest.CaptureFixture[str], text: str) -> None:
    inside.write("reports/evaluate/metrics.json", text)
    assert main(["summary"]) == 1
    said = capsys.readouterr().err
    assert "reports/evaluate/metrics.json is damaged" in said and "`dvc checkout --force" in said


def test_a_stream_that_the_caller_closed_leads_nowhere(inside: Any) -> None:
    code = "import sys; from glasshouse.cli import main; main(['summary']); sys.stderr.flush()"
    done = subprocess.run(["sh", "-c", '"$0" -c "$1" 2>&-', sys.executable, code], cwd=inside.root)
    assert done.returncode == 0


def test_too_little_memory_is_told(
    inside: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glasshouse.commands.summary.Path", lambda _: bytes(1 << 62))
    assert main(["summary"]) == 1
    told = "glasshouse: memory ran out. End other programs, and give the command again.\n"
    assert capsys.readouterr().err == told


def test_a_disk_that_is_full_under_a_copy_is_told_by_the_copy(tmp_path: Path) -> None:
    source, target = tmp_path / "dvc.lock", tmp_path / "copies" / "dvc.lock"
    source.write_text("x" * 100)
    target.parent.mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # the kernel refuses the rest, as on a full disk
    try:
        with pytest.raises(OSError) as fault:
            shutil.copy2(source, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert say_fault(fault.value).startswith(f"the disk is full while writing {target}.")


def test_times_show_where_the_seconds_went(inside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    inside.execute("download")
    inside.execute("train_head", {1: 2.0})
    assert main(["times"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["stage", "import", "work", "guard", "track", "other", "total", "end"]
    assert lines[2].split() == ["download", "0.0", "1.5", "0.5", "0.0", "0.0", "2.0", "ok"]
    assert lines[3].split() == ["split", *["-"] * 6, "did", "not", "run"]
    assert lines[-2].split() == ["all", "0.0", "3.0", "1.0", "0.0", "0.0", "4.0"]
    assert lines[-1] == "not drawing, training or predicting: 1.0 s of 4.0 s"


def test_times_of_another_state(inside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    inside.execute("download")
    name = inside.folder.name
    inside.set("seed: 7", "seed: 8")
    assert main(["times"]) == 1
    assert name in capsys.readouterr().out
    assert main(["times", "--state", name[:6]]) == 0
    assert main(["times", "--state", "zz"]) == 1
    assert "0 states begin with 'zz'" in capsys.readouterr().err


def test_times_keep_phases_of_other_names(inside: Any) -> None:
    with inside.open("evaluate") as journal:
        journal.phase("report", 2.0)
        journal.end("ok")
    lasts = {"evaluate": read_executions(inside.folder, "evaluate")[-1]}
    assert "report" in draw_table(["evaluate"], lasts)[0].split()


def test_columns_are_aligned() -> None:
    assert align([["a", "1", "x"], ["bcd", "22.0", "yz"]]) == ["a       1  x", "bcd  22.0  yz"]


def test_params_check_lists_every_fault(inside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (inside.root / "data/pictures").mkdir(parents=True)
    assert main(["params", "check"]) == 0
    assert "is sound" in capsys.readouterr().out
    inside.set("seed: 7", "seed: seven")
    inside.set("nms_iou: 0.6", "nms_iou: 6")
    assert main(["params", "check"]) == 1
    errors = capsys.readouterr().err
    assert "2 faults" in errors
    assert "seed" in errors
    assert "evaluate.nms_iou" in errors


def test_the_first_sentence_of_a_part_may_be_broken_into_lines(tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text(
        '"""One long sentence\nthat ends (Xie et al., 2017). Another.\n\nMore."""\n'
    )
    assert read_first_sentence(tmp_path / "part.py") == "One long sentence that ends (Xie et al., 2017)."
    (tmp_path / "bare.py").write_text("X = 1\n")
    assert read_first_sentence(tmp_path / "bare.py") == ""


def test_runs_sync_and_list(
    stored: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(stored.root)
    stored.make_outputs()
    assert main(["runs", "list"]) == 0
    assert "No state is mirrored yet" in capsys.readouterr().out
    assert main(["runs", "sync"]) == 0
    assert "blooms-detector version 1 registered" in capsys.readouterr().out
    assert main(["runs", "list"]) == 0
    assert "mAP_50_95 0.610 (0.580 to 0.640), mAP_50 0.880 (0.850 to 0.910)" in capsys.readouterr().out


def test_runs_sync_with_mlflow_away(
    inside: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inside.make_outputs()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    begin = time.monotonic()
    assert main(["runs", "sync"]) == 1
    assert main(["runs", "sync", "--best-effort"]) == 0
    assert time.monotonic() - begin < 60  # MLflow by itself asks again for minutes
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith("warning: MLflow at http://127.0.0.1:9 does not answer")


def test_doctor_names_what_is_wrong(inside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    inside.set("seed: 7", "seed: seven")
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("BAD params.yaml") and "1 faults" in line for line in lines)
    assert any(line.startswith("BAD pipeline") and "dvc init" in line for line in lines)
    assert any(line.startswith("ok  tensorflow") for line in lines)


def test_doctor_in_a_repository_without_commits(inside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=inside.root, check=True)
    main(["doctor"])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("BAD git")]
    assert line.endswith(" main, no commit yet, clean")


def test_doctor_says_what_keeps_git_from_answering(
    inside: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(inside.root.parent))
    assert main(["doctor"]) == 1
    assert "not a git repository" in find_line(capsys.readouterr().out, "BAD git")
    subprocess.run(["git", "init", "--quiet"], cwd=inside.root, check=True)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as in a container, of files mounted there
    assert main(["doctor"]) == 1
    assert "dubious ownership" in find_line(capsys.readouterr().out, "BAD git")
    monkeypatch.setenv("PATH", str(inside.root))
    assert main(["doctor"]) == 1
    assert find_line(capsys.readouterr().out, "BAD git").endswith(" missing: install it")


def test_doctor_tells_of_git_that_hangs(
    inside: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inside.write("bin/git", "#!/bin/sh\nexec sleep 20\n")
    (inside.root / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{inside.root / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(git, "PATIENCE_SECONDS", 0.2)
    assert main(["doctor"]) == 1
    assert "`git rev-parse HEAD` did not end within 0.2 s" in find_line(capsys.readouterr().out, "BAD git")


def test_doctor_tells_the_number_of_threads(
    inside: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del inside
    for value, told in (
        ("", "as many as processors"),
        ("0", "as many as processors"),
        ("-2", "as many as processors"),
        ("3", "3 (TF_NUM_INTRAOP_THREADS)"),
    ):
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", value)
        main(["doctor"])
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("ok  threads")]
        assert told in line


SICK = {
    "hangs": ("exec sleep 20", "did not answer in 0.2 s"),
    "fails": ("echo NVIDIA-SMI has failed; exit 9", "nvidia-smi failed: NVIDIA-SMI has failed"),
    "says nothing": ("exit 9", "nvidia-smi failed: status 9"),
}


@pytest.mark.parametrize(("script", "told"), SICK.values(), ids=list(SICK))
def test_doctor_tells_of_a_sick_driver(
    inside: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: str, told: str
) -> None:
    inside.write("bin/nvidia-smi", f"#!/bin/sh\n{script}\n")
    (inside.root / "bin/nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{inside.root / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(doctor, "DRIVER_SECONDS", 0.2)
    assert main(["doctor"]) == 1
    assert told in find_line(capsys.readouterr().out, "BAD GPU")


def test_doctor_tells_whether_the_pipeline_is_up_to_date(
    inside: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=inside.root, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=inside.root, check=True)
    main(["doctor"])
    assert "not up to date: `dvc repro`" in find_line(capsys.readouterr().out, "ok  pipeline")
    inside.write("dvc.yaml", "stages: [\n")
    assert main(["doctor"]) == 1
    assert "`dvc status` failed: './dvc.yaml' is invalid." in find_line(
        capsys.readouterr().out, "BAD pipeline"
    )
    inside.write("dvc.yaml", "stages: {}\n")
    main(["doctor"])
    assert find_line(capsys.readouterr().out, "ok  pipeline").endswith(" up to date")
    monkeypatch.setattr(doctor, "STATUS_SECONDS", 0.01)
    assert main(["doctor"]) == 1
    assert "did not answer in 0.01 s" in find_line(capsys.readouterr().out, "BAD pipeline")


def test_doctor_tells_of_a_cache_that_takes_no_files(inside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """DVC finds it out when a stage has worked: after a training."""
    subprocess.run(["git", "init", "--quiet"], cwd=inside.root, check=True)
    for words in (["init", "--quiet"], ["config", "cache.dir", "seed.txt/cache"]):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=inside.root, check=True)
    main(["doctor"])
    assert find_line(capsys.readouterr().out, "ok  cache").endswith("seed.txt/cache")
    inside.write("seed.txt", "in the way")
    assert main(["doctor"]) == 1
    line = find_line(capsys.readouterr().out, "BAD cache")
    assert "nothing can be written in" in line and "seed.txt (Not a directory)" in line


def test_doctor_tells_of_an_address_that_can_keep_no_runs(
    inside: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "foo://me:secret@x")
    assert main(["doctor"]) == 1
    line = find_line(capsys.readouterr().out, "BAD MLflow")
    assert "MLflow knows no address like foo://x" in line and "secret" not in line


def find_line(text: str, start: str) -> str:
    """The line that starts so."""
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return line


def test_outside_a_project_commands_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["runs", "sync"]) == 1
    assert "params.yaml is missing: run in the project's folder" in capsys.readouterr().err


def test_a_metrics_file_of_classification_is_told(inside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    scores = {
        "test": {"accuracy": 0.9, "ci95": {"accuracy": [0.85, 0.95]}},
        "valid": {"accuracy": None, "ci95": {}},
    }
    inside.write("reports/evaluate/metrics.json", json.dumps(scores))
    assert main(["summary"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "test  accuracy 0.900 (95 %: 0.850 to 0.950)"
    assert lines[1] == "valid no scores"
