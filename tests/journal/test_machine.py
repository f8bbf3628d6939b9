from __future__ import annotations

import os
from pathlib import Path

import pytest

from glasshouse.journal import machine
from glasshouse.journal.machine import Machine, count_threads, list_gpus, name_processor, read_machine

X86 = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n"
SECOND = "processor\t: 1\ncpu family\t: 99\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n"
ARM_32 = "processor\t: 0\nmodel name\t: ARMv7 Processor rev 4 (v7l)\nCPU implementer\t: 0x41\n"


@pytest.mark.parametrize(
    ("asked", "threads"), [("3", 3), (" 2 ", 2), ("", None), ("0", None), ("-1", None), ("two", None)]
)
def test_threads_are_those_asked_for_else_one_a_processor(
    asked: str, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", asked)
    monkeypatch.setattr(machine, "count_processors", lambda: 5)
    assert count_threads() == (threads or 5)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot take processors away")
def test_processors_that_were_taken_away_do_not_count() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert machine.count_processors() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert machine.count_processors() == len(before)


def test_one_name_covers_several_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert name_processor() == "arm64"
    for arm in (ARM, ARM_32):
        (tmp_path / "cpuinfo").write_text(arm)
        assert name_processor() == "arm64"
    (tmp_path / "cpuinfo").write_text(f"{X86}\n{SECOND}")
    assert name_processor() == "AMD EPYC (family 25, model 1)"


def test_a_machine_reads_back_and_tells_itself() -> None:
    small, large = Machine("A (family 1, model 2)", 1), Machine("B", 2, ("NVIDIA X", "NVIDIA Y"))
    assert [str(each) for each in (small, large)] == [
        "A (family 1, model 2), 1 thread",
        "B, 2 threads, NVIDIA X, NVIDIA Y",
    ]
    assert [Machine.from_values(each.as_values()) for each in (small, large)] == [small, large]
    assert read_machine() == read_machine()


@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("echo 'NVIDIA X'; echo 'NVIDIA Y'", ["NVIDIA X", "NVIDIA Y"]),
        ("echo 'No devices were found'; exit 6", []),
        (None, []),
    ],
)
def test_gpus_are_those_that_the_driver_shows(
    script: str | None, gpus: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list_gpus() == gpus


@pytest.mark.parametrize("program", ["#!/bin/sh\nexec /bin/sleep 60\n", "no program\n"])
def test_a_driver_that_hangs_or_is_broken_shows_none(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").write_text(program)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(machine, "DRIVER_SECONDS", 0.2)
    assert list_gpus() == []
