"""Whole comparisons on seven tiny stages: parallel, failing, killed, interrupted, taken up again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glasshouse.cli import main
from glasshouse.commands import compare
from glasshouse.comparison import results
from glasshouse.comparison.plan import Plan
from glasshouse.comparison.run import Comparison, SharedFailure
from glasshouse.comparison.workplace import WorkplaceError

MakePlan = Callable[..., Plan]
Ran = Callable[[], list[str]]


def test_failures_are_rows_and_the_rest_go_on(
    tiny: Path, plan: MakePlan, repro: list[str], ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    made = plan(tiny, "mobilenet_v2", "resnet34", "vgg16", seeds=2, parallel=3)
    comparison = Comparison(tiny, made, repro)
    progress = comparison.run()
    told = {entry.name: reason for entry, reason in progress.reasons.items()}
    assert told == {
        **{
            f"resnet34 seed {seed}": "train_head: NotFinite: epoch 1: loss is no finite number"
            for seed in (0, 1)
        },
        **{
            f"vgg16 seed {seed}": "fine_tune was killed (signal 9): most likely the machine ran out of "
            "memory: lower the batch sizes, or run fewer side by side."
            for seed in (0, 1)
        },
    }
    lines = ran()
    assert lines.count("fine_tune mobilenet_v2 0") == lines.count("fine_tune mobilenet_v2 1") == 1
    error = capsys.readouterr().err
    assert error.count("warning: MLflow") == 1  # away, said once
    assert "mobilenet_v2 seed 1: validation mAP_50_95 0.510, done in" in error

    monkeypatch.setattr(
        results, "measure", lambda _, exported: {exported[0].label: {"cpu_ms_1": 4.0, "parameters": 2e6}}
    )
    page = results.write_results(comparison)
    table = (page.parent / "leaderboard.md").read_text()
    # the mean of both seeds on validation; on test one object of two is found by either
    assert "| mobilenet_v2 | none | **0.505 ± 0.000" in table and "| **0.505** | **2.00** |" in table
    assert "| resnet34 | none | - |" in table and "seed 0, 1 failed: train_head: NotFinite" in table

    assert Comparison(tiny, made, repro).run().reasons == progress.reasons  # what failed is tried again
    assert {line.split()[1] for line in ran()} == {"resnet34", "vgg16"}


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_interrupted_and_taken_up_again(
    tiny: Path, plan: MakePlan, repro: list[str], ran: Ran, wait_for: Any, tmp_path: Path, sent: str
) -> None:
    """The command as a person gives it; Ctrl-C, or the terminal closed, in the middle of a training."""
    code = (
        "import signal, sys; from glasshouse.comparison import run; from glasshouse.cli import main\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # the tests themselves may run under nohup
        f"run.Comparison.__init__.__defaults__ = ({repro!r},)\n"
        "sys.exit(main(['compare', '--backbones', 'mobilenet_v2,resnet18', '--parallel', '2']))"
    )
    with (tmp_path / "said").open("w") as stream:
        process = subprocess.Popen([sys.executable, "-c", code], cwd=tiny, stderr=stream)
    log = tiny / ".glasshouse/compare/logs/resnet18,weights=none,seed=0.log"
    try:
        wait_for(lambda: log.is_file() and "waits" in log.read_text())
        with pytest.raises(WorkplaceError, match="another comparison runs in this project"):
            Comparison(tiny, plan(tiny, "mobilenet_v2"), repro).run()
    finally:
        process.send_signal(signal.Signals[sent])
    assert process.wait(30) == 130
    assert "The same command goes on." in (tmp_path / "said").read_text()
    assert "fine_tune resnet18 0" in ran()
    (tmp_path / "ran.go").touch()
    assert not Comparison(tiny, plan(tiny, "mobilenet_v2", "resnet18"), repro).run().reasons
    again = [line for line in ran() if "resnet18" in line]
    assert again == ["fine_tune resnet18 0", "evaluate resnet18 0", "export resnet18 0"]


def test_a_closed_terminal_is_not_heard_where_nohup_said_so() -> None:
    code = (
        "import signal; from glasshouse.commands.compare import listen\n"
        "for before in (signal.SIG_IGN, signal.SIG_DFL):\n"
        "    signal.signal(signal.SIGHUP, before); listen()\n"
        "    print(signal.getsignal(signal.SIGHUP) is before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_the_copies_are_held_until_their_figures_are_on_the_page(
    tiny: Path, plan: MakePlan, repro: list[str], ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: object) -> dict[str, Any]:
        ran()
        other = plan(tiny, "mobilenet_v2", changes={"train_head.epochs": 2})
        with pytest.raises(WorkplaceError, match="another comparison runs in this project"):
            Comparison(tiny, other, repro).run()
        return {}

    monkeypatch.chdir(tiny)
    monkeypatch.setattr(Comparison.__init__, "__defaults__", (repro,))
    monkeypatch.setattr(compare.signal, "signal", lambda *_: None)
    monkeypatch.setattr(results, "measure", measure)
    assert main(["compare", "--backbones", "mobilenet_v2"]) == 0
    assert (tiny / "reports/compare/leaderboard.html").is_file()
    assert ran() == []
    Comparison(tiny, plan(tiny, "mobilenet_v2"), repro).run()  # and are let go after that


def test_shared_stages_that_fail(tiny: Path, plan: MakePlan, repro: list[str]) -> None:
    (tiny / "pipeline/stage.py").write_text("raise SystemExit('download: no pictures in data/pictures')")
    with pytest.raises(SharedFailure, match=r"no pictures in data/pictures|failed to run"):
        Comparison(tiny, plan(tiny, "mobilenet_v2"), repro).run()


MEASURE = """
import json, sys
request = json.load(open(sys.argv[1]))
if request["device"] == "CPU":
    raise SystemExit("no room in memory")
