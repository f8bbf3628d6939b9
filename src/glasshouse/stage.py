"""What every stage script stands in: checked params, clocked phases, a journal, faults told in sentences.

with stage("split") as run:
    with run.phase("work"):
        table = ...
    run.guard({"split": table})
"""

from __future__ import annotations

import argparse
import dis
import errno
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from glasshouse.journal.digests import Digests
from glasshouse.journal.git import read_commit
from glasshouse.journal.imports import uncollected
from glasshouse.journal.journal import Journal, merge_epochs, read_executions
from glasshouse.journal.live import Live, is_wanted
from glasshouse.journal.machine import read_machine
from glasshouse.journal.page import find_home, write_page
from glasshouse.journal.pipeline import PARAMS, find_foreign_input, look_up, read_pipeline, read_yaml
from glasshouse.journal.state import digest_values, read_state
from glasshouse.journal.streams import open_streams
from glasshouse.params import STAGE_KEYS, Params, View, read_params, read_view

if TYPE_CHECKING:
    from pandas import DataFrame

    from glasshouse.quality.checking.checks import Verdict

LIVE_STAGES = ("train_head", "fine_tune")  # those with epochs
BATCHED = (*LIVE_STAGES, "evaluate")  # those with a batch_size
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SURROUNDINGS = (
    *(*FULL, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE, errno.EPIPE),
)


class Clock:
    """Wall seconds of named phases; one inside another stops the outer clock; the rest is `other`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._names, self._since = ["other"], time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge the time inside to `name`."""
        self.charge()
        self._names.append(name)
        try:
            yield
        finally:
            self.charge()
            self._names.pop()

    def charge(self) -> None:
        """Book the time since the last booking."""
        now = time.perf_counter()
        self.seconds[self._names[-1]] = self.seconds.get(self._names[-1], 0.0) + now - self._since
        self._since = now


class Stage:
    """One execution of a stage, as its script sees it."""

    def __init__(self, name: str, root: Path) -> None:
        imported = seconds_since_process_start()
        self.clock = Clock()
        self.clock.seconds["import"] = imported
        self.name, self.root = name, root
        with self.clock.phase("track"):
            self.params: View = read_view(name, root / "params.yaml")
            state = read_state(root)
            self._check_severities(state.params)
            self._folder = write_page(root, state)
            about: dict[str, Any] = {"params": digest_values(state.params), "commit": read_commit(root)}
            if name in LIVE_STAGES:
                about["machine"] = read_machine().as_values()
            self.journal = Journal(self._folder, name, about)
            follows = name in LIVE_STAGES and is_wanted()
            self._live = Live(find_home(root), self.journal.path) if follows else None
        self._first_epoch = True

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Clock what stands inside: `work` (drawing, training, predicting), `import` (heavy packages)."""
        with self.clock.phase(name), uncollected() if name == "import" else nullcontext():
            yield

    def guard(self, tables: Mapping[str, DataFrame]) -> Verdict:
        """Check what the stage wrote; raises GuardFailure on a critical finding."""
        with self.clock.phase("guard"):
            from glasshouse.quality.checking.checks import GuardFailure
            from glasshouse.quality.checking.guard import guard
            from glasshouse.quality.page.page import write_page

            reports = self.root / "reports" / "quality"
            try:
                verdict = guard(self.name, tables, self.params.quality, reports)
            except GuardFailure as failure:
                self.journal.guard(passed=False, message=str(failure))
                write_page(reports, self.root / "data" / "raw")
                raise
            self.journal.guard(passed=not verdict.critical)
            write_page(reports, self.root / "data" / "raw")
            return verdict

    def _check_severities(self, values: Mapping[str, Any]) -> None:
        """Tell of a severity for a check that is not there, of any stage, before the first one has worked."""
        if any(values["quality"][name]["severity"] for name in STAGE_KEYS):
            from glasshouse.quality.checking.guard import check_severities

            check_severities(self.read_all_params().quality)

    def read_all_params(self) -> Params:
        """Every stage's params: to tell early what a later one cannot use, never to make outputs of."""
        return read_params(self.root / PARAMS)

    def identity(self) -> str:
        """SHA-256 of what the outputs depend on, as DVC sees it: declared params, content of deps.

        A checkpoint that carries it is resumed only by an execution that would end in the same bytes.
        """
        with self.clock.phase("track"):
            params = read_yaml(self.root / PARAMS)
            declared = read_pipeline(self.root, params).stages[self.name]
            digests = Digests(self.root)
            deps = {path: digests.digest(path) for path in declared.deps}
            digests.save()
            return digest_values(
                {"deps": deps, "params": {key: look_up(params, key) for key in declared.params}}
            )

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Note one epoch's figures (counted from 1) in the journal, whence they appear in MLflow."""
        with self.clock.phase("track"):
            if self._first_epoch and epoch > 1:
                self.journal.resumed(epoch - 1)
            self._first_epoch = False
            self.journal.epoch(epoch, {name: value for name, value in metrics.items() if name != "epoch"})
            if self._live:
                self._live.look()

    def history(self, rows: list[dict[str, Any]]) -> None:
        """Note epochs that no journal has: a kill between checkpoint and journal loses one."""
        with self.clock.phase("track"):
            known = {epoch.step for epoch in merge_epochs(read_executions(self._folder, self.name))}
            if self._first_epoch and rows:  # killed after its last checkpoint: no epoch was left to train
                self.journal.resumed(rows[-1]["epoch"])
                self._first_epoch = False
        for row in rows:
            if row["epoch"] not in known:
                self._first_epoch = False
                self.epoch(row["epoch"], row)

    def metrics(self, metrics: Mapping[str, Any]) -> None:
        """Note the scores, nested as in metrics.json: they reach MLflow even when the files are gone.

        Scores of what another state left (`dvc repro --single-item` after an edit) are none of this one.
        """
        with self.clock.phase("track"):
            reason = find_foreign_input(self.root, self.name)
            if reason is None:
                self.journal.metrics(metrics)
            else:
                told = (
                    f"{self.name}: the scores are not those of the present params, code and data: {reason}."
                )
                print(f"{told} `dvc repro` makes them.", file=sys.stderr)

    def close(self, error: BaseException | None) -> None:
        """Write phases and the end."""
        with self.clock.phase("track"):
            self._write_end(error)
            self.journal.close()
            if self._live:
                self._live.finish()

    def _write_end(self, error: BaseException | None) -> None:
        self.clock.charge()
        for name, seconds in self.clock.seconds.items():
            self.journal.phase(name, seconds)
        if error is None:
            self.journal.end("ok")
        elif isinstance(error, KeyboardInterrupt):
            self.journal.end("interrupted", "stopped from the keyboard")
        else:
            text = "".join(traceback.format_exception(error))
            self.journal.end("failed", f"{type(error).__name__}: {error}", text)


