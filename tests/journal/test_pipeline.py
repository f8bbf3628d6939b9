from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glasshouse.journal.digests import Digests
from glasshouse.journal.pipeline import (
    Pipeline,
    find_changed_out,
    find_stale,
    read_lock,
    read_pipeline,
    read_yaml,
)

AFTER = "after "


def _stale(project: Any) -> dict[str, str]:
    params = read_yaml(project.root / "params.yaml")
    pipeline = read_pipeline(project.root, params)
    return find_stale(pipeline, read_lock(project.root), params, Digests(project.root))


def test_sources_are_the_deps_that_no_stage_makes(project: Any) -> None:
    pipeline = read_pipeline(project.root, {})
    scripts = [f"pipeline/{name}.py" for name in ("download", "evaluate", "export", "train_head")]
    assert pipeline.sources == [*scripts, "src/room.py", "src/weights.h5"]
    assert pipeline.owner("reports/evaluate/metrics.json") == "evaluate"
    assert pipeline.owner("reports/evaluated") is None


def test_metrics_and_plots_are_outputs_and_a_slash_at_the_end_of_a_path_is_nothing(project: Any) -> None:
    kinds = "outs: [data/raw/]\n    metrics: [reports/raw.json: {cache: false}]\n    plots: [reports/raw.csv]"
    project.set("outs: [data/raw]", kinds, "dvc.yaml")
    pipeline = read_pipeline(project.root, {})
    assert pipeline.stages["download"].outs == ("data/raw", "reports/raw.json", "reports/raw.csv")
    assert {pipeline.owner(path) for path in ("data/raw/a", "reports/raw.json", "reports/raw.csv")} == {
        "download"
    }


def test_nothing_is_stale_after_a_run(project: Any) -> None:
    project.make_outputs()
    assert _stale(project) == {}


def test_everything_is_stale_before_a_run(project: Any) -> None:
    assert set(_stale(project)) == {"download", "train_head", "evaluate", "export"}


@pytest.mark.parametrize(
    ("change", "first", "stale"),
    [
        (
            lambda p: p.set("nms_iou: 0.6", "nms_iou: 0.7"),
            "params.yaml evaluate.nms_iou changed",
            {"evaluate"},
        ),
        (lambda p: p.write("pipeline/evaluate.py", "#"), "pipeline/evaluate.py changed", {"evaluate"}),
        (
            lambda p: p.write("src/weights.h5", "v"),
            "src/weights.h5 changed",
            {"train_head", "evaluate", "export"},
        ),
        (
            lambda p: p.set("seed: 7", "seed: 8"),
            "params.yaml seed changed",
            {"download", "train_head", "evaluate", "export"},
        ),
        (
            lambda p: p.set("python pipeline/export", "time python pipeline/export", "dvc.yaml"),
            "command",
            {"export"},
        ),
        (
            lambda p: p.set("seed: 7", "# seed"),
            "params.yaml seed",
            {"download", "train_head", "evaluate", "export"},
        ),
    ],
)
def test_a_change_makes_its_stage_and_those_after_it_stale(
    project: Any, change: Callable[[Any], None], first: str, stale: set[str]
) -> None:
    project.make_outputs()
    change(project)
    found = _stale(project)
    assert set(found) == stale
    assert first in next(iter(found.values()))
    assert all(AFTER in reason for reason in list(found.values())[1:])


def test_the_order_in_dvc_yaml_does_not_matter(project: Any) -> None:
    project.make_outputs()
    project.set("seed: 7", "seed: 8")
    params = read_yaml(project.root / "params.yaml")
    pipeline = read_pipeline(project.root, params)
    turned = Pipeline(dict(reversed(pipeline.stages.items())), pipeline.document)
    lock, digests = read_lock(project.root), Digests(project.root)
    assert find_stale(turned, lock, params, digests) == _stale(project) != {}


def test_a_command_made_of_params_is_left_to_dvc(project: Any) -> None:
    """dvc.lock has it filled in; the params that it names are watched by themselves."""
    project.make_outputs()
    project.set("python pipeline/export.py", "python ${export.script}", "dvc.yaml")
    assert _stale(project) == {}


def test_an_output_made_anew_makes_its_readers_stale(project: Any) -> None:
    project.make_outputs()
    old = read_lock(project.root)["train_head"].outs["models/head.json"]
    text = (project.root / "dvc.lock").read_text()
    made, read = text.index(old), text.rindex(old)
    assert made < read
    (project.root / "dvc.lock").write_text(text[:made] + "0" * len(old) + text[made + len(old) :])
    assert _stale(project)["evaluate"] == "models/head.json was made anew since it ran"


def test_an_output_that_differs_on_disk_is_found(project: Any) -> None:
    project.make_outputs()
    lock = read_lock(project.root)
    assert find_changed_out("evaluate", lock, Digests(project.root)) is None
    project.write("reports/evaluate/metrics.json", "{}")
    assert find_changed_out("evaluate", lock, Digests(project.root)) == "reports/evaluate"


def test_params_may_stand_below_their_file(project: Any) -> None:
    project.set("params: [seed, dataset]", "params: [{params.yaml: [seed, dataset]}, model]", "dvc.yaml")
    assert read_pipeline(project.root, {}).stages["download"].params == ("seed", "dataset", "model")


@pytest.mark.parametrize("text", ["- 1\n", "a: [\n", "stages: {}\n"])
def test_a_dvc_yaml_that_is_none_is_named(project: Any, text: str) -> None:
    project.write("dvc.yaml", text)
    with pytest.raises(ValueError, match=r"dvc\.yaml"):
        read_pipeline(project.root, {})


def test_text_in_another_encoding_is_named(project: Any) -> None:
    (project.root / "params.yaml").write_bytes("seed: 7  # für alles\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"params\.yaml is not UTF-8 text \(byte 12\)"):
        read_yaml(project.root / "params.yaml")


def test_a_lock_of_two_versions_says_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    path.write_text("schema: '2.0'\nstages:\n<<<<<<< HEAD\n  a: {}\n=======\n  b: {}\n>>>>>>> theirs\n")
    with pytest.raises(ValueError, match=r"dvc\.lock, line 3: git left .*`git checkout --ours dvc\.lock`"):
        read_yaml(path)


def test_a_lock_without_them_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("stages: [a <<<<<<< b\n")
    with pytest.raises(ValueError, match=r"dvc\.lock is no valid YAML"):
        read_yaml(tmp_path / "dvc.lock")
