"""`glasshouse predict` as a person runs it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from glasshouse.cli import main
from glasshouse.prediction import batch
from glasshouse.prediction.tables import JsonList

Encode = Callable[..., bytes]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: Encode) -> Path:
    """Three pictures, two of one name, and three files that are none."""
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "in/a/1.jpg": encoded((255, 0, 0)),
        "in/b/1.jpg": encoded((200, 255, 0), (100, 100)),
        'in/b/чашка, "2".png': encoded((0, 0, 0), kind="PNG"),
        "in/b/cut.jpg": encoded((255, 0, 0))[:300],
        "in/empty.jpg": b"",
        "in/words.jpg": b"words",
        "in/notes.txt": b"x",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    return tmp_path


def test_pictures_tables_and_what_could_not_be_read(
    folder: Path, box_network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "in", "--model", str(box_network), "--score", "0.5"]) == 0
    said = capsys.readouterr()
    assert said.out == (
        "3 pictures, 3 objects, 3 could not be read, 1 files are no pictures by their suffix: predictions\n"
    )
    assert "not read: in/empty.jpg: empty file (0 bytes)" in said.err
    out = folder / "predictions"
    rows = json.loads((out / "predictions.json").read_text(encoding="utf-8"))
    assert [row["file"] for row in rows] == ["in/a/1.jpg", "in/b/1.jpg", 'in/b/чашка, "2".png']
    assert rows[0]["objects"][0]["box_xyxy_px"] == [16.0, 16.0, 48.0, 48.0]
    with (out / "predictions.csv").open(encoding="utf-8-sig", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [(row["file"], row["label"]) for row in table] == [
        ("in/a/1.jpg", "red"), ("in/b/1.jpg", "green"), ("in/b/1.jpg", "red")
    ]  # fmt: skip
    reasons = {row["file"]: row["reason"] for row in json.loads((out / "unreadable.json").read_text())}
    assert set(reasons) == {"in/b/cut.jpg", "in/empty.jpg", "in/words.jpg"}
    assert "truncated" in reasons["in/b/cut.jpg"]
    drawn = {path.relative_to(out / "pictures").as_posix(): path for path in (out / "pictures").rglob("*.*")}
    assert set(drawn) == {"a/1.jpg", "b/1.jpg", 'b/чашка, "2".png.jpg'}
    assert Image.open(drawn["b/1.jpg"]).size == (100, 100)


def test_names_are_told_in_one_line(
    folder: Path, box_network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in/a\x1b[2J\nb.jpg").write_bytes(b"words")
    assert main(["predict", "in", "--model", str(box_network)]) == 0
    assert r"not read: in/a\x1b[2J\nb.jpg: not a picture" in capsys.readouterr().err


def test_pycocotools_reads_the_coco_files(folder: Path, box_network: Path) -> None:
    from pycocotools.coco import COCO

    main(["predict", "in", "--model", str(box_network), "--format", "coco", "--no-draw", "--out", "out"])
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "coco_images.json", "coco_results.json", "unreadable.json"
    ]  # fmt: skip
    images = COCO()
    images.dataset = json.loads(Path("out/coco_images.json").read_text(encoding="utf-8"))
    images.createIndex()
    results = images.loadRes("out/coco_results.json")
    first = results.loadAnns(results.getAnnIds(imgIds=[1]))
    assert [(row["bbox"], row["category_id"]) for row in first] == [([16.0, 16.0, 32.0, 32.0], 1)]
    assert images.cats[2]["name"] == "green"


def test_a_second_run_touches_nothing_of_the_first(
    folder: Path, box_network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", "in", "--model", str(box_network)]
    assert main(command) == main(command) == 0
    assert (folder / "predictions-2/predictions.json").read_bytes() == (
        folder / "predictions/predictions.json"
    ).read_bytes()
    assert main([*command, "--out", "predictions"]) == 1
    assert "Nothing was overwritten" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--format", "csv"], ["--format", "coco", "--explain"]])
def test_a_run_does_not_read_what_the_one_before_drew(
    folder: Path, box_network: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", ".", "--model", str(box_network), *options]
    assert main(command) == 0
    first = capsys.readouterr()
    assert main(command) == 0
    second = capsys.readouterr()
    assert second.out == first.out.replace("predictions", "predictions-2")
    said = "passed over: predictions: an earlier run wrote it; name it to have it read\n"
    assert said in second.err and "passed over" not in first.err


def test_status_1_where_nothing_could_be_read(folder: Path, box_network: Path) -> None:
    assert main(["predict", "in/words.jpg", "in/empty.jpg", "--model", str(box_network)]) == 1
    assert json.loads((folder / "predictions/predictions.json").read_text()) == []
    assert len(json.loads((folder / "predictions/unreadable.json").read_text())) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "xml"], "no format xml"),
        (["--score", "30"], "--score must be from 0 to 1. Got 30 instead"),
        (["--model", "away.onnx"], "no such model"),
        (["--model", "models:/x"], "must be models:/NAME@ALIAS or models:/NAME/VERSION"),
        ([], "no params.yaml here"),
    ],
)
def test_a_wrong_option_is_told_and_nothing_written(
    folder: Path, box_network: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = [] if "--model" in options or not options else ["--model", str(box_network)]
    assert main(["predict", "in", *model, *options]) == 1
    assert said in capsys.readouterr().err
    assert not (folder / "predictions").exists()


def test_names_that_the_file_system_hardly_takes_cost_no_picture(
    folder: Path, box_network: Path, encoded: Encode
) -> None:
    data = encoded((255, 0, 0))
    names = [f"{'n' * 247}.jpg", f"{'x' * 248}.png", "a.png", "a.png.jpg/c.jpg"]
    for name in names:
        (folder / "odd" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "odd" / name).write_bytes(data)
    assert main(["predict", "odd", "--model", str(box_network), "--explain"]) == 0
    assert len(json.loads((folder / "predictions/predictions.json").read_text())) == len(names)
    assert len(list((folder / "predictions/pictures").rglob("*.jpg"))) == len(names) + 1  # and the folder


def test_a_path_too_long_to_draw_is_told_and_the_rest_is_done(
    folder: Path, box_network: Path, encoded: Encode, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = Path("in", *["d" * 250] * 14)  # 3,516 bytes; PATH_MAX is 4,096
    deep.mkdir(parents=True)
    (deep / "x.jpg").write_bytes(encoded((255, 0, 0)))
    out = "/".join(["o" * 200] * 3)
    assert main(["predict", "in", "--model", str(box_network), "--out", out]) == 0
    assert "x.jpg: File name too long\n" in capsys.readouterr().err
    rows = json.loads(Path(out, "predictions.json").read_text(encoding="utf-8"))
    assert len(rows) == 4 and len(list(Path(out, "pictures").rglob("*.jpg"))) == 3


def test_links_that_lead_nowhere_and_pipes_are_listed(folder: Path, box_network: Path) -> None:
    os.symlink("gone.jpg", "in/broken.jpg")
    os.mkfifo("in/pipe.jpg")
    assert main(["predict", "in", "--model", str(box_network)]) == 0
    rows = json.loads((folder / "predictions/unreadable.json").read_text())
    reasons = {row["file"]: row["reason"] for row in rows}
    assert reasons["in/broken.jpg"] == "a link that leads nowhere"
    assert reasons["in/pipe.jpg"] == "no regular file, but a pipe, a device or the like"


FULL = """
import resource, sys
from glasshouse.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
raise SystemExit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("limit_bytes", "options", "place"),
    [(500, [], "predictions/pictures/a/1.jpg"), (20, ["--no-draw"], "predictions/predictions.csv")],
)
def test_a_full_disk_is_told_with_the_path(
    folder: Path, box_network: Path, limit_bytes: int, options: list[str], place: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(batch.__file__).parents[2])}
    command = [sys.executable, "-c", FULL, str(limit_bytes), "predict", "in", "--model", str(box_network)]
    answer = subprocess.run(
        [*command, *options], env=environment, capture_output=True, text=True, check=False
    )
    assert not list((folder / "predictions").rglob("*.part"))
    said = f"glasshouse: the disk is full while writing {place}. Free some space there, and give the command"
    assert (answer.returncode, said in answer.stderr, "Traceback" in answer.stderr) == (1, True, False), (
        answer.stderr
    )


