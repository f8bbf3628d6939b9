"""Git that does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasshouse.journal import git


def test_git_that_hangs_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = tmp_path / "git"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(git, "PATIENCE_S", 0.5)
    with pytest.raises(ValueError, match=r"`git rev-parse HEAD` has not answered within 0.5 s: try it by"):
        git.read_commit(tmp_path)
