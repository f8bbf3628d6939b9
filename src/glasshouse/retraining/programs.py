"""The programs that a retraining calls: git, dvc, gh."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_SECONDS = 3.0  # a terminal tells Ctrl-C to all its programs; after that they are told once more
SHOWN_REASON = 300  # characters of what a program said
# No questions, and no refreshing of the user's index in passing: killed, git would leave it locked.
SETTINGS = {"GIT_TERMINAL_PROMPT": "0", "GH_PROMPT_DISABLED": "1", "GIT_OPTIONAL_LOCKS": "0"}
NOISE = (
    "error: failed to push some refs",
    "Having any troubles?",
    "hint:",
    "To ",
    "Please make sure",
    "and the repository exists",
)
SERVER = "remote:"  # before what a git server says


class ProgramFailed(RuntimeError):
    """A program ended with another status than 0; the message has what it said last."""


def find_program(name: str) -> str | None:
    """Its path: on PATH, or beside the Python that runs this."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def attempt(
    root: Path, *words: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in `root` to its end, well or not, and keep what it prints.

    Raises:
        ProgramFailed: it is not installed.
    """
    return subprocess.run(
        [_locate(words[0]), *words[1:]],
        cwd=root,
        env={**os.environ, **SETTINGS, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def ask(root: Path, *words: str, environment: Mapping[str, str] | None = None) -> str:
    """What a program prints, without the end of line; raises ProgramFailed."""
    done = attempt(root, *words, environment=environment)
    if done.returncode:
        raise ProgramFailed(f"`{say_command(words)}` failed: {say_reason(done)}.")
    return done.stdout.removesuffix("\n")


def show(root: Path, *words: str, keep_open: Sequence[int] = ()) -> int:
    """Run a program that people watch; returns its status.

    It stays in the caller's process group, so that whatever ends all of this ends it too. On Ctrl-C it is
    waited for: a training writes its journal before it goes.

    Args:
        keep_open: descriptors that it inherits.
    """
    process = subprocess.Popen(
        [_locate(words[0]), *words[1:]],
        cwd=root,
        env={**os.environ, **SETTINGS},
        stdin=subprocess.DEVNULL,
        pass_fds=tuple(keep_open),
    )
    try:
        return process.wait()
    except BaseException:
        _end(process)
        raise


def say_command(words: Sequence[str]) -> str:
    """As a person would type it."""
    return " ".join(Path(word).name if number == 0 else word for number, word in enumerate(words))


def say_reason(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of its errors that says something, with a git server's own words, or its status;
    without its full stop.

    Of its output where its errors say nothing: git's hooks print there.
    """
    telling = _list_telling(done.stderr) or _list_telling(done.stdout)
    errors = [line for line in telling if line.startswith(("ERROR", "fatal", "error", "!"))]
    reason = (errors or telling or [f"status {done.returncode}"])[-1]
    if words := " ".join(line.removeprefix(SERVER).strip() for line in telling if line.startswith(SERVER)):
        reason = f"{reason} ({words})"
    return reason.removesuffix(".") if len(reason) <= SHOWN_REASON else f"{reason[:SHOWN_REASON]}…"


def _list_telling(printed: str) -> list[str]:
    lines = (line.strip() for line in printed.splitlines())
    return [line for line in lines if line and not line.startswith(NOISE)]


def _locate(name: str) -> str:
    path = find_program(name)
    if path is None:
        raise ProgramFailed(f"{name} is not installed: it must be on PATH.")
    return path


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for it and all that it started; told again by this, where nobody else has told them."""
    import psutil

    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.wait()
