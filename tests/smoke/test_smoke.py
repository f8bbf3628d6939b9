from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import smoke
import smoke_checks
from project_copy import ProjectCopy, TrialFailure

SCORES = {
    **{key: 0.5 for key in smoke_checks.SCORES["detect"]},
    "ci95": {"mAP_50_95": [0.4, 0.6], "mAP_50": [0.5, 0.5]},
    "per_class": {"daisy": {}},
}


def write(folder: Path, name: str, content: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def test_further_repro_may_not_run() -> None:
    assert smoke_checks.check_unchanged("Data and pipelines are up to date.\n")
    with pytest.raises(TrialFailure, match="ran split again"):
        smoke_checks.check_unchanged("Running stage 'split':\n")


def test_git_may_see_the_lock_alone(tmp_path: Path) -> None:
    copy = ProjectCopy(tmp_path)
    copy.run("git", "init", "--quiet")
    write(tmp_path, "dvc.lock", "")
    assert smoke_checks.check_tree(copy)
    write(tmp_path, "data/left", "")
    with pytest.raises(TrialFailure, match=r"Got \?\? data/, \?\? dvc\.lock instead"):
        smoke_checks.check_tree(copy)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"mAP_50": None}, r"valid\.mAP_50 must .* Got None"),
        ({"mAP_50": 1.5}, r"valid\.mAP_50 must .* Got 1\.5"),
        ({"AR_100": float("nan")}, r"valid\.AR_100 must .* Got nan"),
        ({"ci95": {"mAP_50_95": [0.4, 0.6]}}, r"valid\.mAP_50 0\.5 is not in None"),
        ({"ci95": {**SCORES["ci95"], "mAP_50": [0.6, 0.7]}}, r"valid\.mAP_50 0\.5 is not in 0\.6 to 0\.7"),
        ({"per_class": {}}, r"valid\.per_class"),
    ],
)
def test_scores_are_looked_at(changes: dict[str, Any], words: str | None, tmp_path: Path) -> None:
    write(tmp_path, "params.yaml", "model: {task: detect}")
    write(tmp_path, "reports/evaluate/metrics.json", {"valid": {**SCORES, **changes}, "test": SCORES})
    if words is None:
        assert "mAP_50 0.5000" in smoke_checks.check_scores(tmp_path)
        return
    with pytest.raises(TrialFailure, match=words):
        smoke_checks.check_scores(tmp_path)


def test_missing_outputs_are_named(tmp_path: Path) -> None:
    write(tmp_path, "dvc.yaml", "stages: {grow: {cmd: x, outs: [a, {b: {cache: false}}]}}")
    write(tmp_path, "a", "")
    with pytest.raises(TrialFailure, match="outputs are missing: b"):
        smoke_checks.check_outputs(tmp_path)
    write(tmp_path, "b", "")
    assert smoke_checks.check_outputs(tmp_path) == "all 2 outputs are there"


def write_coco(folder: Path, scores: dict[str, float]) -> None:
    """Two objects of one class in one picture, one of them found exactly.

    Precision is 1 up to recall 1/2 and 0 beyond: 51 of COCO's 101 recall points, at every IoU.
    """
    boxes = [[10, 10, 20, 20], [50, 50, 20, 20]]
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 100}],
        "annotations": [
            {"id": 1 + i, "image_id": 1, "category_id": 1, "bbox": box, "area": 400, "iscrowd": 0}
            for i, box in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "daisy"}],
    }
    found = [{"image_id": 1, "category_id": 1, "bbox": boxes[0], "score": 0.9}]
    write(folder, "reports/evaluate/test/ground_truth.json", truth)
    write(folder, "reports/evaluate/test/predictions.json", found)
    write(folder, "reports/evaluate/metrics.json", {"test": scores})


TRUE = {"mAP_50_95": 51 / 101, "mAP_50": 51 / 101, "mAP_75": 51 / 101, "AR_100": 0.5}


