"""What must not come out of an archive: nothing outside of its folder, no link, no bomb."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.sources import unpacking
from glasshouse.sources.archives import UNPACKED, open_archive
from glasshouse.sources.example import SourceError
from glasshouse.sources.fetch import hash_file

from .files import FILES, KINDS, Member, pack, pack_member, read_tree, refuse

REPOSITORY = Path(__file__).parents[3]


ESCAPES = (
    "../evil",
    "set/../../evil",
    "/tmp/evil",
    "C:/evil",
    "c:evil",
    "..\\evil",
    "set\\..\\..\\evil",
    "\\evil",
    "..",
)


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ESCAPES)
def test_paths_that_leave_the_folder_are_refused(here: Path, kind: str, name: str) -> None:
    archive = pack(here / f"set.{kind}", [("set/a.jpg", b"x"), (name, b"evil")])
    message = refuse(archive, "may leave the folder")
    assert message.startswith(f"dataset: {archive}: member {name!r}")
    assert not any("evil" in path.name for path in here.rglob("*"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_tar_are_refused(here: Path, kind: bytes) -> None:
    what = "is a link" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else "is a device"
    assert "member 'set/link'" in refuse(pack_member(here / "set.tar", kind), what)


def test_links_in_zip_are_refused(here: Path) -> None:
    info = zipfile.ZipInfo("set/link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(here / "set.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "member 'set/link'" in refuse(here / "set.zip", "is a link or device")


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    "names",
    [
        ("a/1.jpg", "a/1.jpg"),
        ("a/1.jpg", "./a//1.jpg"),
        ("a/\u00e9.jpg", "a/e\u0301.jpg"),  # one name to whoever reads it
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_come_twice_are_refused(here: Path, kind: str, names: tuple[str, str]) -> None:
    archive = pack(here / f"set.{kind}", [(names[0], b"one"), (names[1], b"two")])
    assert f"member {names[1]!r}" in refuse(archive, "comes twice")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_file_cannot_also_be_a_folder(here: Path, kind: str) -> None:
    for names in (["a", "a/1.jpg"], ["a/1.jpg", "a"]):
        refuse(
            pack(here / f"set.{kind}", [(name, b"x") for name in names]), "has the place of another member"
        )


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_no_disk_holds_are_refused(here: Path, kind: str) -> None:
    refuse(pack(here / f"set.{kind}", {f"a/{'x' * 300}.jpg": b"x"}), "cannot hold")


def test_names_that_are_not_utf8_are_refused(here: Path) -> None:
    with tarfile.open(here / "set.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        tar.addfile(tarfile.TarInfo("a/\xe9.jpg"))
    assert "udce9" in refuse(here / "set.tar", "not UTF-8")


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", ["a\n::error::b.jpg", "a\x1b[2J.jpg", "a\u2028b.jpg"])
def test_names_that_end_a_line_or_steer_a_terminal_are_refused(here: Path, kind: str, name: str) -> None:
    message = refuse(pack(here / f"set.{kind}", {f"a/{name}": b"x"}), "another control character")
    assert message.isprintable()


def test_names_that_hold_a_zero_are_refused(here: Path) -> None:
    """Python would end the name there, others would not."""
    archive = pack(here / "set.zip", {"set/a.jpg_evil": b"x"})
    archive.write_bytes(archive.read_bytes().replace(b"a.jpg_evil", b"a.jpg\0evil"))
    assert "a.jpg\\x00evil" in refuse(archive, "holds a zero")


def test_utf8_names_without_the_flag_are_read_as_utf8(here: Path) -> None:
    """As the archiver of macOS writes them."""
    archive = pack(here / "set.zip", {"a/K\u00f6nig.jpg": b"x"})
    flagged = archive.read_bytes()
    plain = flagged.replace(b"\x00\x08", b"\x00\x00")  # bit 11 of the flags, in both headers
    assert plain != flagged
    archive.write_bytes(plain)
    with zipfile.ZipFile(archive) as source:
        assert source.namelist() == ["a/K\u251c\u2562nig.jpg"]  # what Python takes it for
    top = open_archive(archive, "none", "none")
    assert list(read_tree(top)) == ["a/K\u00f6nig.jpg"]


def test_encrypted_zips_are_refused(here: Path) -> None:
    archive = pack(here / "set.zip", FILES)
    content = bytearray(archive.read_bytes())
    start = content.rindex(b"PK\x01\x02")
    content[start + 8] |= 1
    archive.write_bytes(bytes(content))
    assert "member 'set/README.md'" in refuse(archive, "is encrypted")


def test_methods_that_python_cannot_read_are_refused(here: Path) -> None:
    archive = pack(here / "set.zip", {"set/a.jpg": b"x" * 99})
    content = bytearray(archive.read_bytes())
    start = content.rindex(b"PK\x01\x02")
    content[start + 10] = 9  # deflate64, as Windows writes large files
    archive.write_bytes(bytes(content))
    assert "member 'set/a.jpg'" in refuse(archive, "cannot be unpacked")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.99])
def test_archives_that_are_cut_off_are_refused(here: Path, kind: str, share: float) -> None:
    noise = [hashlib.sha256(bytes([n])).digest() * 100 for n in range(20)]
    archive = pack(here / f"set.{kind}", {f"set/{n}.jpg": content for n, content in enumerate(noise)})
    content = archive.read_bytes().rstrip(b"\0")  # tar fills up with zeros, which may be missing
    archive.write_bytes(content[: int(len(content) * share)])
    assert str(archive) in refuse(archive, "cut off|no archive")


def test_a_tar_cut_between_two_members_is_refused(here: Path) -> None:
    """Every member is whole; only the mark at the end is missing."""
    archive = pack(here / "set.tar", {"set/a.jpg": b"a" * 512, "set/b.jpg": b"b" * 512})
    archive.write_bytes(archive.read_bytes()[:1024])
    refuse(archive, "mark at its end is missing")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_bytes_that_changed_are_found_by_the_checksum(here: Path, kind: str) -> None:
    noise = b"".join(hashlib.sha256(bytes([n, m])).digest() for n in range(99) for m in range(99))
    archive = pack(here / f"set.{kind}", {"set/a.jpg": noise})
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(bytes(content))
    refuse(archive, "damaged or cut off")


def test_empty_archives_are_refused(here: Path) -> None:
    for kind in ("zip", "tar", "tar.gz"):
        refuse(pack(here / f"set.{kind}", {}), "is empty")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz"])
def test_bombs_are_refused_before_they_are_written(
    here: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(unpacking, "RATIO_FLOOR_BYTES", 1 << 20)
    archive = pack(here / f"set.{kind}", {"set/a.jpg": b"x", "set/bomb.jpg": bytes(16 << 20)})
    assert (16 << 20) / archive.stat().st_size > unpacking.MAX_RATIO
    written: list[int] = []
    copy = unpacking.shutil.copyfileobj
    monkeypatch.setattr(unpacking.shutil, "copyfileobj", lambda *a: (written.append(1), copy(*a)))
    assert "member 'set/bomb.jpg'" in refuse(archive, "looks like a bomb")
    assert len(written) == 1  # a.jpg


def test_small_archives_of_blank_pictures_are_no_bombs(here: Path) -> None:
    archive = pack(here / "set.zip", {"set/mask.png": bytes(4 << 20), "set/b.png": bytes(4 << 20)})
    assert (8 << 20) / archive.stat().st_size > unpacking.MAX_RATIO
    assert len(read_tree(open_archive(archive, "none", "none"))) == 2


def test_a_tar_that_hides_its_size_in_headers_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pax header of 16 MiB of zeros, which tarfile would take into memory."""
    monkeypatch.setattr(unpacking, "RATIO_FLOOR_BYTES", 1 << 20)
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 16 << 20
    with gzip.open(here / "set.tar.gz", "wb") as stream:
        stream.write(info.tobuf(tarfile.USTAR_FORMAT) + bytes(16 << 20) + bytes(1024))
    refuse(here / "set.tar.gz", "looks like a bomb")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_fills_the_memory_is_refused(here: Path, kind: bytes) -> None:
    """64 MiB within the limit of all that may come out, which grows with the archive."""
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, 64 << 20
    member = tarfile.TarInfo("set/a.jpg").tobuf(tarfile.USTAR_FORMAT)
    with gzip.open(here / "set.tar.gz", "wb") as stream:
        stream.write(member + info.tobuf(tarfile.USTAR_FORMAT) + bytes(64 << 20) + member + bytes(1024))
    refuse(here / "set.tar.gz", "has a header of more than 16,777,216 bytes")


