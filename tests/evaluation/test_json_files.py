from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from glasshouse.evaluation.json_files import rounded, write_json, write_rows, write_tables


def test_numbers_are_rounded_and_what_is_none_is_null() -> None:
    value = {
        "a": np.float64(1 / 3),
        "b": [np.nan, np.inf, np.int64(3)],
        4: (True, None, "x"),
        "c": np.eye(2)[0],
    }
    assert rounded(value) == {"a": 0.33333333, "b": [None, None, 3], "4": [True, None, "x"], "c": [1.0, 0.0]}


def test_files_read_back_and_end_with_a_line(tmp_path: Path) -> None:
    rows = [{"a": 0.1, "b": "ä"}, {"a": None, "b": '"'}]
    write_rows(tmp_path / "deep" / "rows.json", rows)
    write_tables(tmp_path / "tables.json", {"one": rows, "none": []})
    write_json(tmp_path / "object.json", {"x": {"y": [1, 2]}})
    text = (tmp_path / "deep" / "rows.json").read_text(encoding="utf-8")
    assert json.loads(text) == rows
    assert len(text.splitlines()) == 4
    assert json.loads((tmp_path / "tables.json").read_text(encoding="utf-8")) == {"one": rows, "none": []}
    assert json.loads((tmp_path / "object.json").read_text()) == {"x": {"y": [1, 2]}}
    assert all(path.read_bytes().endswith(b"\n") for path in tmp_path.glob("*.json"))


def test_what_is_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert not (tmp_path / "a.json").exists()
