"""Aliases that stand for more values than fit any memory, and those that people use."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from glasshouse.comparison.request import RequestError, read_request
from glasshouse.journal.pipeline import read_yaml
from glasshouse.params import check
from glasshouse.params.aliases import MOST_REPEATED, demand_bounded
from glasshouse.sources.example import SourceError
from glasshouse.sources.yolo.sheet import read_yaml as read_sheet

LAUGHS = "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}' if level else 'ha'] * 10)}]\n" for level in range(12)
)  # the last one is a thousand billion
REFUSED = "aliases repeat more than 10,000 values"


def load(text: str) -> object:
    return YAML(typ="safe").load(text)


def test_what_grows_by_aliases_is_refused_wherever_yaml_is_read(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(LAUGHS)
    assert REFUSED in str(check(file)[0])
    with pytest.raises(ValueError, match=rf"params\.yaml is no valid YAML: its {REFUSED}"):
        read_yaml(file)
    with pytest.raises(SourceError, match=f"data.yaml: no sound YAML: its {REFUSED}"):
        read_sheet("data.yaml", f"{LAUGHS}names: [*a11]\n")
    with pytest.raises(RequestError, match=REFUSED):
        read_request(backbones=None, seeds=None, changes=(), parallel=None, file=file)


@pytest.mark.parametrize(
    "repeats, is_refused", [(MOST_REPEATED // 4 + 1, False), (MOST_REPEATED // 4 + 2, True)]
)
def test_the_limit(repeats: int, is_refused: bool) -> None:
    # A list of three counts four values; the first stands for itself, each further one repeats them.
    document = load(f"a: [&a [1, 2, 3]{', *a' * (repeats - 1)}]")
    if is_refused:
        with pytest.raises(ValueError, match=REFUSED):
            demand_bounded(document)
    else:
        demand_bounded(document)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {b: 1}\nc: *a\nd: {<<: *a, e: 2}",
        "a: &a [1, *a]",  # a block that holds itself
        f"a: [{', '.join(map(str, range(3 * MOST_REPEATED)))}]",  # long, and nothing in it is repeated
        "plain",
    ],
)
def test_what_people_write_passes(text: str) -> None:
    demand_bounded(load(text))
