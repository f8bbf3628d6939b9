"""What the Makefile would do, and what the set-up says to a machine that lacks something."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = (
    "repro",
    "pull",
    "retrain",
    "test",
    "check",
    "smoke",
    "disturb",
    "ui",
    "bench",
    "pretrain",
    "lock",
    "deps",
    "setup",
)


def make(
    *arguments: str, folder: Path, commands: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run make with `commands` (name -> shell script) found before the machine's own."""
    shadow = folder / "bin"
    shadow.mkdir(exist_ok=True)
    for name, script in (commands or {}).items():
        (shadow / name).write_text(f"#!/bin/sh\n{script}\n")
        (shadow / name).chmod(0o755)
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("ARGS", "GPU", "MAKEFLAGS", "MFLAGS", "PYTHON")
    }
    environment = {**kept, "PATH": f"{shadow}{os.pathsep}{os.environ['PATH']}"}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what the Makefile depends on, and no environment yet."""
    (tmp_path / "tools").mkdir()
    for name in (
        "Makefile",
        "tools/setup.sh",
        "pyproject.toml",
        *(path.name for path in ROOT.glob("requirements*.lock")),
    ):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


NO_GPU = {"nvidia-smi": "exit 9"}
WITH_GPU = {"nvidia-smi": "echo 'GPU 0: NVIDIA Something (UUID: GPU-1)'"}
NO_DEVICE = {"nvidia-smi": "echo 'No devices found.'"}


@pytest.mark.parametrize(
    ("arguments", "commands", "lock"),
    [
        ([], NO_GPU, "requirements.lock"),
        ([], NO_DEVICE, "requirements.lock"),
        ([], WITH_GPU, "requirements-gpu.lock"),
        (["GPU=0"], WITH_GPU, "requirements.lock"),
        (["GPU=1"], NO_GPU, "requirements-gpu.lock"),
    ],
)
def test_lock_follows_the_machine(
    arguments: list[str], commands: dict[str, str], lock: str, clone: Path
) -> None:
    done = make("-n", "setup", *arguments, folder=clone, commands=commands)
    assert f"setup.sh {lock} " in done.stdout, done.stderr


def test_gpu_must_be_0_or_1(clone: Path) -> None:
    done = make("-n", "setup", "GPU=yes", folder=clone)
    assert done.returncode != 0 and "GPU must be 0 or 1. Got 'yes' instead" in done.stderr


def test_help_is_the_default_and_names_every_target(clone: Path) -> None:
    done = make(folder=clone, commands=NO_GPU)
    assert done.returncode == 0
    assert [target for target in TARGETS if not re.search(rf"make {target} ", done.stdout)] == []
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "setup"])
def test_targets_set_up_first(target: str, clone: Path) -> None:
    commands = [
        line for line in make("-n", target, folder=clone, commands=NO_GPU).stdout.splitlines() if line
    ]
    assert "setup.sh" in commands[0] and len(commands) > 1


def test_repro_runs_mirrors_and_says(clone: Path) -> None:
    lines = make("-n", "repro", folder=clone, commands=NO_GPU).stdout.splitlines()
    assert [line.strip() for line in lines[1:]] == [
        "glasshouse params check",
        "glasshouse unreadable",
        "dvc repro",
        "glasshouse runs sync --best-effort",
        "glasshouse summary",
    ]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://127.0.0.1:9", "MLflow runs at http://127.0.0.1:9: open that page."),
        ("https://me:p@ss@runs.example/base", "MLflow runs at https://runs.example/base: open that page."),
        ("databricks", "MLflow runs at databricks: open that page."),
        ("postgresql://me@x/runs", "mlflow ui --backend-store-uri postgresql://me@x/runs"),
        ("", "mlflow ui --backend-store-uri sqlite:///{clone}/mlflow.db"),
    ],
)
def test_ui_starts_no_server_beside_one(
    address: str, told: str, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".ready-cpu").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    mlflow = {"mlflow": 'echo mlflow "$1" "$8" "$9"'}
    done = make("ui", folder=clone, commands=NO_GPU | mlflow)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == told.format(clone=clone), done.stderr


def test_ready_environment_is_left_alone(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".ready-cpu").touch()
    assert "setup.sh" not in make("-n", "repro", folder=clone, commands=NO_GPU).stdout
    assert "setup.sh" in make("-n", "repro", "GPU=1", folder=clone, commands=NO_GPU).stdout


OLD = '[ "$1" = -V ] && echo Python 3.9.2 && exit\nexit 1'
NO_VENV = 'case "$2" in *ensurepip*) exit 1;; esac\nexit 0'
PYTHONS = ("python3", "python3.11", "python3.12", "python")


@pytest.mark.parametrize(
    ("script", "arguments", "words"),
    [
        (OLD, [], "Python 3.11 or 3.12 is needed. python3 is Python 3.9.2"),
        (NO_VENV, [], "python3 has no venv: install it"),
        (NO_VENV, ["PYTHON=python3"], "python3 has no venv: install it"),
        (OLD, ["PYTHON=python3"], "PYTHON=python3 is Python 3.9.2"),
        (OLD, ["PYTHON=/nowhere/python"], "there is no PYTHON=/nowhere/python"),
    ],
)
def test_unfit_python_is_said(script: str, arguments: list[str], words: str, clone: Path) -> None:
    commands = dict.fromkeys(PYTHONS, script) | NO_GPU
    done = make("setup", *arguments, folder=clone, commands=commands)
    assert done.returncode != 0 and words in done.stderr
    assert not (clone / ".venv").exists()


def test_interrupted_set_up_starts_over(clone: Path) -> None:
    """No stamp: whatever is there is no environment. The `python` here dies while it makes one."""
    (clone / ".venv").mkdir()
    (clone / ".venv" / "half").touch()
    dying = 'case "$*" in *-m\\ venv*) exit 7;; esac\nexit 0'
    done = make("setup", folder=clone, commands=dict.fromkeys(PYTHONS, dying) | NO_GPU)
    assert done.returncode != 0
    assert not (clone / ".venv").exists() and not list(clone.glob(".venv-old-*"))


def test_telemetry_is_off_in_make_and_in_the_package(clone: Path) -> None:
    switches = (
        *("DO_NOT_TRACK", "DVC_NO_ANALYTICS", "GX_ANALYTICS_ENABLED"),
        *("MLFLOW_DISABLE_TELEMETRY", "ORT_DISABLE_TELEMETRY"),
    )
    makefile, package = (ROOT / "Makefile").read_text(), (ROOT / "src/glasshouse/__init__.py").read_text()
    for switch in switches:
        assert f"export {switch} :=" in makefile and f'"{switch}":' in package
    config = (ROOT / ".dvc" / "config").read_text()
    assert "analytics = false" in config and "check_update = false" in config


@pytest.mark.parametrize("status", [0, 2])
def test_ci_says_pytests_closing_line_once_more_whatever_came_of_it(tmp_path: Path, status: int) -> None:
    line = "== 3 failed, 4 passed in 2.00s =="
    (tmp_path / "make").write_text(f"#!/bin/sh\n[ $1 = smoke ] || echo '{line}'\nexit {status}\n")
    (tmp_path / "make").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(
        [ROOT / ".ci/run"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.splitlines()) == (status, [line, line])
