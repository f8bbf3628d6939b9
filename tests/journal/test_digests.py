from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from glasshouse.journal.digests import REMEMBERED_FROM_BYTES, Digests
from glasshouse.journal.pipeline import read_lock, read_pipeline


def test_a_file_has_its_md5_and_what_is_not_there_has_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert Digests(tmp_path).digest("a") == "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321, MD5 ("abc")
    assert Digests(tmp_path).digest("b") is None


def test_a_folder_is_the_md5_of_its_sorted_listing(tmp_path: Path) -> None:
    for name in ("b", "a/c", "a-b"):  # "-" stands before "/", though folder a comes before a-b
        (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "f" / name).write_bytes(b"abc")
    md5 = "900150983cd24fb0d6963f7d28e17f72"
    rows = [f'{{"md5": "{md5}", "relpath": "{name}"}}' for name in ("a-b", "a/c", "b")]
    listing = f"[{', '.join(rows)}]"
    assert Digests(tmp_path).digest("f") == hashlib.md5(listing.encode()).hexdigest() + ".dir"


def test_a_file_that_cannot_be_read_has_no_digest_and_its_folder_has_one(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f/gone").symlink_to("nowhere")
    listing = '[{"md5": null, "relpath": "gone"}]'
    assert Digests(tmp_path).digest("f") == hashlib.md5(listing.encode()).hexdigest() + ".dir"


def test_large_files_are_remembered_until_size_or_time_changes(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"a" * REMEMBERED_FROM_BYTES)
    first = Digests(tmp_path)
    known = first.digest("large")
    first.save()
    status = path.stat()
    path.write_bytes(b"b" * REMEMBERED_FROM_BYTES)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Digests(tmp_path).digest("large") == known  # same size and time: not read again
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert Digests(tmp_path).digest("large") == hashlib.md5(b"b" * REMEMBERED_FROM_BYTES).hexdigest()
    path.write_bytes(b"b" * (REMEMBERED_FROM_BYTES + 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # the remembered time, another size
    assert Digests(tmp_path).digest("large") == hashlib.md5(path.read_bytes()).hexdigest()


def test_a_torn_memory_is_built_anew(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"a" * REMEMBERED_FROM_BYTES)
    (tmp_path / ".glasshouse").mkdir()
    (tmp_path / ".glasshouse/digests.json").write_text('{"large": [262')
    digests = Digests(tmp_path)
    digests.digest("large")
    digests.save()
    assert list(json.loads((tmp_path / ".glasshouse/digests.json").read_text())) == ["large"]


def test_dvc_itself_locks_the_same_digests(tmp_path: Path, run_python: Callable[..., Any]) -> None:
    """The reference: a pipeline run by DVC, with ignored files, nested folders, links and a large file."""
    script = (
        "import pathlib as p; o = p.Path('out'); (o / 'deep').mkdir(parents=True);"
        "(o / 'ä.bin').write_bytes(b'x' * 300_000); (o / 'deep' / 'a').write_text('1');"
        "(o / 'parity.json').write_text('2'); (o / 'a.b').write_text('3'); (o / 'a-b').write_text('4')"
    )
    (tmp_path / "make.py").write_text(script)
    (tmp_path / "pictures/inner/__pycache__").mkdir(parents=True)
    (tmp_path / "pictures/inner/one").write_text("1")
    (tmp_path / "pictures/inner/__pycache__/x.pyc").write_text("2")
    (tmp_path / "pictures/link").symlink_to("inner/one")
    (tmp_path / "pictures/linked").symlink_to("inner")
    (tmp_path / ".dvcignore").write_text("__pycache__/\n*.pyc\nout/parity.json\n.venv/\n")
    (tmp_path / "params.yaml").write_text("a: 1.0e-3\nb: {c: [1, 2]}\n")
    (tmp_path / "dvc.yaml").write_text(
        "stages: {one: {cmd: python make.py, deps: [make.py, pictures], params: [a, b.c], outs: [out]}}\n"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    code = "import dvc.cli as d; raise SystemExit(d.main(['init', '--no-scm']) or d.main(['repro']))"
    answer = run_python("-c", code, cwd=tmp_path, PATH=path)
    assert answer.returncode == 0, answer.stderr
    locked, digests = read_lock(tmp_path)["one"], Digests(tmp_path)
    assert locked.params == {"a": 0.001, "b.c": [1, 2]}
    assert locked.outs == {"out": digests.digest("out")}
    assert locked.deps == {path: digests.digest(path) for path in ("make.py", "pictures")}
    assert read_pipeline(tmp_path, {}).stages["one"].command == locked.command
