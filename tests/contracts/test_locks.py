"""The locks pin every package by hash, name no host, and hold what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-gpu.lock", "requirements-uv.lock")
PIN = re.compile(r"([a-z0-9][a-z0-9.-]*)==([^ ;]+)(?: ; ([^\\]+?))? \\")


def read_pins(name: str) -> list[tuple[str, str, str]]:
    """(package, version, marker) of every pin."""
    matches = filter(None, map(PIN.match, (ROOT / name).read_text().splitlines()))
    return [(normalize(match[1]), match[2], match[3] or "") for match in matches]


def normalize(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_a_pin_or_a_hash(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        assert PIN.fullmatch(line) or re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line), (
            f"{name}:{number}"
        )
        if PIN.fullmatch(line):
            assert lines[number].startswith("    --hash="), f"{name}:{number} has no hash"


@pytest.mark.parametrize("name", LOCKS)
def test_no_addresses(name: str) -> None:
    assert not re.search(r"://|index|find-links|localhost|@", (ROOT / name).read_text())


def test_everything_asked_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for lock, extra in (("requirements.lock", "cpu"), ("requirements-gpu.lock", "gpu")):
        asked = {
            normalize(re.split(r"[^A-Za-z0-9_.-]", text)[0])
            for text in [*project["dependencies"], *extras[extra], *extras["dev"]]
        }
        pinned = {package for package, *_ in read_pins(lock)}
        assert asked <= pinned, f"{lock} lacks {sorted(asked - pinned)}: run `make lock`"
        assert "setuptools" in pinned  # installs the project itself


def test_gpu_lock_differs_in_tensorflow_and_cuda_only() -> None:
    cpu, gpu = set(read_pins("requirements.lock")), set(read_pins("requirements-gpu.lock"))
    assert {package for package, *_ in cpu - gpu} == {"tensorflow-cpu"}
    extra = {package for package, *_ in gpu - cpu}
    assert "tensorflow" in extra
    assert all(package == "tensorflow" or package.startswith("nvidia-") for package in extra)