def test_a_thousand_headers_of_one_member_are_refused(here: Path) -> None:
    info = tarfile.TarInfo("header")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    header = info.tobuf(tarfile.USTAR_FORMAT) + b"a\0" + bytes(510)
    member = tarfile.TarInfo("set/a.jpg").tobuf(tarfile.USTAR_FORMAT)
    (here / "set.tar").write_bytes(header * 2000 + member + bytes(1024))
    refuse(here / "set.tar", "is damaged")


def test_a_file_larger_than_any_header_comes_out(here: Path) -> None:
    archive = pack(here / "set.tar", {"set/a.bin": bytes(17 << 20), "set/b.bin": bytes(17 << 20)})
    assert len(read_tree(open_archive(archive, "none", "none"))) == 2


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_too_many_files_are_refused(here: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(unpacking, "MAX_FILES", 3)
    refuse(pack(here / f"set.{kind}", FILES), "more than 3 files")


def test_a_zip_that_lies_about_its_size_is_refused(here: Path) -> None:
    archive = pack(here / "set.zip", {"set/a.jpg": b"x" * 5000})
    content = bytearray(archive.read_bytes())
    start = content.rindex(b"PK\x01\x02")
    content[start + 24 : start + 28] = (100).to_bytes(4, "little")
    archive.write_bytes(bytes(content))
    refuse(archive, "member 'set/a.jpg' is damaged")


def test_no_mode_bits_come_out(here: Path) -> None:
    with tarfile.open(here / "set.tar", "w") as tar:
        info = tarfile.TarInfo("set/run.sh")
        info.mode = 0o6777
        tar.addfile(info)
        tar.addfile(tarfile.TarInfo("set/b"))
    top = open_archive(here / "set.tar", "none", "none")
    assert (top / "run.sh").stat().st_mode & 0o6111 == 0


def test_full_disk_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object) -> None:
        raise OSError(28, "No space left on device")

    archive = pack(here / "set.zip", FILES)
    monkeypatch.setattr(unpacking.shutil, "copyfileobj", fill)
    with pytest.raises(OSError, match="No space left"):
        open_archive(archive, "none", "none")
    assert list(UNPACKED.glob("*")) == []


