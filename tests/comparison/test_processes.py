from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from glasshouse.comparison.processes import PEAK_UNIT, Command, Ended, stop
from glasshouse.comparison.schedule import Schedule

Start = Callable[..., Command]
Wait = Callable[..., None]
GRANDCHILD = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(child.pid, flush=True)\n"
)


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def run(code: str, name: str = "one") -> Command:
        words = [sys.executable, "-c", code]
        return Command(words, folder=tmp_path, environment=os.environ, log=tmp_path / f"{name}.log")

    return run


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_status_memory_and_log(start: Start, wait_for: Wait) -> None:
    big = 300 << 20
    good = start(f"print('said'); x = b'x' * {big}; raise SystemExit(3)")
    killed = start("import os; os.kill(os.getpid(), 9)", "two")
    wait_for(lambda: good.look() is not None and killed.look() is not None)
    assert good.ended is not None and killed.ended is not None
    assert (good.ended.status, killed.ended.status) == (3, -signal.SIGKILL)
    mine = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK_UNIT
    )  # counted until its program is loaded
    assert big < good.ended.peak_bytes < max(3 * big, 1.1 * mine)
    assert good.read_log() == "said\n"


def test_peak_is_also_that_of_children(start: Start, wait_for: Wait) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = b\"x\" * (300 << 20)'])"
    command = start(code)
    wait_for(lambda: command.look() is not None)
    assert command.ended is not None and command.ended.peak_bytes > 300 << 20


@pytest.mark.parametrize("ending", ["time.sleep(60)", "import signal; signal.signal(2, 1); time.sleep(60)"])
def test_stop_leaves_no_process_however_stubborn(start: Start, wait_for: Wait, ending: str) -> None:
    command = start(GRANDCHILD + ending)
    wait_for(lambda: command.read_log().endswith("\n"))
    stop([command], patience_s=0.5)
    assert command.ended is not None and command.ended.status != 0
    child = int(command.read_log().split()[0])
    wait_for(lambda: not lives(child))


LATE = """
import time
print("works", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep({seconds})
    print("wrote its journal")
"""


def test_each_is_asked_to_end_and_waited_for(start: Start, wait_for: Wait) -> None:
    """One that goes at once does not cut the time of another."""
    commands = [start(LATE.format(seconds=seconds), str(seconds)) for seconds in (0, 1)]
    wait_for(lambda: all(command.read_log() == "works\n" for command in commands))
    stop(commands, patience_s=60)
    assert [command.read_log() for command in commands] == ["works\nwrote its journal\n"] * 2
    assert [command.ended and command.ended.status for command in commands] == [0, 0]


def test_one_that_is_over_is_sent_nothing(
    start: Start, wait_for: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be another process's by now."""
    command = start("pass")
    wait_for(lambda: command.look() is not None)
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("sent"))
    stop([command])


def test_what_is_kept_open_is_inherited_and_nothing_else(tmp_path: Path, wait_for: Wait) -> None:
    with (tmp_path / "lock").open("w") as lock:
        code = f"import os; os.write({lock.fileno()}, b'held')"
        for kept, status in (([], 1), ([lock.fileno()], 0)):
            command = Command(
                [sys.executable, "-c", code],
                folder=tmp_path,
                environment=os.environ,
                log=tmp_path / "log",
                keep_open=kept,
            )
            wait_for(lambda command=command: command.look() is not None)
            assert command.ended is not None and command.ended.status == status
            assert ("Bad file descriptor" in command.read_log()) == bool(
                status
            )  # and nothing of the one before
    assert (tmp_path / "lock").read_text() == "held"


def test_as_many_at_a_time_as_allowed(start: Start) -> None:
    begun, seen, most = [], [], 0

    def begin(number: int) -> Command:
        begun.append(number)
        return start(f"import time; time.sleep(0.3); raise SystemExit({number % 2})", str(number))

    schedule = Schedule(range(5), 2, begin)

    def look() -> None:
        nonlocal most
        most = max(most, len(schedule.running))

    schedule.run(lambda number, _, ended: seen.append((number, ended.status)), look)
    assert sorted(seen) == [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0)]
    assert begun == [0, 1, 2, 3, 4] and most == 2 and not schedule.waiting


def test_whatever_cuts_it_off_ends_all(start: Start) -> None:
    commands: list[Command] = []

    def begin(number: int) -> Command:
        commands.append(start("import time; time.sleep(0 if __name__ == 'x' else 60)", str(number)))
        return commands[-1]

    def look() -> None:
        if len(commands) == 2:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Schedule(range(3), 2, begin).run(fail, look)
    assert len(commands) == 2 and all(command.ended for command in commands)
    assert time.monotonic() - began < 50


def fail(item: int, command: Command, ended: Ended) -> None:
    raise AssertionError(f"{item} ended with {ended}: {command.read_log()}")