def refuse_arguments(about: str) -> None:
    """End a stage script that was called with arguments, before it works: `--help` explains it, others it
    does not know.

    Args:
        about: the script's docstring.
    """
    argparse.ArgumentParser(
        description=about,
        epilog="It takes no arguments: params.yaml holds its settings, and `dvc repro` runs it in its turn.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()


@contextmanager
def stage(name: str, root: Path = Path(".")) -> Iterator[Stage]:
    """One execution of the stage `name` in the project's folder `root`.

    Whatever a person can put right ends in a message without a traceback and status 1: faults of
    params.yaml (all at once, before anything else), findings of the guard, pictures and files that cannot
    be used, a full disk, too little memory. Ctrl-C ends in status 130. Any other exception is a fault of the
    program, and keeps its traceback.
    """
    run = None
    open_streams()
    try:
        run = Stage(name, root)
        yield run
    except SystemExit as leaving:
        _close(run, leaving if leaving.code else None)
        raise
    except KeyboardInterrupt as error:
        with suppress(KeyboardInterrupt):  # an impatient second one: what is left to note is not waited for
            _close(run, error)
        _leave_stopped(name)
    except Exception as error:
        _close(run, error)
        if not is_expected(error):
            raise
        print(say_fault(name, error, root), file=sys.stderr)
        raise SystemExit(1) from None
    else:
        try:
            _close(run, None)
        except KeyboardInterrupt:
            _leave_stopped(name)


def is_expected(error: Exception) -> bool:
    """Whether a person can put it right: a room's own exception, a ValueError or a sentence on a file that
    one raises, the disk, memory."""
    if is_out_of_memory(error):
        return True
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in SURROUNDINGS
    if type(error).__module__.startswith("glasshouse."):
        return True
    return (
        isinstance(error, ValueError | OSError)
        and error.__traceback__ is not None
        and _is_raised_here(error.__traceback__)
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether the machine or its GPU had no memory left: by Python's exception, or by TensorFlow's, which is
    known by its name, for most stages do without TensorFlow."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def say_fault(name: str, error: Exception, root: Path) -> str:
    """The message for an expected fault."""
    if is_out_of_memory(error):
        smaller = f"Lower {name}.batch_size in params.yaml, or end" if name in BATCHED else "End"
        return f"{name}: memory ran out. {smaller} other programs; `dvc repro` goes on from here."
    if isinstance(error, OSError) and error.errno in FULL:
        place = f" while writing {error.filename}" if error.filename else ""
        advice = f"Free some space in {root.resolve()}; `dvc repro` goes on from here."
        return f"{name}: the disk is full{place}. {advice}"
    if isinstance(error, BrokenPipeError):
        return f"{name}: what read the output (`| less`, `| head`) has ended. `dvc repro` goes on from here."
    if isinstance(error, OSError) and error.filename:
        return f"{name}: {error.filename}: {error.strerror}."
    text = str(error) or type(error).__name__
    return text if text.startswith(name) else f"{name}: {text}"


def say_phases(seconds: Mapping[str, float]) -> str:
    """`12.3 s (import 1.0, work 11.0, ...)`."""
    parts = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    return f"{sum(seconds.values()):.1f} s ({parts})"


def seconds_since_process_start() -> float:
    """Wall seconds since the interpreter started; CPU seconds, which are near, without /proc (macOS)."""
    path = Path("/proc/self/stat")
    if not path.is_file():
        return time.process_time()
    ticks = int(
        path.read_text().rpartition(")")[2].split()[19]
    )  # starttime, field 22; the name before may hold spaces
    return max(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"), 0.0)


def _close(run: Stage | None, error: BaseException | None) -> None:
    if run is None:
        return
    try:
        run.close(error)
    except OSError as fault:  # a full disk must not hide the error that came first
        print(f"{run.name}: the journal cannot be written ({fault.strerror}).", file=sys.stderr)
    try:
        print(f"{run.name}: {say_phases(run.clock.seconds)}", flush=True)
    except OSError as fault:  # nobody reads it any more: the stage is done all the same
        print(f"{run.name}: standard output cannot be written ({fault.strerror}).", file=sys.stderr)


def _leave_stopped(name: str) -> NoReturn:
    print(f"{name}: stopped. `dvc repro` goes on from here.", file=sys.stderr)
    raise SystemExit(130) from None


def _is_raised_here(trace: TracebackType) -> bool:
    """Whether the innermost frame is of this package and stands at a `raise` (not at a call into C)."""
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    module = str(trace.tb_frame.f_globals.get("__name__", ""))
    return module.startswith("glasshouse.") and dis.opname[code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