json.dump({name: {"ms_1": 1.5, "ms_32": 0.25} for name in request["models"]}, open(sys.argv[2], "w"))
"""


def test_a_page_without_latencies_is_better_than_none(
    tiny: Path, plan: MakePlan, repro: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("__init__", "comparison/__init__", "comparison/measure"):
        path = tiny / f"src/glasshouse/{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MEASURE if "measure" in name else "")
    made = plan(tiny, "mobilenet_v2")
    comparison = Comparison(tiny, made, repro)
    folder = tiny / ".glasshouse/compare" / made.entries[0].folder
    (folder / "exports/saved_model").mkdir(parents=True)
    (folder / "exports/saved_model/saved_model.pb").write_text("x" * 2_000_000)
    comparison.progress.folders[made.entries[0]] = folder
    comparison.progress.sound[made.entries[0]] = {"export"}
    monkeypatch.setattr(results.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    page = results.write_results(comparison)
    (fault,) = comparison.progress.faults
    assert fault.startswith("latencies on the CPU failed (1): no room in memory (")
    assert fault in page.read_text().replace("&#39;", "'")
    assert "GPU, batch 32 [ms]" in (page.parent / "leaderboard.md").read_text()
    assert "| **2.0** | - | - | - | **1.50** | **0.25** |" in (page.parent / "leaderboard.md").read_text()


@pytest.mark.slow
def test_dvc_runs_what_is_shared_once_and_trains_only_what_is_new(
    tiny: Path, plan: MakePlan, ran: Ran
) -> None:
    Comparison(tiny, plan(tiny, "mobilenet_v2", "csp_compact", parallel=2)).run()
    first = ran()
    shared = ("download", "split", "preprocess")
    assert sorted(line.split()[0] for line in first if line.split()[0] in shared) == sorted(shared)
    assert sum(line.startswith("fine_tune") for line in first) == 2
    Comparison(tiny, plan(tiny, "mobilenet_v2", "csp_compact", "vgg19")).run()
    assert {line.split()[1] for line in ran()} == {"vgg19"}
    changed = plan(tiny, "mobilenet_v2", "csp_compact", changes={"train_head.epochs": 2}, parallel=2)
    Comparison(tiny, changed).run()
    again = sorted(line for line in ran() if "train_head" in line)
    assert again == ["train_head csp_compact 0", "train_head mobilenet_v2 0"]
