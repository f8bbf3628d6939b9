from __future__ import annotations

import os

import pytest

from glasshouse.training.quiet import quiet


def test_chatter_is_held_back_and_what_follows_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        os.write(1, b"chatter\n")
        os.write(2, b"from below\n")
    os.write(1, b"after\n")
    assert capfd.readouterr() == ("after\n", "")


def test_failure_shows_what_was_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="broken"), quiet():
        os.write(1, b"the reason\n")
        raise RuntimeError("broken")
    assert capfd.readouterr() == ("", "the reason\n")
