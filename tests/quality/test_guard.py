"""The guard as a stage meets it: report, Data Docs, exit, and what a person is told."""

from __future__ import annotations

import gc
import json
import os
import runpy
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from glasshouse.quality.checking.checks import GuardFailure
from glasshouse.quality.checking.guard import guard
from glasshouse.quality.checking.validation import import_expectations, plain
from glasshouse.quality.learning import summarize_weights
from glasshouse.quality.page.page import read_stages, say_verdict
from glasshouse.quality.suites.evaluate import flatten_metrics
from glasshouse.quality.suites.preprocess import summarize_pixels
from glasshouse.quality.suites.split import plan_shares

BENCH = Path(__file__).parent / "stages" / "download.py"


@pytest.fixture
def bench():
    return runpy.run_path(str(BENCH))


@pytest.fixture
def tables(bench):
    return bench["make_tables"]()


@pytest.fixture
def quality(bench):
    return SimpleNamespace(mode="enforce", download=SimpleNamespace(severity={}, **bench["LIMITS"]))


def spoil(tables):
    """Two boxes outside their pictures, and a dark picture."""
    tables["objects"].loc[[2, 5], "x_max_px"] = [70.0, np.inf]
    tables["statistics"].loc[7, "mean_level"] = 1.0
    return tables


def read(folder):
    return json.loads((folder / "download.json").read_text(encoding="utf-8"))


def test_sound_tables_pass_in_silence(tables, quality, tmp_path, capsys):
    verdict = guard("download", tables, quality, tmp_path)
    assert (verdict.findings, capsys.readouterr().err) == ((), "")
    report = read(tmp_path)
    assert report["success"] and report["findings"] == {"critical": 0, "warning": 0}
    assert report["checks"] == {"passed": len(verdict.outcomes), "failed": 0, "not_run": 0}
    assert report["rows"] == {
        **{"images": 24, "objects": 17, "categories": 3, "statistics": 24, "quarantine": 0},
        **{"faults": 0, "copies": 24, "drift": 2, "category_changes": 3},
    }


def test_a_critical_finding_stops_after_the_report_is_written(tables, quality, tmp_path, capsys):
    with pytest.raises(GuardFailure) as failure:
        guard("download", spoil(tables), quality, tmp_path)
    message = str(failure.value)
    assert message.startswith("download: 1 critical finding(s)")
    assert "box_inside_picture (boxes): overhang_px values must be less than or equal to 0.01." in message
    assert "2 of 17 rows" in message
    assert "object_id=3 image_id=3 file_name=03.png" in message and "overhang_px=6.0" in message
    assert "overhang_px=inf" in message
    assert "What to do: The box sticks out of its picture." in message
    assert (tmp_path / "download.json").as_posix() in message
    report = read(tmp_path)
    assert not report["success"] and report["findings"] == {"critical": 1, "warning": 1}
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("download: warning: not_dark: 1 of 24 rows, first image_id=8 file_name=08.png ")


def test_mode_report_never_raises(tables, quality, tmp_path):
    quality.mode = "report"
    verdict = guard("download", spoil(tables), quality, tmp_path)
    assert [finding.check for finding in verdict.findings] == ["box_inside_picture", "not_dark"]
    assert read(tmp_path)["findings"] == {"critical": 1, "warning": 1}


def test_params_overrule_the_severity_of_a_check(tables, quality, tmp_path, capsys):
    quality.download.severity = {"not_dark": "critical", "box_inside_picture": "warning"}
    with pytest.raises(GuardFailure, match="1 critical finding"):
        guard("download", spoil(tables), quality, tmp_path)
    severities = {o["check"]: o["severity"] for o in read(tmp_path)["outcomes"] if o["status"] == "failed"}
    assert severities == {"not_dark": "critical", "box_inside_picture": "warning"}
    assert capsys.readouterr().err.startswith("download: warning: box_inside_picture: 2 of 17 rows")


def test_a_severity_for_no_check_names_the_nearest(tables, quality, tmp_path):
    quality.download.severity = {"not_drak": "critical", "tables_handed": "warning"}
    with pytest.raises(
        ValueError, match=r"quality\.download\.severity\.not_drak.*Did you mean 'not_dark'"
    ) as fault:
        guard("download", tables, quality, tmp_path)
    assert "severity.tables_handed: there is no such check" in str(fault.value)  # the contract always counts
    assert not (tmp_path / "download.json").exists()


def test_a_warning_names_its_first_rows(tables, quality, tmp_path, capsys):
    tables["statistics"].loc[3:8, "sharpness"] = 1.0
    guard("download", tables, quality, tmp_path)
    error = capsys.readouterr().err
    assert error.startswith(
        "download: warning: not_blurred: 6 of 24 rows, first image_id=4 file_name=04.png "
    )
    assert error.count("file_name=") == 3 and error.count("\n") == 1


def test_a_broken_contract_stops_and_says_what_could_not_run(tables, quality, tmp_path):
    tables["images"] = tables["images"].drop(columns="sha256")
    with pytest.raises(GuardFailure, match="table=images column=sha256"):
        guard("download", tables, quality, tmp_path)
    assert read(tmp_path)["checks"] == {
        "passed": 4,
        "failed": 1,
        "not_run": len(read(tmp_path)["outcomes"]) - 5,
    }


