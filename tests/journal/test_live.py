"""A training shown while it goes on: with a real database, and with servers that fail."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from glasshouse.journal.live import LAST_SECONDS
from glasshouse.tracking.sync import sync

STAGE = """
import sys, time
from glasshouse.stage import stage
first, last, seconds, seconds_after = map(float, sys.argv[1:])
with stage("train_head") as run:
    log = run.journal.path.with_suffix(".live.log")
    for epoch in range(int(first), int(last) + 1):
        deadline = time.monotonic() + seconds
        with run.phase("work"):
            while time.monotonic() < deadline and not (log.is_file() and "MLflow at" in log.read_text()):
                time.sleep(0.05)  # an epoch is over at the latest when the follower has given up
        run.epoch(epoch, {"epoch": epoch, "loss": 1 / epoch})
    time.sleep(seconds_after)
"""


@pytest.fixture
def start(project: Any) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a training: first epoch, last epoch, seconds an epoch, seconds after the last."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*numbers: float, **environment: str) -> subprocess.Popen[str]:
        project.write("train.py", STAGE)
        whole = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), **environment}
        process = subprocess.Popen(
            [sys.executable, "train.py", *map(str, numbers)],
            cwd=project.root,
            env=whole,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def _child(root: Path) -> tuple[Any, list[int]]:
    """The stage's run and the steps of its curve; the test fails where there are two."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    experiment = client.get_experiment_by_name("glasshouse")
    ids = [experiment.experiment_id] if experiment else []
    runs = client.search_runs(ids, "tags.`glasshouse.kind` = 'stage'") if ids else []
    assert len(runs) <= 1
    if not runs:
        return None, []
    return runs[0], [point.step for point in client.get_metric_history(runs[0].info.run_id, "loss")]


def test_a_curve_grows_while_the_stage_runs_and_goes_on_after_a_kill(
    stored: Any, start: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    training = start(1, 3, 0.1, 60)
    wait_for(lambda: _child(stored.root)[1] == [1, 2, 3])
    child = _child(stored.root)[0]
    assert (child.info.status, training.poll()) == ("RUNNING", None)
    training.send_signal(signal.SIGKILL)
    training.communicate()
    wait_for(lambda: _child(stored.root)[0].info.status == "KILLED")
    training = start(4, 5, 0.1, 0)
    assert training.wait(60) == 0
    wait_for(lambda: _child(stored.root)[0].info.status == "FINISHED")
    after, steps = _child(stored.root)
    assert (after.info.run_id, steps) == (child.info.run_id, [1, 2, 3, 4, 5])
    assert (after.data.tags["glasshouse.run_count"], after.data.tags["glasshouse.resumed_from"]) == ("2", "3")
    report = sync(stored.root)
    assert (report.states, report.children, report.points) == (1, 1, 0)


def test_a_run_whose_follower_died_too_is_ended_at_the_next_start(
    stored: Any, start: Callable[..., Any], killed: Callable[..., Path], wait_for: Callable[..., None]
) -> None:
    killed("train_head", {1: 1.0})
    sync(stored.root)
    from mlflow import MlflowClient

    stale = _child(stored.root)[0].info.run_id
    client = MlflowClient(f"sqlite:///{stored.root}/mlflow.db")
    client.update_run(stale, "RUNNING")  # as a follower killed together with its stage leaves it
    client.set_tag(stale, "glasshouse.mirrored", "")
    stored.set("seed: 7", "seed: 8")  # another state begins
    start(1, 1, 0, 0).wait(60)
    wait_for(lambda: client.get_run(stale).info.status == "KILLED")


def test_it_can_be_left_out(project: Any, start: Callable[..., Any]) -> None:
    training = start(1, 1, 0, 0, GLASSHOUSE_LIVE="0")
    assert training.wait(30) == 0
    assert not (project.root / "mlflow.db").exists()
    assert not list(project.folder.glob("*/*.live.log"))


class _Broken(BaseHTTPRequestHandler):
    """Well at first (`/health`), and then a server error to everything."""

    def answer(self) -> None:
        self.send_response(200 if self.path.endswith("/health") else 500)
        self.end_headers()

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        """Stay silent."""


@contextmanager
def _broken() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@contextmanager
def _hanging() -> Iterator[int]:
    """Takes a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def _refusing() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield port


@pytest.mark.parametrize("server", [_refusing, _hanging, _broken])
def test_a_server_that_fails_costs_one_warning_and_no_time(
    stored: Any, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, server: Callable[..., Any]
) -> None:
    with server() as port:
        training = start(1, 6, 20, 0, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}")
        output, errors = training.communicate(timeout=110)
    assert training.returncode == 0
    lines = [line for line in errors.splitlines() if line]
    assert len(lines) == 1, errors
    assert lines[0].startswith(f"warning: MLflow at http://127.0.0.1:{port} ")
    assert "`glasshouse runs sync`" in lines[0]
    lost = float(re.search(r"track ([\d.]+)", output)[1])  # type: ignore[index]
    assert lost < 2.0 + LAST_SECONDS
    assert sync(stored.root).points > 6  # later, elsewhere: exactly what is missing
    assert _child(stored.root)[1] == [1, 2, 3, 4, 5, 6]