def test_pycocotools_has_the_last_word(tmp_path: Path) -> None:
    write_coco(tmp_path, TRUE)
    assert "agrees" in smoke_checks.check_coco(tmp_path, "test")
    write_coco(tmp_path, {**TRUE, "mAP_50": 51 / 101 + 2e-6})
    with pytest.raises(TrialFailure, match=r"test: pycocotools differs in mAP_50 by 2e-06"):
        smoke_checks.check_coco(tmp_path, "test")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"within": True, "compared": 4}, None),
        ({"within": False, "compared": 4}, "out of tolerance, or never compared: onnx"),
        ({"within": True, "compared": 0}, "out of tolerance, or never compared: onnx"),
    ],
)
def test_exports_are_looked_at(row: dict[str, Any], words: str | None, tmp_path: Path) -> None:
    write(tmp_path, "params.yaml", "export: {formats: [onnx]}")
    for name in ("labels.txt", "agreement.json", "model.onnx"):
        write(tmp_path, f"exports/{name}", "")
    write(tmp_path, "exports/parity.json", {"onnx": {**row, "max_abs_difference_scores": 1e-7}})
    if words is None:
        assert smoke_checks.check_exports(tmp_path) == "exports within tolerance: onnx 1e-07"
        (tmp_path / "exports/model.onnx").unlink()
        words = r"exports/ lacks model\.onnx"
    with pytest.raises(TrialFailure, match=words):
        smoke_checks.check_exports(tmp_path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos as the smoke test writes them, and the download stage's tables of them."""
    from glasshouse.readers.class_folders import read
    from glasshouse.tables.gather import write_raw

    smoke.write_photos(tmp_path / "photos", pictures=40)
    write_raw(read(tmp_path / "photos", ()), tmp_path / "data/raw")
    return tmp_path


def test_damaged_photos_are_set_aside(photos: Path) -> None:
    good = len(list((photos / "photos").rglob("bloom-*.jpg")))
    assert good > 10
    assert f"{good} photos in" in smoke_checks.check_quarantine(photos, good)
    with pytest.raises(TrialFailure, match=f"{good} of {good + 1} photos are in"):
        smoke_checks.check_quarantine(photos, good + 1)


def test_another_reason_is_noticed(photos: Path) -> None:
    path = photos / "data/raw/quarantine.parquet"
    table = pd.read_parquet(path)
    table.assign(reason="empty file").to_parquet(path)
    good = len(list((photos / "photos").rglob("bloom-*.jpg")))
    with pytest.raises(
        TrialFailure, match=r"wrong reason: daisy/cut off\.jpg: empty file; tulips/words\.jpg"
    ):
        smoke_checks.check_quarantine(photos, good)
    table.iloc[1:].to_parquet(path)
    with pytest.raises(TrialFailure, match="set aside are"):
        smoke_checks.check_quarantine(photos, good)


def test_a_pipeline_that_does_not_run_is_no_success() -> None:
    class Copy:
        said = "Stage 'download' didn't change, skipping\n"

        def repro(self) -> str:
            return self.said

    with pytest.raises(TrialFailure, match=r"ran no stage:\nStage 'download' didn't change"):
        smoke.grow(copy := Copy())
    copy.said += "Running stage 'split':\n"
    assert smoke.grow(copy).startswith("`dvc repro` ran 1 stages in ")


@pytest.mark.parametrize(
    ("only", "ran"),
    [((), ["ssd", "yolo_v1", "yolo_v3"]), (("yolo",), ["yolo_v1", "yolo_v3"]), (("ssd",), ["ssd"])],
)
def test_cases_run_by_the_beginning_of_their_names_and_none_hinders_another(
    only: tuple[str, ...], ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Copy:
        folder = Path()

        def __init__(self, name: str) -> None:
            self.name = name

        def commit(self, name: str) -> None:
            assert name == self.name

    def grow(copy: Copy) -> str:
        if copy.name == "yolo_v1":
            raise TrialFailure("no box")
        return "grown"

    monkeypatch.setattr(smoke, "grow", grow)
    for check in ("check_scores", "check_exports"):
        monkeypatch.setattr(smoke, check, lambda _folder: "well")
    cases = {name: partial(Copy, name) for name in ("ssd", "yolo_v1", "yolo_v3")}
    said, failure = [], ""
    try:
        for line in smoke.each(cases, only):
            said.append(line)
    except TrialFailure as error:
        failure = str(error)
    told = {name: "FAILED: no box" if name == "yolo_v1" else "grown; well; well" for name in ran}
    assert said == [f"{name}: {words}" for name, words in told.items()]
    assert failure == ("these failed: yolo_v1" if "yolo_v1" in ran else "")


def test_a_case_that_is_none_and_a_trial_without_cases_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TrialFailure, match=r"--only rcnn: there is no such case\. There are: ssd\."):
        list(smoke.each({"ssd": lambda: None}, ("ssd", "rcnn")))
    monkeypatch.setattr("sys.argv", ["smoke.py", "detect", "--only", "ssd"])
    with pytest.raises(SystemExit):
        smoke.main()
    assert "--only goes with one of heads, options, backbones. Got detect" in capsys.readouterr().err


@pytest.mark.parametrize(("failing", "status"), [("none", 0), ("detect", 1), ("classify", 1)])
def test_trials_side_by_side_run_to_their_ends_and_one_that_fails_is_told(
    failing: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = tmp_path / "trial.py"
    trial.write_text(
        "import pathlib, sys\n"
        "pathlib.Path(__file__).with_name(sys.argv[1]).write_text(' '.join(sys.argv[2:]))\n"
        f"sys.exit(sys.argv[1] == {failing!r})\n"
    )
    monkeypatch.setattr(smoke, "__file__", str(trial))
    monkeypatch.setattr("sys.argv", ["smoke.py", "detect", "classify", "detect", "--keep"])
    assert smoke.main() == status
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path != trial} == {
        "detect": "--keep",
        "classify": "--keep",
    }


def test_ctrl_c_is_a_sentence_and_the_copy_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(place: Path) -> Any:
        (place / "detect").mkdir()
        yield "begun"
        raise KeyboardInterrupt

    monkeypatch.setitem(smoke.TRIALS, "detect", stop)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["smoke.py"])
    assert smoke.main() == 130
    assert capsys.readouterr().err == "smoke: detect: interrupted\n"
    assert list(tmp_path.iterdir()) == []
