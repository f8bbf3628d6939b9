"""Files that cannot be read: named, passed over by DVC, and taken off the list when they can be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glasshouse.cli import main
from glasshouse.commands.unreadable import find_unreadable, write_ignored
from glasshouse.sources.labelled import read_file

IGNORED = "# ours\n.venv/\n"
ODD = "dang ling[1] #!.jpg"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a good file, a dangling link and a pipe."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/rose"
    folder.mkdir(parents=True)
    (folder / "good.jpg").write_bytes(b"picture")
    (folder / "link.jpg").symlink_to("good.jpg")
    (folder / "loop").symlink_to("../rose")
    (folder / ODD).symlink_to("/nowhere/at all.jpg")
    os.mkfifo(folder / "pipe.jpg")
    (tmp_path / "params.yaml").write_text("dataset: {path: data}\n")
    (tmp_path / ".dvcignore").write_text(IGNORED)
    return tmp_path


def test_files_are_named_and_dvc_passes_over_just_them(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["unreadable"]) == 0
    said = capsys.readouterr().err
    assert f"data/rose/{ODD} (a link to /nowhere/at all.jpg, which leads nowhere)" in said
    assert "2 cannot be read" in said and "data/rose/pipe.jpg (no regular file)" in said
    assert "`download` sets them aside" in said
    ignored = (project / ".dvcignore").read_text()
    assert ignored.startswith(IGNORED) and "\n/data/rose/pipe.jpg\n" in ignored
    assert main(["unreadable"]) == 0 and (project / ".dvcignore").read_text() == ignored
    for name in (ODD, "pipe.jpg"):
        (project / "data/rose" / name).unlink()
    capsys.readouterr()
    assert main(["unreadable"]) == 0 and capsys.readouterr().err == ""
    assert (project / ".dvcignore").read_text() == IGNORED


def test_dvc_takes_the_digest_of_the_rest(project: Path) -> None:
    """What DVC itself makes of the lines: without them it stops, or waits for ever."""
    for name in ("space at the end.jpg ", "two\nlines.jpg", "two\r\nlines.jpg"):
        (project / "data/rose" / name).symlink_to("nowhere")
    assert main(["unreadable"]) == 0
    code = (
        "from dvc.repo import Repo; repo = Repo.init(no_scm=True); "
        "print(sorted(name for *_, names in repo.dvcignore.walk(repo.fs, repo.root_dir + '/data') "
        "for name in names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("['good.jpg', 'link.jpg']\n"), done.stderr


def test_what_dvc_cannot_pass_over_is_an_error(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("gone", str(project.parent / f"outside of {project.name}")):
        (project / "params.yaml").write_text(f"dataset: {{path: {path}}}\n")
        place = project / path
        if path != "gone":
            place.mkdir()
            place /= "a.jpg"
        place.symlink_to("nowhere")
        assert main(["unreadable"]) == 1
        assert "a link to nowhere, which leads nowhere" in capsys.readouterr().err
    (project / "params.yaml").write_text("dataset: {path: not/there}\n")
    assert main(["unreadable"]) == 0  # DVC says so itself


@pytest.mark.skipif(sys.platform != "linux", reason="file systems elsewhere take no other names")
def test_names_that_are_no_text_are_told_and_lose_no_line(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVC stops at them, whatever .dvcignore says, and names none."""
    for name, link in ((b"caf\xe9.jpg", False), (b"gar\xe7on.jpg", True)):
        path = os.path.join(os.fsencode(project / "data/rose"), name)
        os.symlink(b"nowhere", path) if link else Path(os.fsdecode(path)).touch()
    assert main(["unreadable"]) == 1
    said = capsys.readouterr().err
    for name in (r"caf\udce9.jpg", r"gar\udce7on.jpg"):
        assert rf"data/rose/{name} (its name is not UTF-8: rename it)" in said
    assert "would stop there" in said
    ignored = (project / ".dvcignore").read_text()
    assert ignored.startswith(IGNORED) and "pipe.jpg" in ignored and "caf" not in ignored


def test_names_are_told_in_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the log of a workflow a line that begins with two colons is a command."""
    (project / "data/rose/a\n::error::b.jpg").symlink_to("c\n::stop-commands::d\x1b[2J")
    assert main(["unreadable"]) == 0
    said = capsys.readouterr().err
    assert r"rose/a\n::error::b.jpg (a link to c\n::stop-commands::d\x1b[2J, which leads nowhere)" in said
    assert len(said.splitlines()) == 1


def test_a_path_that_leads_out_by_dots_is_outside(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = project.parent / f"pictures of {project.name}"
    outside.mkdir()
    (outside / "bad.jpg").symlink_to("nowhere")
    (project / "params.yaml").write_text(f"dataset: {{path: ../{outside.name}}}\n")
    assert main(["unreadable"]) == 1
    assert "DVC or `download` would stop there" in capsys.readouterr().err
    assert (project / ".dvcignore").read_text() == IGNORED


def test_reasons_come_from_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "locked").mkdir()

    def deny(path: object, *_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", deny)
    assert list(find_unreadable(tmp_path)) == [(tmp_path / "a.jpg", "Permission denied")]
    monkeypatch.setattr(os, "scandir", deny)
    (found,) = find_unreadable(tmp_path)
    assert found == (tmp_path, "the folder cannot be listed: Permission denied")


def test_lines_of_others_stay_and_a_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    file = tmp_path / ".dvcignore"
    write_ignored(file, [])
    assert not file.exists()
    write_ignored(file, ["a\\b*.jpg", "c "])
    assert "/a\\\\b\\*.jpg\n/c[ ]\n" in file.read_text()
    file.write_text(file.read_text() + "after/\n")
    write_ignored(file, [])
    assert file.read_text().strip() == "after/"


def test_a_pipe_is_not_waited_for(project: Path) -> None:
    assert read_file(project / "data/rose/pipe.jpg") == (b"", "cannot be read: no regular file")