def test_many_failing_rows_are_counted_and_the_first_told(tables, quality, tmp_path):
    tables["images"]["sha256"] = "x"
    with pytest.raises(GuardFailure) as failure:
        guard("download", tables, quality, tmp_path)
    assert "24 of 24 rows" in str(failure.value) and "... and 14 more" in str(failure.value)
    assert str(failure.value).count("file_name=") == 10


def test_a_stage_without_a_suite_is_refused(quality, tmp_path):
    with pytest.raises(ValueError, match="Got 'train' instead"):
        guard("train", {}, quality, tmp_path)


SCRIPT = """
import runpy, sys
from pathlib import Path
from types import SimpleNamespace
from glasshouse.quality.checking.guard import guard
heavy = ("great_expectations", "tensorflow", "mlflow", "matplotlib")
assert [name for name in sys.modules if name.startswith(heavy)] == []
bench = runpy.run_path(sys.argv[1])
tables = bench["make_tables"]()
tables["objects"].loc[[2, 5], "x_max_px"] = [70.0, float("inf")]
tables["statistics"].loc[7, "mean_level"] = 1.0
quality = SimpleNamespace(mode="report", download=SimpleNamespace(severity={}, **bench["LIMITS"]))
guard("download", tables, quality, Path(sys.argv[2]))
"""


