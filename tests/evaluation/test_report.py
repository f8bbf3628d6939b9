from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dvc.utils import errored_revisions

from glasshouse.evaluation.page import MOST_CURVES
from glasshouse.evaluation.report import write_report
from glasshouse.evaluation.results import SplitTables

Tables = Callable[..., SplitTables]
HISTORIES = {
    "train_head": [{"epoch": 1, "loss": 2.0}],
    "fine_tune": [{"epoch": 1, "loss": 1.0, "valid_mAP_50": 0.5}],
}
VOID = {"meta", "img", "br", "link", "input", "hr"}


def paint(image_id: int) -> np.ndarray:
    return np.random.default_rng(image_id).integers(0, 256, (150, 200, 3), dtype=np.uint8)


def write(folder: Path, task: str, splits: dict[str, SplitTables], **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "model": {"backbone": "csp_compact"},
        "gallery_score": 0.3,
        "gallery_pictures": 6,
        "bootstrap_rounds": 20,
        "seed": 7,
    }
    histories = changes.pop("histories", HISTORIES)
    return write_report(folder, task, splits, histories, paint, **(settings | changes))


def read_strictly(path: Path) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{path.name} holds {word}")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


class Page(HTMLParser):
    """Demands that tags are closed in order; gathers addresses and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_detection_report_is_whole_and_agrees_with_itself(tables: Tables, tmp_path: Path) -> None:
    splits = {"valid": tables(1), "test": tables(2)}
    metrics = write(tmp_path, "detect", splits)
    assert read_strictly(tmp_path / "metrics.json") == metrics
    assert errored_revisions({"": metrics}) == []
    assert list(metrics) == ["valid", "test"]
    wanted = {"mAP_50_95", "mAP_50", "mAP_75", "mean_iou", "AR_100", "per_class", "ci95", "protocol"}
    for name, scores in metrics.items():
        assert wanted <= set(scores)
        assert set(scores["ci95"]) == {"mAP_50_95", "mAP_50"}
        low, high = scores["ci95"]["mAP_50"]
        assert 0 <= low < high <= 1
        curve = read_strictly(tmp_path / name / "precision_recall.json")
        assert [row["recall"] for row in curve] == pytest.approx(np.linspace(0, 1, 101).tolist())
        assert np.mean([row["precision"] for row in curve]) == pytest.approx(scores["mAP_50"], abs=1e-7)
        assert np.mean([row["precision tulip"] for row in curve]) == pytest.approx(
            scores["per_class"]["tulip"]["AP_50"], abs=1e-7
        )
        confusion = read_strictly(tmp_path / name / "confusion.json")
        assert sum(row["actual"] != "background" for row in confusion) == scores["ground_truth"]
        assert len(read_strictly(tmp_path / name / "predictions.json")) == len(splits[name].predictions)
    assert [row["step"] for row in read_strictly(tmp_path / "learning_curves.json")] == [1, 2]
    assert (tmp_path / "gallery.jpg").read_bytes().startswith(b"\xff\xd8")


def test_every_plot_of_dvc_yaml_has_its_file_and_fields(
    tables: Tables, classified: Tables, tmp_path: Path
) -> None:
    from ruamel.yaml import YAML

    plots = YAML(typ="safe").load(Path(__file__).parents[2] / "dvc.yaml")["plots"]
    root = Path("reports/evaluate")
    for task, make in (("detect", tables), ("classify", classified)):
        write(tmp_path / task / root, task, {"valid": make(1), "test": make(2)})
        for plot in plots:
            (settings,) = plot.values()
            for path, fields in settings["y"].items():
                rows = read_strictly(tmp_path / task / path)
                wanted = {settings["x"], *([fields] if isinstance(fields, str) else fields)}
                assert rows and all(wanted <= row.keys() for row in rows), (task, path)
    titles = [settings["title"] for plot in plots for settings in plot.values()]
    assert len(set(titles)) == len(plots) >= 6


def test_thresholds_rise_and_hold_the_best(tables: Tables, tmp_path: Path) -> None:
    metrics = write(tmp_path, "detect", {"valid": tables(1), "test": tables(2)})
    rows = read_strictly(tmp_path / "test" / "thresholds.json")
    found = [row["threshold"] for row in rows]
    assert found == sorted(set(found)) and len(rows) <= 201
    best = max(rows, key=lambda row: row["f1"])
    assert metrics["test"]["best_f1"] == {"threshold": best["threshold"], "f1": best["f1"]}


PRIORS = {
    "anchors_wh_px": [[8.0, 9.5], [30.0, 20.0]],
    "strides_px": [8, 16],
    "shares": [0.75, 0.25],
    "mean_iou": [0.8, None],
    "average_iou": 0.81,
    "boxes": 1000,
    "sample_wh_px": [[7.0, 8.0], [10.0, 11.0], [33.0, 21.0]],
}


def test_anchors_stand_in_the_report_where_the_head_has_some(tables: Tables, tmp_path: Path) -> None:
    splits = {"valid": tables(1), "test": tables(2)}
    write(tmp_path / "with", "detect", splits, priors=PRIORS)
    write(tmp_path / "without", "detect", splits)
    assert not (tmp_path / "without/anchors.json").exists()
    rows = read_strictly(tmp_path / "with/anchors.json")
    first = {"anchor": 1, "width_px": 8.0, "height_px": 9.5, "stride_px": 8, "share": 0.75, "mean_iou": 0.8}
    assert rows[0] == first and rows[1]["mean_iou"] is None
    text, plain = ((tmp_path / name / "index.html").read_text() for name in ("with", "without"))
    words = " ".join(" ".join(Page(text).words).split())
    assert "Training boxes and anchors: IoU 0.810 on average" in words
    assert "3 of 1000 training boxes" in words and "anchors at stride 16" in words
    assert text.count("<circle") == plain.count("<circle") + 3 + 2
    assert "nchors" not in plain and "<circle" in plain  # the intervals have theirs


def test_page_stands_alone_and_leads_with_the_test_score(tables: Tables, tmp_path: Path) -> None:
    metrics = write(tmp_path, "detect", {"valid": tables(1), "test": tables(2)})
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert sum(address.startswith("data:image/jpeg") for address in page.addresses) == 6
    assert not re.search(r"<script|url\(|@import|https?://", text)
    words = " ".join(" ".join(page.words).split())
    score = metrics["test"]["mAP_50"]
    assert words.index(f"{score:.3f}") < words.index("Where it fails") < words.index("Protocol")
    assert f"{metrics['valid']['mAP_50']:.3f}" in words
    assert "csp_compact" in words


def test_the_split_that_counts_comes_first_and_pascals_readings_are_extras(
    tables: Tables, tmp_path: Path
) -> None:
    metrics = write(tmp_path, "detect", {"valid": tables(1), "test": tables(2)})
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    words = " ".join(" ".join(Page(text).words).split())
    assert "score test 95 % interval valid 95 % interval what it says" in words
    for key in ("mAP_11_point", "mAP_all_point"):
        test, valid = (f"{metrics[name]['pascal'][key]:.3f}" for name in ("test", "valid"))
        assert f"pascal.{key} {test} {valid} extra: " in words
    assert "none of a localiser's business" not in words


def test_pictures_and_charts_are_of_the_split_that_counts(tables: Tables, tmp_path: Path) -> None:
    names = [f"t/{number}.jpg" for number in range(20)]
    test = replace(tables(2), images=tables(2).images.assign(file_name=names))
    metrics = write(tmp_path, "detect", {"valid": tables(1), "test": test})
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert len(re.findall(r"<span>t/\d+\.jpg</span>", text)) == 6 and "<span>p/" not in text
    assert "F1 {f1:.3f} at {threshold:.2f}</text>".format(**metrics["test"]["best_f1"]) in text


@pytest.mark.parametrize("task", ["detect", "classify"])
def test_tables_are_read_by_ear_and_scrolled_by_keyboard(
    tables: Tables, classified: Tables, tmp_path: Path, task: str
) -> None:
    priors = PRIORS if task == "detect" else None
    write(tmp_path, task, {"test": tables(2) if task == "detect" else classified(2)}, priors=priors)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.index("</nav>") < text.index("<main>") < text.index("<h2>") < text.index("</main>")
    headers = re.findall(r"<th[ >][^>]*", text)
    assert headers and all('scope="' in header for header in headers)
    scrolled = re.findall(r'<div class="wide".*?>(?=<table|<pre)', text)
    assert len(scrolled) == text.count("<table") + text.count("<pre>")
    assert all(re.search('role="region" tabindex="0" aria-label="[^"]+"', each) for each in scrolled)


def test_no_two_lines_of_a_chart_are_told_apart_by_colour_alone(tables: Tables, tmp_path: Path) -> None:
    write(tmp_path, "detect", {"test": tables(2)})
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    dashes = dict(re.findall(r"\.line\.(s\d) \{ stroke-dasharray: ([\d ]+); \}", text))
    assert sorted(dashes) == [f"s{number}" for number in range(1, MOST_CURVES)]  # the first one is whole
    assert len(set(dashes.values())) == len(dashes)
    for figure in re.findall(r'<figure class="chart">(.*?)</figure>', text, re.DOTALL):
        drawn, legend = figure.split("<figcaption")
        assert re.findall(r'class="line (s\d)"', drawn) == re.findall(r'class="line (s\d)"', legend)
    assert "precision over recall: all classes from " in text


@pytest.mark.parametrize(("detections", "shown"), [(0, "score nought"), (300, "score")])
def test_nothing_is_not_green(tables: Tables, tmp_path: Path, detections: int, shown: str) -> None:
    split = tables(3)
    split = replace(split, predictions=split.predictions[:detections])
    write(tmp_path, "detect", {"test": split}, histories={}, gallery_pictures=0, bootstrap_rounds=0)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<span class="(score.*?)">', text) == [shown, shown]


def test_every_chart_names_both_axes(tables: Tables, tmp_path: Path) -> None:
    write(tmp_path, "detect", {"valid": tables(1), "test": tables(2)}, priors=PRIORS)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    charts = re.findall(r'<figure class="chart">.*?</figure>', text, re.DOTALL)
    labels = [re.findall(r"rotate\(-90\).*?>(.+?)</text>", chart) for chart in charts]
    assert labels == [
        ["precision"], ["F1, precision, recall"], ["share that is right"], ["loss"], ["score"],
        ["height, prepared px"],
    ]  # fmt: skip


def test_a_localisers_report_leads_with_its_own_scores(tables: Tables, tmp_path: Path) -> None:
    splits = {"valid": replace(tables(1), without_target=5), "test": replace(tables(2), without_target=7)}
    metrics = write(tmp_path, "localize", splits)
    assert read_strictly(tmp_path / "metrics.json") == metrics
    assert errored_revisions({"": metrics}) == []
    detected = write(tmp_path / "detected", "detect", splits)
    for name, scores in metrics.items():
        assert list(scores)[:2] == ["accuracy", "mean_iou"]
        assert set(scores["ci95"]) == {"accuracy", "mean_iou", "mAP_50_95", "mAP_50"}
        for key in ("accuracy", "mean_iou"):
            low, high = scores["ci95"][key]
            assert 0 <= low <= scores[key] <= high <= 1
        # The detection scores stand beside them as they are.
        assert {**scores, "mean_iou": 0, "ci95": 0, "protocol": 0, "counts": 0}.items() >= {
            **detected[name], "mean_iou": 0, "ci95": 0, "protocol": 0, "counts": 0
        }.items()  # fmt: skip
        truth = splits[name].objects[~splits[name].objects["is_crowd"]]
        per_picture = truth["image_id"].value_counts()
        assert scores["counts"] == {
            "pictures_with_several_objects": int((per_picture > 1).sum()),
            "pictures_without_objects": 20 - len(per_picture),
            "objects_without_target": {"valid": 5, "test": 7}[name],
        }
        assert detected[name]["counts"] == {"objects_without_target": {"valid": 5, "test": 7}[name]}
    words = " ".join(" ".join(Page((tmp_path / "index.html").read_text(encoding="utf-8")).words).split())
    assert "none of a localiser's business, by design" in words[: words.index("Scores")]
    assert "localiser" in words and "pictures with several objects" in words
    assert words.index(f"{metrics['test']['accuracy']:.3f}") < words.index("Where it fails")


def test_classification_report_is_whole(classified: Tables, tmp_path: Path) -> None:
    splits = {"valid": classified(1), "test": classified(2)}
    metrics = write(tmp_path, "classify", splits)
    assert read_strictly(tmp_path / "metrics.json") == metrics
    assert errored_revisions({"": metrics}) == []
    rows = read_strictly(tmp_path / "test" / "predictions.json")
    given = splits["test"].predictions.set_index("image_id")["probabilities"]
    for row, label in zip(rows, splits["test"].images["label"], strict=True):
        assert set(row) == {"image_id", "file_name", "label", "predicted", "probabilities"}
        assert row["label"] == label
        assert list(row["probabilities"].values()) == pytest.approx(given[row["image_id"]], abs=1e-7)
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert metrics["test"]["accuracy"] == pytest.approx(right)
    assert set(metrics["test"]["ci95"]) == {"accuracy", "macro_f1"}
    confusion = read_strictly(tmp_path / "test" / "confusion.json")
    assert np.mean([row["actual"] == row["predicted"] for row in confusion]) == pytest.approx(right)
    assert not (tmp_path / "test" / "ground_truth.json").exists()
    curve = read_strictly(tmp_path / "test" / "precision_recall.json")
    assert list(curve[0]) == [
        "recall",
        "precision",
        *(f"precision {name}" for name in rows[0]["probabilities"]),
    ]
    # Answering everything, precision and recall are both the accuracy.
    lowest = read_strictly(tmp_path / "test" / "thresholds.json")[0]
    assert lowest["precision"] == lowest["recall"] == lowest["f1"] == pytest.approx(right, abs=1e-7)
    Page((tmp_path / "index.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("task", ["detect", "classify"])
def test_the_same_bytes_on_a_second_run(
    tables: Tables, classified: Tables, tmp_path: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = tables if task == "detect" else classified
    for run in ("a", "b"):
        monkeypatch.chdir(tmp_path)
        write(tmp_path / run, task, {"valid": make(1), "test": make(2)})
    first = {path.relative_to(tmp_path / "a"): path.read_bytes() for path in (tmp_path / "a").rglob("*.*")}
    second = {path.relative_to(tmp_path / "b"): path.read_bytes() for path in (tmp_path / "b").rglob("*.*")}
    assert first == second
    # Twice predictions and five files of plots, twice the truth of a detector; metrics, two curves over the
    # epochs, gallery and page.
    assert len(first) == 2 * 6 + (2 if task == "detect" else 0) + 5


def test_a_model_that_finds_nothing_still_gets_its_report(tables: Tables, tmp_path: Path) -> None:
    blind = {name: replace(tables(3), predictions=tables(3).predictions[:0]) for name in ("valid", "test")}
    metrics = write(tmp_path, "detect", blind, histories={}, gallery_pictures=0, bootstrap_rounds=0)
    assert metrics["test"]["mAP_50_95"] == 0.0
    assert metrics["test"]["ci95"]["mAP_50"] == [None, None]
    assert metrics["test"]["errors"]["missed"]["gain_mAP_50"] == 0.0
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "0 of" in page and "loadRes" not in page  # pycocotools cannot load results without any
    table = page[page.index("if mended") :]
    kinds = re.findall(r"<tr><th [^>]*>(\w+)</th>.*?(\d+)</td>.*?>([^<>]*)</td>", table)
    assert kinds[0] == ("missed", str(metrics["test"]["ground_truth"]), "+0.000")


def test_a_model_that_finds_something_on_the_first_split_alone(tables: Tables, tmp_path: Path) -> None:
    blind = replace(tables(3), predictions=tables(3).predictions[:0])
    metrics = write(tmp_path, "detect", {"valid": tables(1), "test": blind})
    assert metrics["test"]["calibration"]["ece"] is None
    assert read_strictly(tmp_path / "test" / "calibration.json") == []
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Reliability" not in page and not re.search(r"\bnan\b", page)


def test_a_class_called_background_is_not_the_background(tables: Tables, tmp_path: Path) -> None:
    names = pd.DataFrame({"category_id": [1, 2, 3], "name": ["background", "tulip", "(background)"]})
    metrics = write(tmp_path, "detect", {"test": replace(tables(4), categories=names)})
    confusion = read_strictly(tmp_path / "test" / "confusion.json")
    counted = {name: scores["ground_truth"] for name, scores in metrics["test"]["per_class"].items()}
    for name, count in counted.items():
        assert sum(row["actual"] == name for row in confusion) == count
    assert {row["actual"] for row in confusion} == {*counted, "((background))"}


def test_more_than_a_hundred_of_a_class_are_told_where_they_cost_the_score(
    tables: Tables, tmp_path: Path
) -> None:
    """150 objects, each in its box: COCO's rule looks at 100 of them, so that recall ends at 2/3."""
    split, crowd = tables(4), tables(4)
    left = 12.0 * np.arange(150)
    boxes = {"x_min_px": left, "y_min_px": 5.0, "x_max_px": left + 10, "y_max_px": 15.0}
    rows = pd.DataFrame({"image_id": 3, "category_id": 1, "score": 0.9, "is_crowd": False, **boxes})
    crowd = replace(crowd, objects=rows.assign(object_id=range(1, 151)), predictions=rows)
    metrics = write(tmp_path, "detect", {"valid": crowd, "test": split})
    assert metrics["valid"]["mAP_50"] == pytest.approx(67 / 101)  # recall 0.00 .. 0.66
    assert metrics["valid"]["counts"] == {"objects_beyond_100": 50}
    assert metrics["valid"]["errors"]["missed"]["count"] == 50
    assert "counts" not in metrics["test"]
    words = " ".join(" ".join(Page((tmp_path / "index.html").read_text(encoding="utf-8")).words).split())
    assert "objects beyond 100 0 50 of one class in one picture" in words


