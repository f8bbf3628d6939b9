"""Rules between the head and other blocks of params.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasshouse.params import check, part_names
from glasshouse.params.parts import load_part

TEXT = (Path(__file__).parents[2] / "params.yaml").read_text()
TASKS = {"classify": "classify", "localize": "localize"}  # all others detect
PASTED = (
    "head {} learns one thing a picture, which {} change: set 0, or take a head that finds several objects. "
    "Got 0.5 instead."
)


def choose(folder: Path, head: str, changes: dict[str, str] | None = None) -> Path:
    """The project's params.yaml with this head, `name` or `name, option: value`, and what stands in it ->
    what is to."""
    name, *options = head.split(", ")
    block = "\n    ".join([f"name: {name}", *options])
    text = TEXT
    changes = {
        # Pictures of tf_flowers have one class each, those of blooms have boxes.
        "source: blooms": f"source: {'tfds' if name == 'classify' else 'blooms'}",
        "name: anchor_free": block,
        "task: detect": f"task: {TASKS.get(name, 'detect')}",
        **(changes or {}),
    }
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "params.yaml"
    path.write_text(text)
    return path


def faults_of(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text().splitlines()
    for fault in check(path):  # it is blamed on the line that holds the key
        assert fault.line and lines[fault.line - 1].strip().startswith(fault.key.rpartition(".")[2])
    return [(fault.key, fault.message) for fault in check(path)]


@pytest.mark.parametrize("head", ["classify", "localize", "sliding"])
@pytest.mark.parametrize(("key", "what"), [("copy_paste", "pasted objects"), ("mix_up", "mixtures")])
def test_nothing_is_laid_over_pictures_of_one_thing(tmp_path: Path, head: str, key: str, what: str) -> None:
    path = choose(tmp_path, head, {f"{key}: 0.0": f"{key}: 0.5"})
    assert faults_of(path) == [(f"augment.{key}", PASTED.format(head, what))]


@pytest.mark.parametrize("head", part_names("head"))
def test_every_head_takes_the_default_augmentation(tmp_path: Path, head: str) -> None:
    assert faults_of(choose(tmp_path, head)) == []


def test_detectors_take_mixtures_and_pasted_objects(tmp_path: Path) -> None:
    wanted = {"mix_up: 0.0": "mix_up: 0.5", "copy_paste: 0.0": "copy_paste: 0.5"}
    assert faults_of(choose(tmp_path, "yolo_v3", wanted)) == []


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"source: blooms": "source: blooms"}, "blooms draws some without a flower"),
        *(
            (
                {"source: blooms": "source: folder", "format: class_folders": f"format: {form}"},
                f"{form} holds boxes",
            )
            for form in ("voc", "coco", "yolo", "via")
        ),
    ],
)
def test_a_classifier_wants_a_class_for_every_picture(
    tmp_path: Path, wanted: dict[str, str], said: str
) -> None:
    """It is said before the data are read, and not by the training when they are prepared."""
    (tmp_path / "data/pictures").mkdir(parents=True)
    ((key, message),) = faults_of(choose(tmp_path, "classify", wanted))
    assert key == "model.task" and said in message


@pytest.mark.parametrize("form", ["class_folders", "csv", "npy"])
def test_a_classifier_takes_formats_that_may_name_classes(tmp_path: Path, form: str) -> None:
    (tmp_path / "data/pictures").mkdir(parents=True)
    wanted = {"source: blooms": "source: folder", "format: class_folders": f"format: {form}"}
    assert faults_of(choose(tmp_path, "classify", wanted)) == []


@pytest.mark.parametrize(
    ("head", "option"),
    [
        ("classify, pool: flatten", "pool: flatten"),
        ("localize, pool: flatten", "pool: flatten"),
        ("sliding", "pool: flatten"),  # by default
        ("sliding, dropout: 2.0", "pool: flatten"),  # another fault of the head hides nothing
        ("sliding, pool: average", None),
        ("sliding, pool: flaten", None),  # a fault of its own
        ("localize", None),
        ("classify", None),
        ("yolo_v1, grid: 7", "grid: 7"),
        ("yolo_v1", None),
    ],
)
def test_weights_for_every_place_want_one_size(tmp_path: Path, head: str, option: str | None) -> None:
    path = choose(tmp_path, head, {"sizes_px: []": "sizes_px: [64, 128]"})
    said = [fault.message for fault in check(path) if fault.key == "fine_tune.sizes_px"]
    assert said == (
        [
            f"head {head.partition(',')[0]} with {option} is made for pictures of one size: set [], or "
            f"choose another model.head.{option.partition(':')[0]}. Got [64, 128] instead."
        ]
        if option
        else []
    )


def test_the_size_that_pictures_have_anyway_is_no_other(tmp_path: Path) -> None:
    assert faults_of(choose(tmp_path, "sliding", {"sizes_px: []": "sizes_px: [128]"})) == []


def test_sizes_below_the_smallest_side_of_the_network(tmp_path: Path) -> None:
    wanted = {"name: csp_compact": "name: inception_v3", "weights: builtin": "weights: none"}
    sizes = {"sizes_px: []": "sizes_px: [128, 64]"}
    assert faults_of(choose(tmp_path, "classify", wanted | sizes)) == [
        (
            "fine_tune.sizes_px",
            "each side must be at least 75, the smallest that inception_v3 takes. Got [128, 64], which are "
            "64 x 64 px (height x width) for pictures of this shape, instead.",
        )
    ]
    # Of pictures of 160 x 96 px those of height 96 are 57.6 px wide, in whole strides 64.
    tall = {
        "height_px: 128": "height_px: 160",
        "width_px: 128": "width_px: 96",
        "sizes_px: []": "sizes_px: [96, 160]",
    }
    ((key, message),) = faults_of(choose(tmp_path, "classify", wanted | tall))
    assert key == "fine_tune.sizes_px" and "which are 96 x 64 px" in message
    assert faults_of(choose(tmp_path, "classify", wanted | {"sizes_px: []": "sizes_px: [96]"})) == []


def test_both_faults_are_told_at_once(tmp_path: Path) -> None:
    wanted = {"sizes_px: []": "sizes_px: [64, 96]", "copy_paste: 0.0": "copy_paste: 0.5"}
    told = [key for key, _ in faults_of(choose(tmp_path, "localize, pool: flatten", wanted))]
    assert told == ["fine_tune.sizes_px", "augment.copy_paste"]


def test_more_windows_than_a_picture_can_bear_are_told(tmp_path: Path) -> None:
    # 1 + 0.9 / (0.1 * 0.05) = 181 beside each other and 181 below
    path = choose(tmp_path, "sliding, step: 0.05, windows: [0.1]")
    assert faults_of(path) == [
        (
            "model.head.step",
            "windows and step make 32761 windows a picture, more than 5000: take larger ones. "
            "Got 0.05 instead.",
        )
    ]
    # By default: 1 + ceil(0.9 / 0.05) = 19 each way.
    assert faults_of(choose(tmp_path, "sliding, windows: [0.1]")) == []
    told = choose(tmp_path, "sliding, windows: [0.1" + 13 * ",0.1" + "]")  # 14 * 361 = 5054
    assert [fault.key for fault in check(told)] == ["model.head.step"]
    assert [fault.key for fault in check(choose(tmp_path, "sliding, step: 0.01, windows: [0.0]"))] == [
        "model.head.windows"
    ]


@pytest.mark.parametrize("name", part_names("head"))
def test_params_and_head_agree_on_what_is_learned(name: str) -> None:
    """The check of params.yaml asks the former, the training stream the latter."""
    from glasshouse.models.catalog import find_part

    params = load_part("head", name)
    assert getattr(params, "one_object", False) == getattr(find_part("heads", name).Head, "one_object", False)
