from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from glasshouse.retraining.programs import ProgramFailed, ask, find_program
from glasshouse.retraining.shelf import (
    DataFault,
    Remote,
    RemoteAway,
    fetch_pictures,
    fetch_weights,
    find_remote,
    knock,
    list_weights,
    pull,
    push,
    tracks,
)

TRACKED = Path("data/photos.dvc")
PLAIN = "outs:\n- md5: 1.dir\n  path: photos\n"
IMPORTED = "frozen: true\ndeps:\n- path: /bucket\n  md5: 1.dir\n" + PLAIN
UNSAVED = "ERROR: failed to pull data - Can't remove the following unsaved files without confirmation.\n"


def say_status(**changes: Any) -> dict[str, Any]:
    return {"says": json.dumps({"uncommitted": {"modified": ["data/photos/"], **changes}})}


def test_the_default_remote_is_found_and_its_password_is_not_shown(desk: Any) -> None:
    assert find_remote(desk.root) is None
    desk.plan("dvc", **{"config core.remote": {"says": "web\n"}})
    desk.plan("dvc", **{"config remote.web.url": {"says": "https://ada:secret@host/data\n"}})
    remote = find_remote(desk.root)
    assert remote == Remote("web", "https://ada:secret@host/data")
    assert remote is not None and remote.shown == "web (https://host/data)"


def test_a_folder_or_host_that_is_away_is_told(tmp_path: Path) -> None:
    knock(Remote("shelf", str(tmp_path)))
    knock(Remote("bucket", "s3://bucket/path"))  # answers for itself
    with pytest.raises(RemoteAway, match="is no folder here"):
        knock(Remote("shelf", str(tmp_path / "none")))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        knock(Remote("web", address))
    with pytest.raises(RemoteAway, match="does not answer"):
        knock(Remote("web", address))


def test_pull_and_push_say_the_last_error(desk: Any, tmp_path: Path) -> None:
    remote = Remote("shelf", str(tmp_path))
    pull(desk.root, remote, ["download", "export"])
    assert desk.calls("dvc") == ["pull --run-cache --force --allow-missing download export"]
    noise = "WARNING: x\nERROR: unexpected error - denied\n\nHaving any troubles? Hit us up at ...\n"
    desk.plan("dvc", pull={"status": 255, "errs": noise}, push={"status": 1, "errs": noise})
    for call in (lambda: pull(desk.root, remote, []), lambda: push(desk.root, remote)):
        with pytest.raises(RemoteAway, match=r"failed: ERROR: unexpected error - denied\.$"):
            call()


def test_pictures_are_pulled_by_their_file_of_dvc(desk: Any) -> None:
    assert tracks(desk.root, "data/photos") is None
    desk.project.write(TRACKED.as_posix(), PLAIN)
    assert tracks(desk.root, "data/photos") == TRACKED
    assert fetch_pictures(desk.root, TRACKED, None) == "the pictures are as data/photos.dvc says"
    assert desk.calls("dvc") == ["checkout data/photos.dvc"]
    desk.plan("dvc", checkout={"status": 1, "errs": "ERROR: no cache\n"})
    with pytest.raises(RemoteAway, match=r"there is no default remote.*no cache"):
        fetch_pictures(desk.root, TRACKED, None)


def test_pictures_are_also_kept_with_the_folder_around_them(desk: Any) -> None:
    desk.project.write(TRACKED.as_posix(), PLAIN)
    assert tracks(desk.root, "data/photos/") == tracks(desk.root, "data/photos/images") == TRACKED
    assert tracks(desk.root, "../data/photos") is None


def test_an_import_into_the_folder_of_the_pictures_is_refused(desk: Any) -> None:
    desk.project.write("data/pictures/README.md", "in git")
    assert tracks(desk.root, "data/pictures") is None
    desk.project.write("data/pictures/bucket.dvc", IMPORTED)
    with pytest.raises(
        DataFault, match=r"^data/pictures/bucket\.dvc lies in dataset\.path \(data/pictures\)"
    ):
        tracks(desk.root, "data/pictures")
    desk.project.write("data/pictures.dvc", PLAIN)
    assert tracks(desk.root, "data/pictures") == Path("data/pictures.dvc")


def test_the_documents_let_dvc_keep_no_folder_that_is_in_git() -> None:
    repository = Path(__file__).parents[2]
    texts = [repository / name for name in ("README.md", "docs/retraining.md", "data/pictures/README.md")]
    given = re.compile(r"`dvc (?:add|import-url \S+) (data/\w+)`")
    for text in texts:
        folders = set(given.findall(text.read_text(encoding="utf-8")))
        assert folders and not [each for each in folders if (repository / each / "README.md").exists()], text