def test_pictures_without_any_object_still_get_their_report(tables: Tables, tmp_path: Path) -> None:
    bare = replace(tables(3), objects=tables(3).objects[:0])
    metrics = write(tmp_path, "detect", {"test": bare})
    assert metrics["test"]["mAP_50_95"] is None
    assert metrics["test"]["per_class"]["rose"]["AP_50"] is None
    errors = read_strictly(tmp_path / "metrics.json")["test"]["errors"]
    assert {kind["gain_mAP_50"] for kind in errors.values()} == {None}
    assert "+-" not in (tmp_path / "index.html").read_text(encoding="utf-8")
    Page((tmp_path / "index.html").read_text(encoding="utf-8"))


def test_names_cannot_break_the_page(tables: Tables, tmp_path: Path) -> None:
    split = tables(4)
    names = pd.DataFrame({"category_id": [1, 2, 3], "name": ["<script>x</script>", 'a"b', "c & d"]})
    write(tmp_path, "detect", {"test": replace(split, categories=names)})
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script>x" not in text
    # In the table of classes, and in both directions of the matrix; a span that may break anywhere.
    assert text.count('<span class="name">a&#34;b</span>') == 3
    assert "<script>x</script>" in Page(text).words


def test_many_classes_show_the_weakest_curves(tables: Tables, tmp_path: Path) -> None:
    split = tables(5)
    generator = np.random.default_rng(0)
    objects = split.objects.assign(category_id=generator.integers(1, 31, len(split.objects)))
    names = pd.DataFrame({"category_id": range(1, 31), "name": [f"kind {number}" for number in range(1, 31)]})
    write(tmp_path, "detect", {"test": replace(split, objects=objects, categories=names)})
    assert "the 7 weakest classes" in (tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("classes", [59, 60])
def test_of_too_many_classes_for_a_matrix_the_commonest_mistakes_are_shown(
    tables: Tables, tmp_path: Path, classes: int
) -> None:
    """With the background 60 names are drawn; a thousand would be a million cells, and a page of 46 MB."""
    split = tables(5)
    generator = np.random.default_rng(0)
    objects, found = (
        table.assign(category_id=generator.integers(1, classes + 1, len(table)))
        for table in (split.objects, split.predictions)
    )
    names = pd.DataFrame(
        {"category_id": range(1, classes + 1), "name": [f"<kind {number}>" for number in range(classes)]}
    )
    write(tmp_path, "detect", {"test": replace(split, objects=objects, predictions=found, categories=names)})
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    words = " ".join(" ".join(Page(text).words).split())
    assert ('<table class="matrix">' in text) == (classes == 59)
    if classes == 60:
        assert "The 50 commonest; what became of every one is in test/confusion.json." in words
        pairs = [(row["actual"], row["predicted"]) for row in read_strictly(tmp_path / "test/confusion.json")]
        wrong = {pair: pairs.count(pair) for pair in pairs if pair[0] != pair[1]}
        most = max(wrong.values())
        order = [*names["name"], "background"]  # of equal ones the first row, then the first column
        actual, predicted = min(
            (pair for pair in wrong if wrong[pair] == most), key=lambda pair: [*map(order.index, pair)]
        )
        share = most / sum(pair[0] == actual for pair in pairs)
        assert f"share of the actual ones {actual} {predicted} {most} {share:.3f}" in words
