from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from glasshouse.journal import git
from glasshouse.journal.git import ask_git, has_changes, read_commit


def test_without_a_repository_or_commit_there_is_no_answer(tmp_path: Path) -> None:
    assert read_commit(tmp_path) is None
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert read_commit(tmp_path) is None and not has_changes(tmp_path)


def test_a_name_that_is_no_text_is_no_traceback(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    with (tmp_path / ".git/config").open("ab") as stream:
        stream.write(b"[user]\n\tname = Jos\xe9\n")
    assert ask_git(tmp_path, "config", "user.name") == "Jos\ufffd"


def test_files_that_git_does_not_know_are_no_changes(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "known").write_text("1")
    subprocess.run(["git", "add", "known"], cwd=tmp_path, check=True)
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, "commit", "--quiet", "-m", "one"], cwd=tmp_path, check=True)
    (tmp_path / "unknown").write_text("1")
    assert not has_changes(tmp_path)
    (tmp_path / "known").write_text("2")
    assert has_changes(tmp_path)


def test_a_git_that_hangs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(git, "PATIENCE_SECONDS", 0.2)
    with pytest.raises(ValueError, match=r"`git status .*` did not end within 0\.2 s in .*: see by hand"):
        has_changes(tmp_path)