def test_killed_in_the_middle_then_again(here: Path, wait_for: Callable[..., None]) -> None:
    archive = pack(here / "set.zip", {f"set/{n}.jpg": b"x" * 100 for n in range(50)})
    code = (
        "import time; from pathlib import Path; from glasshouse.sources import archives, unpacking\n"
        "add = unpacking.Target.add_file\n"
        "def slow(self, *rest):\n    add(self, *rest); time.sleep(0.2)\n"
        "unpacking.Target.add_file = slow\n"
        "archives.open_archive(Path('set.zip'), 'none', 'none')"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=here, env=environment)
    wait_for(lambda: any(UNPACKED.glob(".*.new/set/3.jpg")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (UNPACKED / hash_file(archive)).exists()
    assert len(read_tree(open_archive(archive, "none", "none"))) == 50
    assert [path.name for path in UNPACKED.iterdir()] == [hash_file(archive)]


NAMES = st.text(st.sampled_from("ab./\\:\u00e9"), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(NAMES, st.binary(max_size=20)), min_size=1, max_size=4),
    st.sampled_from(["zip", "tar"]),
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_whatever_the_names_nothing_is_written_outside(members: list[Member], kind: str) -> None:
    """Either all files come out with their content, or nothing does and it says why."""
    assert not Path("pyproject.toml").exists()  # what follows clears the folder
    for left in Path.cwd().iterdir():
        shutil.rmtree(left)
    place = Path("a", "b")
    place.mkdir(parents=True)
    archive = place / f"set.{kind}"
    try:
        pack(archive, members)
    except (ValueError, IndexError):  # what the packer itself refuses
        return
    try:
        open_archive(archive, "none", "none")
    except SourceError as error:
        assert str(archive) in str(error)
        assert list(UNPACKED.iterdir()) == []
    else:
        folders = [(name, content) for name, content in members if kind == "zip" and name[-1] == "/"]
        files = sorted(content for name, content in members if (name, content) not in folders or content)
        assert sorted(read_tree(UNPACKED / hash_file(archive)).values()) == files
    outside = [path for path in Path().rglob("*") if path.is_file() and UNPACKED not in path.parents]
    assert outside == [archive]
