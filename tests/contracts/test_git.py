"""What git does to files on their way into a working tree, which must be nothing: dvc.lock digests bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = b"a: 1\nb: 2\n"


@pytest.mark.parametrize("setting", ["true", "input", "false"])
def test_a_clone_has_the_bytes_of_the_commit_whatever_is_set_for_line_ends(
    setting: str, tmp_path: Path
) -> None:
    """`core.autocrlf=true` gave every text file other line ends, and so nothing was up to date."""
    root = tmp_path / "project"
    root.mkdir()
    (root / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    (root / "params.yaml").write_bytes(LINES)
    (root / "from_windows.csv").write_bytes(LINES.replace(b"\n", b"\r\n"))
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgsign=false")
    for words in (
        ("init", "--quiet", "."),
        ("add", "--all"),
        (*identity, "commit", "--quiet", "-m", "all"),
        ("clone", "--quiet", ".", "clone"),
    ):
        subprocess.run(["git", "-c", f"core.autocrlf={setting}", *words], cwd=root, check=True)
    for name in ("params.yaml", "from_windows.csv"):
        assert (root / "clone" / name).read_bytes() == (root / name).read_bytes()
