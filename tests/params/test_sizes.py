"""Rules between the backbone and other blocks of params.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasshouse.params import check

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


def test_sides_at_the_limit_pass(tmp_path: Path) -> None:
    assert check(choose(tmp_path, "xception", height_px="96", width_px="96")) == ()
    assert check(choose(tmp_path, "resnet18", height_px="32", width_px="32")) == ()


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
    path.write_text(text.replace("task: detect", f"task: {task}"))
    assert [fault.key for fault in check(path)] == keys
