"""Standard streams as schedulers and terminals of all kinds leave them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SAY = "from glasshouse.journal.streams import open_streams; open_streams(); print('gänseblümchen 雛菊')"


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("ascii", b"g\\xe4nsebl\\xfcmchen \\u96db\\u83ca\n"),
        ("latin-1", "gänseblümchen ".encode("latin-1") + b"\\u96db\\u83ca\n"),
        ("utf-8", "gänseblümchen 雛菊\n".encode()),
    ],
)
def test_a_letter_that_the_output_lacks_ends_no_command(encoding: str, printed: bytes) -> None:
    around = {**os.environ, "PYTHONIOENCODING": encoding}
    assert subprocess.run([sys.executable, "-c", SAY], env=around, stdout=subprocess.PIPE).stdout == printed


def test_a_closed_output_takes_whatever_is_printed() -> None:
    done = subprocess.run(["sh", "-c", '"$0" -c "$1" >&-', sys.executable, SAY], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
