from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from glasshouse.comparison.plan import Plan, change_document, make_plan
from glasshouse.comparison.request import Asked, Request, RequestError
from glasshouse.params import ParamsError
from glasshouse.params.document import parse_document

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    return tmp_path


def make(root: Path, *backbones: Asked, **options: Any) -> Plan:
    return make_plan(root, Request("trial", backbones, **options))


def faults(root: Path, *backbones: Asked, **options: Any) -> list[str]:
    with pytest.raises(RequestError) as caught:
        make(root, *backbones, **options)
    return list(caught.value.faults)


def test_every_entry_has_a_params_file_of_its_own(root: Path) -> None:
    plan = make(
        root, Asked("csp_compact"), Asked("mobilenet_v2", {"alpha": 0.35}), seeds=2, changes={"seed": 9}
    )
    assert [entry.name for entry in plan.entries] == [
        "csp_compact seed 0",
        "csp_compact seed 1",
        "mobilenet_v2 alpha=0.35 seed 0",
        "mobilenet_v2 alpha=0.35 seed 1",
    ]
    assert len({entry.folder for entry in plan.entries}) == 4
    last = plan.entries[-1]
    assert (last.params.seed, last.params.model.seed, last.params.export.formats) == (9, 1, ("saved_model",))
    assert last.params.evaluate.explained_pictures == 0
    kept = make(root, Asked("csp_compact"), changes={"evaluate.explained_pictures": 3}).entries[0]
    assert kept.params.evaluate.explained_pictures == 3
    assert last.params.model.backbone.model_dump() == {
        "name": "mobilenet_v2",
        "weights": "none",
        "alpha": 0.35,
    }
    assert (
        parse_document(last.text, root).values["dataset"]
        == parse_document((root / "params.yaml").read_text(), root).values["dataset"]
    )


def test_weights_are_never_others_without_a_word(root: Path) -> None:
    plan = make(root, Asked("csp_compact"), Asked("resnet34"))
    assert [entry.weights for entry in plan.entries] == ["builtin", "none"]
    (note,) = plan.notes
    assert note.startswith("resnet34 starts from random weights")
    plan = make(root, Asked("csp_compact"), Asked("resnet34"), changes={"model.backbone.weights": "none"})
    assert [entry.weights for entry in plan.entries] == ["none", "none"] and not plan.notes
    told = faults(root, Asked("resnet34", {"weights": "builtin"}))
    assert "no weights of resnet34 ship with Glasshouse" in told[0]
    assert "imagenet" in faults(root, Asked("resnet34"), changes={"model.backbone.weights": "imagenet"})[0]


def test_the_projects_own_backbone_keeps_its_options(root: Path) -> None:
    text = change_document(
        (root / "params.yaml").read_text(),
        {"model.backbone": {"name": "mobilenet_v2", "weights": "imagenet", "alpha": 0.5}},
    )
    (root / "params.yaml").write_text(text)
    plan = make(root, Asked("mobilenet_v2"), Asked("mobilenet_v2", {"weights": "none"}))
    assert [entry.label for entry in plan.entries] == [
        "mobilenet_v2 alpha=0.5 imagenet",
        "mobilenet_v2 alpha=0.5 none",
    ]


def test_all_faults_at_once_before_any_work(root: Path) -> None:
    told = faults(
        root,
        Asked("mobilnet_v2"),
        Asked("mobilenet_v2", {"alpha": 0.6, "weights": "imagenet"}),
        Asked("inception_v3"),
        Asked("csp_compact"),
        Asked("csp_compact", {"weights": "builtin"}),
        changes={"evaluate.nms_ious": 1, "preprocess.height_px": 64, "model.backbone.alpha": 1},
    )
    text = "\n".join(told)
    for words in (
        "no backbone 'mobilnet_v2'. Did you mean 'mobilenet_v2'?",
        "no other width has ImageNet weights. Got 0.6",
        "must be at least 75, the smallest side that inception_v3 takes. Got 64",
        "csp_compact:weights=builtin stands twice (first as csp_compact)",
        "--set evaluate.nms_ious: params.yaml has no such key. Did you mean 'evaluate.nms_iou'?",
        "--set model.backbone.alpha: a backbone and its options are named as",
    ):
        assert words in text
    assert len(told) == 6
    assert sorted(path.name for path in root.iterdir()) == ["params.yaml"]


def test_a_fault_that_all_share_is_told_once(root: Path) -> None:
    told = faults(root, Asked("csp_compact"), Asked("resnet34"), changes={"evaluate.nms_iou": 7})
    assert told == ["evaluate.nms_iou: must be less than or equal to 1. Got 7 instead."]


def test_latency_needs_its_format(root: Path) -> None:
    told = faults(root, Asked("csp_compact"), changes={"export.formats": ["onnx"]})
    assert "must hold saved_model" in told[0]


def test_params_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="cannot be read"):
        make(tmp_path, Asked("csp_compact"))


@pytest.mark.parametrize(
    ("old", "new"),
    [("\nmodel:", "\nmodels:"), ("  backbone:\n", "  backbone: csp_compact\n  other:\n")],
)
def test_params_without_a_block_for_the_backbone(root: Path, old: str, new: str) -> None:
    text = (root / "params.yaml").read_text()
    assert old in text
    (root / "params.yaml").write_text(text.replace(old, new))
    with pytest.raises(ParamsError, match=r"model: missing key|model\.backbone: must be a block"):
        make(root, Asked("csp_compact"))


@pytest.mark.parametrize("key", ["model", "export"])
def test_blocks_that_hold_what_the_comparison_sets(root: Path, key: str) -> None:
    told = f"--set {key}: the comparison sets some of its keys itself: set the others one by one."
    assert faults(root, Asked("csp_compact"), changes={key: 3}) == [told]


def test_comments_stay() -> None:
    assert change_document("a: {b: 1}  # why\nc: 2\n", {"a.b": [3]}) == "a: {b: [3]} # why\nc: 2\n"
