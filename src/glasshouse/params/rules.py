"""Rules over several keys of params.yaml; a rule runs where its own keys are sound, whatever else is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any
from unicodedata import normalize

from glasshouse.params.document import Document
from glasshouse.params.faults import Fault, show
from glasshouse.params.parts import builtin_weights_path
from glasshouse.params.sizes import STRIDE, fit_sizes
from glasshouse.params.strict import Strict

LABELS_ONLY = ("class_folders", "npy")  # formats without boxes
BOXES_ONLY = ("voc", "coco", "yolo", "via")  # formats that give a picture no class of its own
WRITTEN = ("data/raw", "data/split.parquet", "data/prepared", "models", "reports", "exports")  # by the stages
SEEDS = 2**32  # of NumPy's and TensorFlow's generators
ZOOM = (0.1, 10.0)  # beyond them no object is left to be seen

ABSENT = object()

Message = str | None
Rule = tuple[tuple[str, ...], Callable[..., Message]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rules look at beside the values: the project's folder, the parts' package, the `Params` of
    backbone, neck and head, None where a name is at fault."""

    folder: Path
    package: str
    backbone: type[Strict] | None
    neck: type[Strict] | None
    head: type[Strict] | None


def check_rules(document: Document, faulty: Collection[str], around: Surroundings) -> Iterator[Fault]:
    """Faults over several keys; rules that touch a key of `faulty`, or one that is missing, are left out."""
    for keys, rule in [*PLAIN_RULES, *_rules_of(around, document.values)]:
        values = [_find(document.values, key) for key in keys]
        if ABSENT in values or any(
            key == fault or key.startswith(f"{fault}.") or fault.startswith(f"{key}.")
            for key in keys
            for fault in faulty
        ):
            continue
        message = rule(*values)
        if message:
            yield Fault(document.line(tuple(keys[0].split("."))), keys[0], message)


def _find(values: dict[str, Any], key: str) -> Any:
    """The value of a dotted key; ABSENT where the file leaves it out (some keys may be, and of a block whose
    part has an unknown name nobody knows which)."""
    return reduce(
        lambda block, name: block.get(name, ABSENT) if isinstance(block, dict) else ABSENT,
        key.split("."),
        values,
    )


def _rules_of(around: Surroundings, values: dict[str, Any]) -> list[Rule]:
    folder, package, head, backbone = around.folder, around.package, around.head, around.backbone
    rules: list[Rule] = [
        (("dataset.path", "dataset.source", "dataset.url"), partial(_check_folder, folder)),
        (("dataset.path",), partial(_check_apart, folder)),
        (("model.backbone.weights",), partial(_check_weights, folder)),
        (("model.backbone.weights", "model.backbone.name"), partial(_check_builtin, package)),
    ]
    if head is not None:
        rules.append((("model.head.name", "model.task"), partial(_check_task, head)))
        rules.append((("model.neck.name", "model.head.name"), partial(_check_neck, head)))
        rules += _rules_of_training(head, values["model"]["head"])
    if backbone is not None:
        smallest = smallest_side(backbone, values["model"]["backbone"])
        sides = ("fine_tune.sizes_px", "preprocess.height_px", "preprocess.width_px", "model.backbone.name")
        rules.append((sides, partial(_check_sizes, smallest)))
    for side in ("preprocess.height_px", "preprocess.width_px"):
        if backbone is not None:
            rules.append(((side, "model.backbone.name"), partial(_check_side, smallest)))
        if head is not None:
            rules.append(((side, "model.neck.name", "model.head.name"), partial(_check_cells, head)))
    if backbone is not None and not has_pyramid(backbone):
        if head is not None and needs_pyramid(head):
            rules.append((("model.backbone.name", "model.head.name"), _refuse_head))
        rules.append((("model.neck.name", "model.backbone.name"), _refuse_neck))
    return rules


def _rules_of_training(head: type[Strict], options: dict[str, Any]) -> Iterator[Rule]:
    """What the head, with these options of it, cannot be trained by.

    Its Params may say that it learns one thing a picture, a class or an object: `one_object: ClassVar[bool] =
    True`; and with which values of its options it is made for pictures of one size, as by a weight for every
    place in them: `one_size: ClassVar[dict[str, Collection[Any]]] = {"pool": ("flatten",)}`.
    """
    if getattr(head, "one_object", False):
        for key, what in (("copy_paste", "pasted objects"), ("mix_up", "mixtures")):
            yield (f"augment.{key}", "model.head.name"), partial(_refuse_laid_over, what)
    for name, values in getattr(head, "one_size", {}).items():
        value = options.get(name, head.model_fields[name].default)
        if value in values:
            keys = ("fine_tune.sizes_px", "preprocess.height_px", "model.head.name")
            yield keys, partial(_refuse_sizes, name, value)