def test_a_folder_below_a_file_is_told(
    folder: Path, box_network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["predict", "in", "--model", str(box_network), "--out"]
    assert main([*command, "in/notes.txt/x"]) == 1
    assert "in/notes.txt/x: Not a directory." in capsys.readouterr().err
    assert main([*command, "o" * 300]) == 1
    assert f"{'o' * 300}: File name too long." in capsys.readouterr().err


def test_a_classifier_has_no_boxes(
    folder: Path, class_network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "in/a", "--model", str(class_network)]) == 0
    assert sorted(path.name for path in (folder / "predictions").iterdir()) == [
        "pictures", "predictions.csv", "predictions.json"
    ]  # fmt: skip
    text = (folder / "predictions/predictions.csv").read_text(encoding="utf-8-sig")
    assert text.splitlines()[0] == "file,label,score"
    assert main(["predict", "in/a", "--model", str(class_network), "--format", "coco"]) == 1
    assert "this network is a classifier" in capsys.readouterr().err


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_json_list_is_whole_after_every_flush(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "list.json"
    table = JsonList(path, '{"images": [', "]}")
    for number in range(rows):
        table.add({"n": number, "text": "ß" * number})
        table.flush()
        table.flush()
        assert [row["n"] for row in json.loads(path.read_text(encoding="utf-8"))["images"]] == list(
            range(number + 1)
        )
    table.close()
    assert len(json.loads(path.read_text(encoding="utf-8"))["images"]) == rows


SLOW = """
import sys, time
from pathlib import Path
from glasshouse.cli import main
from glasshouse.prediction.predictor import Predictor
quick, told = Predictor.predict_prepared, []
def slow(self, batch, score):
    told.append(1)
    if len(told) > 6:
        time.sleep(15)  # the signal comes in here, and what runs in threads is waited for
    return quick(self, batch, score)
Predictor.predict_prepared = slow
raise SystemExit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_cut_off_leaves_whole_files(
    folder: Path, box_network: Path, encoded: Encode, sent: int, status: int, wait_for: Any
) -> None:
    Path("many").mkdir()
    for number in range(200):
        Path("many", f"{number}.jpg").write_bytes(encoded((255, 0, 0)))
    environment = {**os.environ, "PYTHONPATH": str(Path(batch.__file__).parents[2])}
    command = [sys.executable, "-c", SLOW, "predict", "many", "--model", str(box_network)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    table = Path("predictions/predictions.json")
    wait_for(lambda: table.is_file() and table.stat().st_size > 100)
    time.sleep(0.2)
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    rows = json.loads(table.read_text())
    assert 0 < len(rows) < 200
    numbers = [int(Path(row["file"]).stem) for row in rows]
    assert numbers == sorted(set(numbers))
    if sent == signal.SIGKILL:
        assert numbers == list(range(len(rows)))
    for path in Path("predictions/pictures").glob("[!.]*"):
        assert np.asarray(Image.open(path)).shape == (64, 64, 3)
    if sent == signal.SIGINT:
        assert "stopped; what was finished is in predictions" in said
        assert not list(Path("predictions/pictures").glob(".*"))
        drawn = Path("predictions/pictures").glob("*.jpg")
        assert numbers == sorted(int(path.stem) for path in drawn)