def test_another_process_writes_the_same_bytes(tables, quality, tmp_path):
    quality.mode = "report"
    guard("download", spoil(tables), quality, tmp_path / "here")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONHASHSEED": "5",
        "HOME": str(tmp_path),
    }
    command = [sys.executable, "-c", SCRIPT, str(BENCH), str(tmp_path / "there")]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (
        done.stderr.count("\n") == 1 and "not_dark" in done.stderr
    )  # no progress bar, no telemetry, no warning
    assert (tmp_path / "here/download.json").read_bytes() == (tmp_path / "there/download.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "there"]


class Page(HTMLParser):
    """What a browser would fetch and show of a page."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.classes, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.fetched += [value for key, value in attrs if key in ("src", "href")]
        self.classes += (found.get("class") or "").split()

    def handle_data(self, data):
        self.words += data.split()


def test_data_docs_show_every_check_and_need_no_network(tables, quality, tmp_path):
    quality.mode = "report"
    verdict = guard("download", spoil(tables), quality, tmp_path)
    page = Page((tmp_path / "docs/download.html").read_text(encoding="utf-8"))
    assert page.fetched == ["index.html"]
    assert page.classes.count("fa-times") == 2
    assert page.classes.count("fa-check-circle") == len(verdict.outcomes) - 2
    assert {outcome.check for outcome in verdict.outcomes} <= set(page.words)
    assert {"03.png", "70.0", "sticks"} <= set(page.words)
    index = Page((tmp_path / "docs/index.html").read_text(encoding="utf-8"))
    assert index.fetched == ["download.html"] and {"critical,", "warnings"} <= set(index.words)


def test_names_from_outside_are_no_markup(tables, quality, tmp_path):
    quality.mode = "report"
    tables["images"].loc[7, "file_name"] = "<script>alert(1)</script>.png"
    guard("download", spoil(tables), quality, tmp_path)
    assert "<script>alert" not in (tmp_path / "docs/download.html").read_text(encoding="utf-8")


def test_the_damaged_report_of_another_stage_is_named_with_what_to_do(tables, quality, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/split.html").write_text("")
    (tmp_path / "split.json").write_text('{"mode": "enf')
    with pytest.raises(ValueError, match=r"split.json is no JSON .*delete it; its stage"):
        guard("download", tables, quality, tmp_path)


def test_times_stay_out_of_the_report_and_are_told(tmp_path, capsys):
    bench = runpy.run_path(str(BENCH.with_name("export.py")))
    quality = SimpleNamespace(mode="enforce", export=SimpleNamespace(severity={}, **bench["LIMITS"]))
    written = []
    for slow in (6.0, 50.0):
        tables = bench["make_tables"]()
        tables["parity"].loc[1, "latency_ms"] = slow
        guard("export", tables, quality, tmp_path)
        written.append((tmp_path / "export.json").read_bytes())
    assert written[0] == written[1]
    assert "export: warning: latency_ratio: 1 of 2 rows, first format=litert_int8" in capsys.readouterr().err
    assert "25.0" in (tmp_path / "docs/export.html").read_text(encoding="utf-8")


def test_a_hundred_thousand_failing_rows_take_seconds(tables, quality, tmp_path, capsys):
    """Boxes too small to be found, all of them: the report keeps the first hundred."""
    import_expectations()
    objects = tables["objects"].iloc[[0] * 100_000].assign(object_id=range(1, 100_001))
    left = np.arange(100_000) / 10_000
    tables["objects"] = objects.assign(x_min_px=left, x_max_px=left + 1.0)
    quality.mode = "report"
    began = time.process_time()
    verdict = guard("download", tables, quality, tmp_path)
    assert time.process_time() - began < 12  # 20 s where Great Expectations looks the rows up
    (small,) = (finding for finding in verdict.findings if finding.check == "box_large_enough")
    assert small.unexpected == 100_000
    assert [row["object_id"] for row in small.failing_rows] == list(range(1, 101))


def test_a_time_that_stops_the_stage_stands_in_its_report(tmp_path):
    bench = runpy.run_path(str(BENCH.with_name("export.py")))
    limits = SimpleNamespace(severity={"latency_ratio": "critical"}, **bench["LIMITS"])
    tables = bench["make_tables"]()
    tables["parity"].loc[1, "latency_ms"] = 50.0
    with pytest.raises(GuardFailure, match="latency_ratio"):
        guard("export", tables, SimpleNamespace(mode="enforce", export=limits), tmp_path)
    report = json.loads((tmp_path / "export.json").read_text(encoding="utf-8"))
    assert (report["success"], report["findings"]["critical"]) == (False, 1)
    assert say_verdict(read_stages(tmp_path))["headline"] == "Stopped in export: 1 critical finding"
    guard("export", tables, SimpleNamespace(mode="report", export=limits), tmp_path)
    report = json.loads((tmp_path / "export.json").read_text(encoding="utf-8"))
    assert report["success"], "what goes on is hashed: its bytes must not hang on times"


def test_the_import_leaves_telemetry_off_and_the_collector_as_it_was():
    import_expectations()
    assert "great_expectations" in sys.modules and gc.isenabled()
    assert os.environ["GX_ANALYTICS_ENABLED"].lower() == "false"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (1 / 3, 0.333333),
        (123456789.0, 123457000.0),
        (np.float32(0.1), 0.1),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (float("nan"), None),
        (float("-inf"), "-inf"),
        (pd.NA, None),
        ([np.int64(1), {"a": float("nan")}], [1, {"a": None}]),
        (Path("a/b"), "a/b"),
    ],
)
def test_values_become_plain(value, wanted):
    assert plain(value) == wanted


def test_weights_are_summarized():
    weights = [
        ("a/kernel", np.array([[1.0, -3.0]], np.float32)),
        ("b", np.array([np.nan, np.inf, 1.0])),
        ("c", np.zeros(0)),
    ]
    frame = summarize_weights(weights)
    assert frame["size"].tolist() == [2, 3, 0] and frame["non_finite"].tolist() == [0, 2, 0]
    assert frame["mean_abs"].tolist()[0] == 2.0  # (1 + 3) / 2
    assert frame["mean_abs"].isna().tolist() == [False, True, True]
    assert summarize_weights([]).columns.tolist() == ["name", "size", "non_finite", "mean_abs"]


def test_pixels_are_summarized():
    levels = np.arange(100, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 3), np.uint8)
    frame = summarize_pixels(
        {"train": [levels[:70], levels[70:]], "test": [np.zeros((2, 4, 6, 3)), np.zeros((1, 5, 6, 3))]}
    )
    assert frame.loc[0].to_dict() == {
        "split": "train", "count": 100, "height_px": 4, "width_px": 6,
        "dtype": "uint8", "min": 0.0, "max": 99.0, "mean": 49.5,
    }  # fmt: skip
    assert frame.loc[1, ["height_px", "width_px", "dtype"]].tolist() == [0, 0, "float64"]


def test_shares_are_those_of_params():
    frame = plan_shares(SimpleNamespace(test=0.10, valid=0.15, method="stratified", balance="none"))
    assert dict(zip(frame["split"], frame["share"].round(9), strict=True)) == {
        "train": 0.75,
        "valid": 0.15,
        "test": 0.10,
    }


def test_metrics_are_flattened():
    scores = {
        "mAP_50_95": 0.5, "AR_1": float("nan"), "pictures": 4, "ground_truth": 9, "predictions": 7,
        "per_class": {"rose": {"AP_50": 0.6, "ground_truth": 9, "predictions": 7}},
        "ci95": {"mAP_50_95": (0.4, 0.6)}, "protocol": {"tool": "x"},
    }  # fmt: skip
    frames = flatten_metrics({"test": scores})
    assert frames["metrics"].fillna(-1).values.tolist() == [
        ["test", "mAP_50_95", 0.5], ["test", "AR_1", -1.0],
        ["test", "mAP_50_95_ci95_low", 0.4], ["test", "mAP_50_95_ci95_high", 0.6],
    ]  # fmt: skip
    assert frames["counts"].values.tolist() == [["test", 4, 9, 7]]
    assert frames["per_class"].values.tolist() == [["test", "rose", "AP_50", 0.6]]


LISTEN = """
import logging
from glasshouse.quality.checking.validation import _open_frames
logging.basicConfig(level=logging.INFO)
_open_frames()
logging.getLogger("great_expectations.anything").warning("look here")
"""


def test_great_expectations_is_not_heard_where_the_root_logger_was_opened() -> None:
    """As the converters of the exports do it; its warnings are. In a process of its own: pytest listens to
    every logger."""
    done = subprocess.run([sys.executable, "-c", LISTEN], capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if "great_expectations" in line] == []
    assert "look here\n" in done.stderr