def test_clones_get_the_file_by_which_dvc_keeps_pictures_out_of_git(desk: Any) -> None:
    """`dvc add` writes data/.gitignore: where a clone lacks it, `git add --all` takes the pictures."""
    repository = Path(__file__).parents[2]
    desk.project.write(".gitignore", (repository / ".gitignore").read_text(encoding="utf-8"))
    for name, content in (
        ("data/.gitignore", "/photos\n"),
        ("data/photos/a.jpg", "a"),
        ("data/.download-1/a.jpg", "a"),  # of a stage that was killed
    ):
        desk.project.write(name, content)
    listed = desk.git("ls-files", "--others", "--exclude-standard", "data").splitlines()
    assert "data/.gitignore" in listed
    assert not [name for name in listed if name.endswith(".jpg")]


def test_weights_are_brought_by_their_files_of_dvc(desk: Any, tmp_path: Path) -> None:
    assert list_weights(desk.root, "builtin") == []
    for name in ("data/weights/mine.h5.dvc", "data/weights/other.h5.dvc", "far/mine.h5.dvc"):
        desk.project.write(name, PLAIN)
    beside = [Path("data/weights/mine.h5.dvc"), Path("data/weights/other.h5.dvc")]
    assert list_weights(desk.root, "data/weights/other.h5") == beside[::-1]
    assert list_weights(desk.root, "far/mine.h5") == [Path("far/mine.h5.dvc"), *beside]
    said = "the weights are as data/weights/mine.h5.dvc, data/weights/other.h5.dvc say"
    assert fetch_weights(desk.root, beside, Remote("shelf", str(tmp_path))) == said
    assert fetch_weights(desk.root, beside[:1], None).endswith("mine.h5.dvc says")
    names = " ".join(path.as_posix() for path in beside)
    assert desk.calls("dvc") == [f"pull {names}", "checkout data/weights/mine.h5.dvc"]
    desk.plan("dvc", checkout={"status": 1, "errs": "ERROR: no cache\n"})
    with pytest.raises(
        RemoteAway, match=r"the weights of .* \(there is no default remote\): ERROR: no cache"
    ):
        fetch_weights(desk.root, beside, None)
    desk.plan("dvc", checkout={"status": 1, "errs": UNSAVED})
    with pytest.raises(DataFault, match=r"^weights here are not as data/weights/mine\.h5\.dvc.* say, "):
        fetch_weights(desk.root, beside, None)


def test_an_import_is_asked_for_news(desk: Any) -> None:
    desk.project.write(TRACKED.as_posix(), IMPORTED)
    assert fetch_pictures(desk.root, TRACKED, None).endswith("it is the same")
    path = desk.root / TRACKED
    desk.plan("dvc", update={"script": f"pathlib.Path({str(path)!r}).write_text('frozen: true')"})
    assert fetch_pictures(desk.root, TRACKED, None).endswith("there is something new")
    desk.project.write(TRACKED.as_posix(), IMPORTED)
    desk.plan("dvc", update={"status": 1, "errs": "ERROR: failed update data - /bucket does not exist\n"})
    with pytest.raises(ProgramFailed, match="/bucket does not exist"):
        fetch_pictures(desk.root, TRACKED, None)


def test_pictures_added_by_hand_are_taken_in_where_nothing_is_lost(desk: Any) -> None:
    desk.project.write(TRACKED.as_posix(), PLAIN)
    desk.plan("dvc", checkout={"status": 1, "errs": UNSAVED})
    desk.plan("dvc", data_status=say_status(added=["data/photos/a.jpg", "data/photos/b.jpg"]))
    assert fetch_pictures(desk.root, TRACKED, None) == "2 pictures were added to data/photos here"
    desk.plan("dvc", data_status=say_status(added=["data/photos/a.jpg"], deleted=["data/photos/c.jpg"]))
    with pytest.raises(DataFault, match=r"such as data/photos/c\.jpg\)\. Keep .*`dvc add data/photos`"):
        fetch_pictures(desk.root, TRACKED, None)
    moved = [{"old": "data/photos/d.jpg", "new": "data/photos/e.jpg"}]
    desk.plan("dvc", data_status=say_status(added=["data/photos/a.jpg"], renamed=moved))
    with pytest.raises(DataFault, match=r"such as data/photos/d\.jpg\)"):
        fetch_pictures(desk.root, TRACKED, None)
    desk.project.write(TRACKED.as_posix(), IMPORTED)
    desk.plan("dvc", data_status=say_status(added=["data/photos/a.jpg"]))
    with pytest.raises(DataFault, match="is imported, and holds files that were put there by hand"):
        fetch_pictures(desk.root, TRACKED, None)


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    assert find_program("no-such-program") is None
    with pytest.raises(ProgramFailed, match="no-such-program is not installed"):
        ask(tmp_path, "no-such-program")