def has_pyramid(backbone: type[Strict]) -> bool:
    """Whether the backbone has maps of exactly 1/8, 1/16 and 1/32 of the picture's sides.

    One that has not says so in its Params: `pyramid: ClassVar[bool] = False`.
    """
    return bool(getattr(backbone, "pyramid", True))


def needs_pyramid(head: type[Strict]) -> bool:
    """Whether the head's cells are those of the strides 8, 16 and 32: a detector's are, where it does not say
    otherwise in its Params (`pyramid: ClassVar[bool] = False`)."""
    return bool(getattr(head, "pyramid", getattr(head, "task", "") == "detect"))


def smallest_side(backbone: type[Strict], options: dict[str, Any]) -> int:
    """The smallest side of a picture that the backbone can be built for, px: MIN_SIZE_PX of its file, less
    the zeros that it lays around the picture itself (the option `pad_px`, at each side; none where it is
    no number, which is a fault of its own)."""
    own, padding = int(getattr(sys.modules[backbone.__module__], "MIN_SIZE_PX", 1)), options.get("pad_px", 0)
    return own - 2 * padding if type(padding) is int else own


def _check_shares(test: float, valid: float) -> Message:
    if test + valid < 1:
        return None
    return f"test + valid must be less than 1: the rest is for training. Got {test} + {valid} instead."


def _check_within(key: str, epochs: int, limit: int) -> Message:
    return None if epochs <= limit else f"must be at most {key} ({limit}). Got {epochs} instead."


def _check_above(key: str, highest: float, lowest: float) -> Message:
    return None if highest > lowest else f"must be above {key} ({lowest}). Got {highest} instead."


def _check_shown(shown: float, kept: float) -> Message:
    if shown >= kept:
        return None
    return f"must be score_threshold ({kept}) or more: what scores less is dropped. Got {shown} instead."


def _check_pair(pair: list[float]) -> Message:
    return None if pair[0] <= pair[1] else f"must be [smallest, largest]. Got {pair} instead."


def _check_formats(formats: list[str]) -> Message:
    twice = sorted({name for name in formats if formats.count(name) > 1})
    return f"each format once. Got {', '.join(twice)} more than once instead." if twice else None


def _check_boxes(task: str, source: str, form: str) -> Message:
    if task == "classify" or source != "folder" or form not in LABELS_ONLY:
        return None
    return f"{task} needs boxes, {form} holds labels only: set model.task and model.head.name to classify."


def _check_labels(task: str, source: str, form: str) -> Message:
    if task != "classify":
        return None
    advice = "set model.task and model.head.name to detect or localize objects, or take other data."
    if source == "blooms":
        return f"classify needs a class for every picture, and blooms draws some without a flower: {advice}"
    if source == "folder" and form in BOXES_ONLY:
        return f"classify needs a class for every picture, {form} holds boxes only: {advice}"
    return None


def _check_given(method: str, source: str) -> Message:
    if method != "given" or source != "blooms":
        return None
    return "blooms comes without splits: set stratified or ordered. Got 'given' instead."


def _check_seeds(own: int, seed: int) -> Message:
    if own + seed < SEEDS:
        return None
    return f"seed + model.seed must be less than {SEEDS}. Got {seed} + {own} instead."


def _check_zoom(pair: list[float]) -> Message:
    smallest, largest = ZOOM
    if smallest <= pair[0] and pair[1] <= largest:
        return None
    return f"zoom factors must be {smallest} to {largest}. Got {pair} instead."


def _check_apart(folder: Path, path: str) -> Message:
    """DVC says of a stage that reads what it writes no more than that, and of no key."""
    data = Path(os.path.normpath(folder / path))
    for written in WRITTEN:
        place = folder / written
        if data.is_relative_to(place) or place.is_relative_to(data):
            return f"must lie apart from {written}, which the stages write. Got {show(path)} instead."
    return None


def _check_registered(name: str) -> Message:
    if name.strip() and not set('/:"') & set(name):
        return None
    return (
        'must be a name that MLflow can register and find: some letters, no /, no : and no ". '
        f"Got {show(name)} instead."
    )


def _check_folder(folder: Path, path: str, source: str, url: str) -> Message:
    if source != "folder" or url != "none" or (folder / path).exists():
        return None
    return f"must be an existing folder or archive where dataset.source is folder. Got {show(path)} instead."


def _check_classes(classes: list[str]) -> Message:
    """Readers compare names in Unicode's composed form and take no spaces around them."""
    names = [normalize("NFC", name) for name in classes]
    loose = [name for name in names if name != name.strip()]
    if loose:
        return f"names begin and end with no space. Got {show(loose[0])}."
    twice = sorted({name for name in names if names.count(name) > 1})
    return f"each name once. Got {', '.join(twice)} more than once instead." if twice else None


def _check_url(sha256: str, url: str) -> Message:
    if url == "none" or sha256 != "none":
        return None
    return f"must be the SHA-256 of what {show(url)} holds (sha256sum FILE). Got 'none' instead."


