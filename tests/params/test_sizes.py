"""Rules between the backbone and other blocks of params.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasshouse.params import check
from glasshouse.params.sizes import fit_sizes

TEXT = (Path(__file__).parents[2] / "params.yaml").read_text()


def write(folder: Path, **changes: str) -> Path:
    text = TEXT.replace("weights: builtin", "weights: none")
    for old, new in changes.items():
        line = next(line for line in text.splitlines() if line.strip().startswith(f"{old}:"))
        indent = line[: len(line) - len(line.lstrip())]
        assert text.count(f"{line}\n") == 1
        text = text.replace(line, f"{indent}{old}: {new}")
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def choose(folder: Path, backbone: str, **changes: str) -> Path:
    path = write(folder, **changes)
    path.write_text(path.read_text().replace("name: csp_compact", f"name: {backbone}"))
    return path


@pytest.mark.parametrize(("height", "width"), [("64", "128"), ("96", "64"), ("64", "64")])
def test_pictures_below_the_smallest_side_of_the_network(tmp_path: Path, height: str, width: str) -> None:
    faults = check(choose(tmp_path, "xception", height_px=height, width_px=width))
    expected = [
        (
            f"preprocess.{name}_px",
            f"must be at least 71, the smallest side that xception takes. Got {side} instead.",
        )
        for name, side in (("height", height), ("width", width))
        if int(side) < 71
    ]
    assert [(fault.key, fault.message) for fault in faults] == expected


def test_sizes_of_one_shape_are_whole_strides_and_at_least_one() -> None:
    """Of 256 x 64: 32 high is 8 wide and 96 is 24, both 32 by strides; 192 is 48, half to even 64."""
    assert fit_sizes([32, 96, 32, 192], (256, 64)) == [(32, 32), (96, 32), (192, 64)]


def test_sides_at_the_limit_pass(tmp_path: Path) -> None:
    assert check(choose(tmp_path, "xception", height_px="96", width_px="96")) == ()
    assert check(choose(tmp_path, "resnet18", height_px="32", width_px="32")) == ()


def classify(folder: Path, backbone: str, **changes: str) -> Path:
    path = choose(folder, backbone, **changes)
    text = (
        path.read_text().replace("task: detect", "task: classify").replace("source: blooms", "source: tfds")
    )
    path.write_text(
        text.replace("name: anchor_free", "name: classify").replace("name: top_down", "name: none")
    )
    return path


@pytest.mark.parametrize(
    ("backbone", "side_px"),
    [("fashion_cnn", 28), ("lenet5\n    pad_px: 2", 28), ("alexnet", 227), ("inception_v3", 299)],
)
def test_a_head_that_pools_takes_the_sizes_of_the_papers(tmp_path: Path, backbone: str, side_px: int) -> None:
    assert check(classify(tmp_path, backbone, height_px=str(side_px), width_px=str(side_px))) == ()


def test_zeros_laid_around_a_picture_count_as_its_own(tmp_path: Path) -> None:
    plain = check(classify(tmp_path, "lenet5", height_px="28", width_px="28"))
    assert [fault.message for fault in plain] == [
        "must be at least 32, the smallest side that lenet5 takes. Got 28 instead."
    ] * 2
    padded = check(classify(tmp_path, "lenet5\n    pad_px: 2", height_px="27", width_px="28"))
    assert [fault.message for fault in padded] == [
        "must be at least 28, the smallest side that lenet5 takes. Got 27 instead."
    ]


def test_a_fault_of_the_backbone_hides_none_of_the_sides(tmp_path: Path) -> None:
    path = classify(tmp_path, "lenet5\n    pad_px: two", height_px="28", width_px="32")
    path.write_text(path.read_text().replace("weights: none", "weights: missing.h5"))
    told = {fault.key: fault.message for fault in check(path)}
    assert {"model.backbone.weights", "model.backbone.pad_px", "preprocess.height_px"} == told.keys()
    assert "at least 32" in told["preprocess.height_px"]


@pytest.mark.parametrize("neck", ["top_down", "none"])
def test_detectors_take_multiples_of_their_coarsest_stride(tmp_path: Path, neck: str) -> None:
    path = write(tmp_path, height_px="100", width_px="227")
    path.write_text(path.read_text().replace("name: top_down", f"name: {neck}"))
    faults = [fault for fault in check(path) if fault.key.startswith("preprocess")]
    standing = "head anchor_free" if neck == "none" else "neck top_down"
    assert [(fault.key, fault.message) for fault in faults] == [
        (
            f"preprocess.{name}_px",
            f"must be a multiple of 32: {standing} stands on maps of exactly 1/8, 1/16 and 1/32 of the "
            f"picture's sides. Got {side} instead.",
        )
        for name, side in (("height", 100), ("width", 227))
    ]


@pytest.mark.parametrize(
    ("head", "task", "neck", "keys"),
    [
        ("anchor_free", "detect", "top_down", ["model.backbone.name", "model.neck.name"]),
        ("yolo_v1", "detect", "none", ["model.backbone.name"]),
        ("classify", "classify", "top_down", ["model.neck.name"]),
        ("classify", "classify", "none", []),
        ("localize", "localize", "none", []),
        ("sliding", "detect", "none", []),  # it pools the coarsest level, whatever its stride
    ],
)
@pytest.mark.parametrize("backbone", ["lenet5", "fashion_cnn"])
def test_networks_of_other_strides_serve_heads_that_pool(
    tmp_path: Path, backbone: str, head: str, task: str, neck: str, keys: list[str]
) -> None:
    path = choose(tmp_path, backbone)
    text = (
        path.read_text()
        .replace("name: anchor_free", f"name: {head}")
        .replace("name: top_down", f"name: {neck}")
    )
    text = text.replace("source: blooms", "source: tfds")  # the flowers of blooms have no class a picture
    path.write_text(text.replace("task: detect", f"task: {task}"))
    assert [fault.key for fault in check(path)] == keys
