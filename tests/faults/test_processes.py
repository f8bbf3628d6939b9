"""Some rows in a process of their own, as `dvc repro` runs a stage: exit status, and a disk that is full."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .builders import write_csv
from .stages import ROOT, Trial, make_trial
from .table import ROWS, Row

Run = Callable[..., "subprocess.CompletedProcess[str]"]
BY_NAME = {row.name: row for row in ROWS}
TINY_DISK = """mount -t tmpfs -o size={size} none data && {python} {script}
status=$?; echo left: $(ls -A data); exit $status"""


@pytest.mark.parametrize("name", ["truncated JPEG", "label typo", "billion laughs", "broken JSON"])
def test_row(name: str, tmp_path: Path, run_python: Run) -> None:
    row = BY_NAME[name]
    trial = build(tmp_path, row)
    done = run_python(str(ROOT / "pipeline/download.py"), cwd=trial.root)
    assert done.returncode == int(row.fate == "critical"), done.stderr
    assert row.said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_block_that_is_not_there_is_told_before_the_head_is_trained(
    tmp_path: Path, run_python: Run
) -> None:
    """Only the built network knows its layers; the stage that needs the name comes minutes later."""
    trial = make_trial(
        tmp_path, "csv", {"fine_tune.unfreeze_from": "stage9", "model.backbone.weights": "none"}
    )
    write_csv(tmp_path / "pictures")
    trial.run_all()
    assert set(trial.statuses.values()) == {0}, trial.said
    done = run_python(str(ROOT / "pipeline/train_head.py"), cwd=trial.root)
    assert done.returncode == 1, done.stderr
    assert "train_head: fine_tune.unfreeze_from: the backbone has no layer or block 'stage9'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models").exists()


def build(root: Path, row: Row) -> Trial:
    trial = make_trial(root, row.format, row.params, row.path)
    row.build(root / "pictures")
    return trial


def may_mount() -> bool:
    """Whether this user may mount a file system in a name space of its own."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="no file system may be mounted here")
def test_disk_of_48_kilobytes(tmp_path: Path) -> None:
    """No space is left on the device itself: the stage says where, and its draft is gone."""
    trial = make_trial(tmp_path, "csv")
    write_csv(tmp_path / "pictures")
    (tmp_path / "data").mkdir()
    script = TINY_DISK.format(size="48k", python=sys.executable, script=ROOT / "pipeline/download.py")
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "env", f"PYTHONPATH={ROOT / 'src'}", "sh", "-c", script],
        cwd=trial.root,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "download: the disk is full while writing data/raw." in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1] == "left:"