def _check_weights(folder: Path, weights: str) -> Message:
    if weights in ("builtin", "imagenet", "none"):
        return None
    if weights.endswith(".h5") and (folder / weights).is_file():
        return None
    return f"must be builtin, imagenet, none or an existing .h5 file. Got {show(weights)} instead."


def _check_builtin(package: str, weights: str, name: str) -> Message:
    if weights != "builtin" or builtin_weights_path(name, package).is_file():
        return None
    return f"no weights of {name} ship with Glasshouse: use imagenet, none or a path. Got 'builtin' instead."


def _check_task(head: type[Strict], name: str, task: str) -> Message:
    """A head's Params may name the one task it solves: `task: ClassVar[str] = "detect"`."""
    solved = getattr(head, "task", task)
    return None if solved == task else f"head {name} solves task {solved}, but model.task is {task}."


def _check_neck(head: type[Strict], neck: str, name: str) -> Message:
    """A head's Params may say what it stands on: `neck: ClassVar[str] = "needed"`, "none" or "either"."""
    demand = getattr(head, "neck", "either")
    if demand == "none" and neck != "none":
        return f"head {name} takes no neck: set none. Got {show(neck)} instead."
    if demand == "needed" and neck == "none":
        return f"head {name} needs a neck. Got 'none' instead."
    return None


def _check_side(smallest: int, side_px: int, name: str) -> Message:
    if side_px >= smallest:
        return None
    return f"must be at least {smallest}, the smallest side that {name} takes. Got {side_px} instead."


def _check_sizes(smallest: int, heights_px: list[int], height_px: int, width_px: int, name: str) -> Message:
    small = [size for size in fit_sizes(heights_px, (height_px, width_px)) if min(size) < smallest]
    if not small:
        return None
    shown = ", ".join(f"{height} x {width}" for height, width in small)
    return (
        f"each side must be at least {smallest}, the smallest that {name} takes. Got {heights_px}, which are "
        f"{shown} px (height x width) for pictures of this shape, instead."
    )


def _check_cells(head: type[Strict], side_px: int, neck: str, name: str) -> Message:
    """A head that pools what the backbone gives takes any side, as LeNet's 28 px and AlexNet's 227."""
    if side_px % STRIDE == 0 or (neck == "none" and not needs_pyramid(head)):
        return None
    standing = f"neck {neck}" if neck != "none" else f"head {name}"
    return (
        f"must be a multiple of {STRIDE}: {standing} stands on maps of exactly 1/8, 1/16 and 1/32 "
        f"of the picture's sides. Got {side_px} instead."
    )


def _refuse_head(backbone: str, head: str) -> Message:
    return (
        f"{backbone} has no maps of exactly 1/8, 1/16 and 1/32 of the picture's sides, which head {head} "
        "stands on. Use another backbone, or a head that classifies or localizes."
    )


def _refuse_neck(neck: str, backbone: str) -> Message:
    if neck == "none":
        return None
    return (
        f"{backbone} has no maps of exactly 1/8, 1/16 and 1/32 of the picture's sides, which a neck joins: "
        f"set none. Got {show(neck)} instead."
    )


def _refuse_laid_over(what: str, probability: float, head: str) -> Message:
    if not probability:
        return None
    return (
        f"head {head} learns one thing a picture, which {what} change: set 0, or take a head that finds "
        f"several objects. Got {probability} instead."
    )


def _refuse_sizes(option: str, value: Any, heights_px: list[int], height_px: int, head: str) -> Message:
    if all(each == height_px for each in heights_px):
        return None
    return (
        f"head {head} with {option}: {value} is made for pictures of one size: set [], or choose another "
        f"model.head.{option}. Got {heights_px} instead."
    )


_WITHIN_EPOCHS = partial(_check_within, "fine_tune.epochs")

PLAIN_RULES: tuple[Rule, ...] = (
    (("split.test", "split.valid"), _check_shares),
    (("dataset.sha256", "dataset.url"), _check_url),
    (("dataset.classes",), _check_classes),
    (("augment.mosaic_off_epochs", "fine_tune.epochs"), _WITHIN_EPOCHS),
    (("fine_tune.warmup_epochs", "fine_tune.epochs"), _WITHIN_EPOCHS),
    (("augment.scale",), _check_pair),
    (("augment.scale",), _check_zoom),
    (("model.seed", "seed"), _check_seeds),
    (("split.method", "dataset.source"), _check_given),
    (("quality.download.max_side_px", "quality.download.min_side_px"), partial(_check_above, "min_side_px")),
    (
        ("quality.download.max_mean_level", "quality.download.min_mean_level"),
        partial(_check_above, "min_mean_level"),
    ),
    (("evaluate.gallery_score", "evaluate.score_threshold"), _check_shown),
    (("export.formats",), _check_formats),
    (("model.task", "dataset.source", "dataset.format"), _check_boxes),
    (("model.task", "dataset.source", "dataset.format"), _check_labels),
    (("tracking.model_name",), _check_registered),
)
