"""What waits to be accepted is what `glasshouse accept` would write, and is taken up once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from glasshouse.commands.accept import accept_version
from glasshouse.params import read_view
from glasshouse.quality.profile import write_profile
from glasshouse.retraining import retrain as steps
from glasshouse.retraining.acceptance import PROFILE, SPLITS, WAITING, accept_later, read_waiting, take_up
from glasshouse.retraining.change import Change, write_mark
from glasshouse.retraining.retrain import settle_state
from glasshouse.retraining.setting import Setting
from glasshouse.sources.example import Example
from glasshouse.tables.gather import write_raw
from glasshouse.tables.raw import TABLES, read_raw
from glasshouse.tables.schema import write_table
from glasshouse.tables.split import split_pictures
from glasshouse.tracking.store import Store, locate_store


@dataclass
class Noise:
    """Pictures of noise of two classes."""

    count: int
    categories: tuple[str, ...] = ("roses", "tulips")
    faults: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Example]:
        for number in range(self.count):
            pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "PNG")
            yield Example(f"{number}.png", stream.getvalue(), self.categories[number % 2], ())


def gather(root: Path, count: int) -> None:
    """data/raw, its profile, its split."""
    write_raw(Noise(count), root / "data/raw")
    raw, params = read_raw(root / "data/raw"), read_view("split", root / "params.yaml")
    tables = {name: getattr(raw, name) for name in TABLES}
    write_profile(root / "data/raw", tables, root / PROFILE, root / "reports/quality/profile.json")
    table = split_pictures(raw.images, raw.objects, params.split, params.seed, raw.categories, None)
    write_table(table, "split", root / "data/split.parquet")


@pytest.fixture
def root(project: Any) -> Path:
    gather(project.root, 24)
    folder: Path = project.root
    return folder


def test_it_waits_as_accept_would_write_it(root: Path) -> None:
    assert accept_later(root, "a" * 64)
    assert read_waiting(root) == "a" * 64
    waiting = {path.name: (root / WAITING / path.name).read_bytes() for path in (PROFILE, SPLITS)}
    assert not (root / PROFILE).exists()
    assert accept_version(root, force=True).outcome == "accepted"
    assert waiting == {path.name: (root / path).read_bytes() for path in (PROFILE, SPLITS)}
    assert not accept_later(root, "b" * 64)  # accepted already
    assert read_waiting(root) is None
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("  test: 0.10 ", "  test: 0.11 "))
    assert accept_later(root, "c" * 64)  # the same pictures in the same splits, of other shares
    assert read_waiting(root) == "c" * 64


@pytest.mark.parametrize("moved", [(), (SPLITS,), (SPLITS, PROFILE)])
def test_it_is_taken_up_whole_also_after_a_kill(moved: tuple[Path, ...], root: Path) -> None:
    accept_later(root, "a" * 64)
    wanted = {path: (root / WAITING / path.name).read_bytes() for path in (PROFILE, SPLITS)}
    for path in moved:  # by a run that was killed then
        (root / WAITING / path.name).replace(root / path)
    take_up(root)
    assert {path: (root / path).read_bytes() for path in (PROFILE, SPLITS)} == wanted
    assert not (root / WAITING).exists()
    take_up(root)
    assert read_waiting(root) is None


def test_only_another_state_takes_it_up(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state that was judged keeps its inputs, finished or not; a new one begins with the new ones."""
    setting = Setting(desk.root, locate_store(desk.root), None, None, desk.said.append)
    desk.project.set(
        "[pipeline/download.py, src/room.py]", "[pipeline/download.py, data/accepted.json]", "dvc.yaml"
    )
    desk.commit()
    judged = desk.state
    for path in (PROFILE, SPLITS):
        desk.project.write((WAITING / path.name).as_posix(), f"new {path.name}")
    desk.project.write((WAITING / "state.txt").as_posix(), f"{judged}\n")
    assert settle_state(setting) == judged and read_waiting(desk.root) == judged
    desk.project.set("seed: 7", "seed: 8")
    other = desk.state
    desk.project.write("reports/retrain.md", write_mark(other))
    desk.git("add", "--force", "reports/retrain.md")
    desk.git("commit", "--quiet", "--message", "another one, done before")
    assert Change(desk.root, other).is_held_by("HEAD")
    assert settle_state(setting) == other and read_waiting(desk.root) == judged
    desk.project.set("seed: 8", "seed: 9")
    third = desk.state
    assert settle_state(setting) == desk.state != third
    assert (desk.root / PROFILE).read_text() == "new accepted.json"
    assert desk.said == [f"the data version of state {judged[:12]} is accepted now"]
    assert settle_state(setting) == desk.state


def test_what_was_taken_back_is_not_taken_up(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """New pictures after a rollback: the data version of the state that was taken back is withdrawn."""
    setting = Setting(desk.root, locate_store(desk.root), None, None, desk.said.append)
    judged = desk.state
    for path in (PROFILE, SPLITS):
        desk.project.write((WAITING / path.name).as_posix(), f"new {path.name}")
    desk.project.write((WAITING / "state.txt").as_posix(), f"{judged}\n")
    desk.project.set("seed: 7", "seed: 8")
    before = [(desk.root / path).read_bytes() for path in (PROFILE, SPLITS)]

    def ask(root: Path, store: Any, state: str) -> bool:
        assert (root, store, state) == (desk.root, setting.store, judged)
        return True

    monkeypatch.setattr(steps, "is_taken_back", ask)
    assert settle_state(setting) == desk.state
    assert [(desk.root / path).read_bytes() for path in (PROFILE, SPLITS)] == before
    assert read_waiting(desk.root) is None
    assert desk.said == [f"the data version of state {judged[:12]} is not accepted: its model was taken back"]


def test_a_registry_that_is_away_keeps_nobody_from_training(desk: Any) -> None:
    setting = Setting(desk.root, Store("http://127.0.0.1:9", None), None, None, desk.said.append)
    judged = desk.state
    for path in (PROFILE, SPLITS):
        desk.project.write((WAITING / path.name).as_posix(), f"new {path.name}")
    desk.project.write((WAITING / "state.txt").as_posix(), f"{judged}\n")
    desk.project.set("seed: 7", "seed: 8")
    assert settle_state(setting) == desk.state
    assert (desk.root / PROFILE).read_text() == "new accepted.json" and read_waiting(desk.root) is None
    assert "does not answer" in desk.said[0] and "taken for not" in desk.said[0]
