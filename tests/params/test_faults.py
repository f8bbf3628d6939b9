"""Every kind of fault in params.yaml: said with its line, key, received value and what to write instead."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glasshouse.params import ParamsError, check, read_params

# (what stands in the sound file, what stands there instead, the key at fault, words of the message)
FAULTS = {
    "text for int": ("seed: 7 ", 'seed: "7" ', "seed", ["whole number", "'7' (text)"]),
    "bool for int": ("seed: 7 ", "seed: true ", "seed", ["whole number", "true"]),
    "float for int": ("epochs: 6\n", "epochs: 6.5\n", "train_head.epochs", ["whole number", "6.5"]),
    "negative": ("seed: 7 ", "seed: -1 ", "seed", ["greater than or equal to 0", "-1"]),
    "too large": ("seed: 7 ", "seed: 4294967296 ", "seed", ["less than 4294967296"]),
    "endless batch": (
        "batch_size: 32",
        "batch_size: 1000000000",
        "evaluate.batch_size",
        ["less than or equal to 4096"],
    ),
    "null": ("test: 0.10 ", "test: ", "split.test", ["a number", "null"]),
    "text for float": ("test: 0.10 ", "test: ten ", "split.test", ["a number", "'ten' (text)"]),
    "bool for float": ("flip: 0.5 ", "flip: yes ", "augment.flip", ["a number", "'yes'"]),
    "nan": ("hue: 0.02 ", "hue: .nan ", "augment.hue", ["finite"]),
    "infinity": ("clip_norm: 10.0", "clip_norm: .inf", "fine_tune.clip_norm", ["finite"]),
    "share above 1": ("mosaic: 0.5 ", "mosaic: 1.5 ", "augment.mosaic", ["less than or equal to 1", "1.5"]),
    "zero rate": (
        "learning_rate: 2.0e-3",
        "learning_rate: 0",
        "train_head.learning_rate",
        ["greater than 0"],
    ),
    "unknown key": (
        "  near_copy_bits:",
        "  near_copy_bit:",
        "split.near_copy_bit",
        ["'near_copy_bits'", "method"],
    ),
    "unknown block": ("augment: ", "augments: ", "augments", ["Did you mean 'augment'", "tracking"]),
    "missing key": ("  near_copy_bits: 6 ", "  # ", "split.near_copy_bits", ["missing", "below split"]),
    "key of a part": (
        "    channels: 64",
        "    chanels: 64",
        "model.neck.chanels",
        ["Did you mean 'channels'"],
    ),
    "value of a part": (
        "    channels: 64",
        "    channels: 4",
        "model.neck.channels",
        ["greater than or equal to 8"],
    ),
    "unknown backbone": (
        "tiny_net",
        "tyni_net",
        "model.backbone.name",
        ["'tyni_net'", "Did you mean 'tiny_net'"],
    ),
    "unknown neck": ("pyramid", "piramid", "model.neck.name", ["Did you mean 'pyramid'", "none, pyramid"]),
    "unknown head": ("name: boxes", "name: boxer", "model.head.name", ["Did you mean 'boxes'", "labels"]),
    "head of another task": (
        "name: boxes",
        "name: labels",
        "model.head.name",
        ["solves task classify", "detect"],
    ),
    "head without its neck": ("pyramid", "none", "model.neck.name", ["boxes needs a neck"]),
    "no such weights file": (
        "builtin",
        "w.h5",
        "model.backbone.weights",
        ["existing", "'w.h5'"],
    ),
    "unknown weights": ("builtin", "bultin", "model.backbone.weights", ["builtin, imagenet, none"]),
    "misspelt choice": (
        "letterbox ",
        "leterbox ",
        "preprocess.resize",
        ["Did you mean 'letterbox'", "stretch"],
    ),
    "number for a choice": ("method: stratified", "method: 3", "split.method", ["valid names", "Got 3"]),
    "another of a few numbers": (
        "name: boxes",
        "name: boxes\n    cells: 2",
        "model.head.cells",
        ["Got 2 instead. Valid: 1, 3."],
    ),
    "text for one of a few numbers": (
        "name: boxes",
        'name: boxes\n    cells: "3"',
        "model.head.cells",
        ["Got '3' (text) instead. Valid: 1, 3."],
    ),
    "text beside a truth value": (
        "name: boxes",
        "name: boxes\n    tight: fsat",
        "model.head.tight",
        ["Did you mean 'fast'?", "Valid: fast, not so, or slow, true, null."],
    ),
    "not a multiple of 32": (
        "height_px: 128",
        "height_px: 130",
        "preprocess.height_px",
        ["multiple of 32", "130"],
    ),
    "zero side": ("width_px: 128", "width_px: 0", "preprocess.width_px", ["greater than or equal to 16"]),
    "grey above 255": ("pad_value: 114", "pad_value: 300", "preprocess.pad_value", ["equal to 255"]),
    "shares leave nothing": ("valid: 0.15", "valid: 0.95", "split.test", ["less than 1", "0.1 + 0.95"]),
    "mosaic off too long": (
        "off_epochs: 4",
        "off_epochs: 21",
        "augment.mosaic_off_epochs",
        ["fine_tune.epochs (9)"],
    ),
    "warm-up too long": (
        "warmup_epochs: 1",
        "warmup_epochs: 21",
        "fine_tune.warmup_epochs",
        ["fine_tune.epochs (9)"],
    ),
    "boxes to show that were dropped": (
        "score_threshold: 0.001",
        "score_threshold: 0.5",
        "evaluate.gallery_score",
        ["score_threshold (0.5)", "Got 0.3"],
    ),
    "pair reversed": ("[0.6, 1.4]", "[1.4, 0.6]", "augment.scale", ["[smallest, largest]"]),
    "zoom to nothing": ("[0.6, 1.4]", "[0.001, 1.4]", "augment.scale", ["0.1 to 10.0", "Got [0.001, 1.4]"]),
    "seeds too large together": (
        "  seed: 0 ",
        "  seed: 4294967289 ",
        "model.seed",
        ["less than 4294967296", "7 + 4294967289"],
    ),
    "splits that nobody gives": ("method: stratified", "method: given", "split.method", ["without splits"]),
    "pictures where a stage writes": (
        "path: data/pictures",
        "path: data/../data/raw/mine",
        "dataset.path",
        ["apart from data/raw", "stages write"],
    ),
    "pictures around what a stage writes": ("path: data/pictures", "path: .", "dataset.path", ["apart from"]),
    "model name with a slash": (
        "model_name: blooms-detector",
        "model_name: flowers/detector",
        "tracking.model_name",
        ['no /, no : and no "', "'flowers/detector'"],
    ),
    "model name with a quote": (
        "model_name: blooms-detector",
        """model_name: 'the "best"'""",
        "tracking.model_name",
        ['no /, no : and no "', "'the \"best\"'"],
    ),
    "pair of one": ("[0.6, 1.4]", "[1.4]", "augment.scale.1", ["missing"]),
    "pair of three": ("[0.6, 1.4]", "[0.6, 1.0, 1.4]", "augment.scale", ["at most 2"]),
    "pair with a zero": ("[0.6, 1.4]", "[0, 1.4]", "augment.scale.0", ["greater than 0"]),
    "number for a pair": ("[0.6, 1.4]", "1.4", "augment.scale", ["a list"]),
    "number for a layer": (
        "unfreeze_from: all",
        "unfreeze_from: 3",
        "fine_tune.unfreeze_from",
        ["text", "Got 3"],
    ),
    "bool for a name": (
        "experiment: glasshouse",
        "experiment: true",
        "tracking.experiment",
        ["text", "true"],
    ),
    "empty name": ("experiment: glasshouse", 'experiment: ""', "tracking.experiment", ["not empty"]),
    "unknown format": ("onnx]", "onx]", "export.formats.3", ["Did you mean 'onnx'"]),
    "format twice": ("onnx]", "litert]", "export.formats", ["litert more than once"]),
    "no format": ("[saved_model, litert, litert_int8, onnx]", "[]", "export.formats", ["at least 1"]),
    "folder is not there": (
        "source: blooms",
        "source: folder",
        "dataset.path",
        ["existing folder", "data/pictures"],
    ),
    "address without a hash": (
        "url: none ",
        "url: https://x.org/a.zip ",
        "dataset.sha256",
        ["SHA-256", "https"],
    ),
    "hash of another kind": ("sha256: none", "sha256: abc", "dataset.sha256", ["none|", "Got 'abc'"]),
    "unknown format of labels": (
        "format: class_folders",
        "format: vok",
        "dataset.format",
        ["Did you mean 'voc'"],
    ),
    "labels for a detector": ("source: blooms", "source: folder", "model.task", ["labels only", "classify"]),
    "no pictures": (
        "pictures: 1600",
        "pictures: 0",
        "dataset.blooms.pictures",
        ["greater than or equal to 1"],
    ),
    "limits crossed": (
        "min_side_px: 16",
        "min_side_px: 20000",
        "quality.download.max_side_px",
        ["min_side_px"],
    ),
    "levels crossed": (
        "max_mean_level: 250.0",
        "max_mean_level: 5",
        "quality.download.max_mean_level",
        ["above"],
    ),
    "class twice": (
        "classes: [] ",
        "classes: [rose, daisy, rose] ",
        "dataset.classes",
        ["rose more than once"],
    ),
    "class twice in two forms": (
        "classes: [] ",
        'classes: ["caf\\u00e9", "cafe\\u0301"] ',
        "dataset.classes",
        ["more than once"],
    ),
    "space after a class": (
        "classes: [] ",
        "classes: ['rose '] ",
        "dataset.classes",
        ["no space", "'rose '"],
    ),
    "unknown mode": ("mode: enforce ", "mode: enforced ", "quality.mode", ["Did you mean 'enforce'"]),
    "key twice": ("  valid: 0.15 ", "  test: 0.15 ", "split.test", ["stands twice", "first in line"]),
    "block for a value": ("seed: 7 ", "seed: {a: 1} ", "seed", ["whole number", "a block of keys (a)"]),
    "value for a block": ("tracking:  ", "tracking: 3\nother:  ", "tracking", ["a block of keys", "Got 3"]),
    "null block": ("export:\n", "export: null\nexports:\n", "export", ["a block of keys", "null"]),
    "number as key": ("seed: 7 ", "seed: 7\n1: 2 ", "1", ["text (a key)"]),
    "tab": ("  test: 0.10", "\ttest: 0.10", "", ["no valid YAML", "tabs"]),
    "bracket left open": ("[0.6, 1.4]", "[0.6, 1.4", "", ["no valid YAML"]),
    "wrong indent": ("  valid: 0.15", "    valid: 0.15", "", ["no valid YAML"]),
    "foreign tag": ("seed: 7 ", "seed: !!python/name:os.system ", "", ["no valid YAML"]),
    "two documents": ("augment: ", "---\naugment: ", "", ["no valid YAML", "document"]),
    "two versions of git's": (
        "seed: 7 ",
        "<<<<<<< HEAD\nseed: 8\n=======\nseed: 7\n>>>>>>> theirs\n",
        "",
        ["line 3", "git left two versions", "`git checkout --ours params.yaml`"],
    ),
}

# Cases that leave no YAML to look at, or that want a line or a sound value which another case takes.
ALONE = {
    "tab", "missing key", "bracket left open", "wrong indent", "foreign tag", "two documents",
    "number as key", "bool for int", "negative", "too large", "block for a value", "text for float",
    "unknown neck", "unknown head", "head without its neck", "key of a part", "no such weights file",
    "shares leave nothing", "mosaic off too long", "labels for a detector", "key twice",
    "pair of one", "pair of three", "pair with a zero", "number for a pair", "format twice", "no format",
    "empty name", "null block", "value for a block", "unknown block", "address without a hash",
    "zoom to nothing", "seeds too large together", "splits that nobody gives",
    "class twice in two forms", "space after a class",
    "pictures around what a stage writes", "model name with a quote",
    "two versions of git's",
    "another of a few numbers", "text for one of a few numbers", "text beside a truth value",
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_fault_is_said(case: str, text: str, tmp_path: Path, package: str) -> None:
    sound, broken, key, words = FAULTS[case]
    assert text.count(sound) >= 1, "the sound file has changed"
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(sound, broken, 1))
    faults = [fault for fault in check(path, package) if fault.key == key]
    assert faults, check(path, package)
    message = " ".join(map(str, faults))
    assert all(word in message for word in words), message
    assert faults[0].line is not None
    first_changed = text[: text.index(sound)].count("\n") + 1
    if key.rpartition(".")[2] in broken:  # the fault is blamed on the line that was changed
        assert first_changed in {fault.line for fault in faults} | {
            fault.line - 1 for fault in faults if fault.line
        }


def test_at_least_thirty_kinds() -> None:
    assert len(FAULTS) >= 30


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("# nothing\n", "empty"),
        ("3\n", "block of keys"),
        ("- a\n", "Got a list"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_no_mapping(content: str | bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ParamsError, match=words):
        read_params(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"nowhere.yaml has 1 fault(.|\n)*No such file"):
        read_params(tmp_path / "nowhere.yaml")
    with pytest.raises(ParamsError, match="cannot be read"):
        read_params(tmp_path)


def test_all_faults_at_once(text: str, tmp_path: Path, package: str) -> None:
    together = [case for case in FAULTS if case not in ALONE]
    for case in together:
        sound, broken, *_ = FAULTS[case]
        assert sound in text, f"{case} meets another case's line: name it in ALONE"
        text = text.replace(sound, broken, 1)
    path = tmp_path / "params.yaml"
    path.write_text(text)
    start = time.process_time()  # CPU: a busy machine is no fault of params.yaml
    said = {fault.key for fault in check(path, package)}
    assert time.process_time() - start < 2
    assert {FAULTS[case][2] for case in together} <= said
    assert len(together) >= 25


@pytest.mark.parametrize(
    ("sound", "instead", "keys"),
    [
        ("  seed: 0 ", "  # ", set()),  # it may be left out: 0
        ("name: tiny_net ", "name: tyni_net #", {"model.backbone.name"}),
        ("name: tiny_net ", "alpha: 0.5 # ", {"model.backbone.name"}),
    ],
)
def test_rules_pass_over_keys_that_are_not_there(
    text: str, tmp_path: Path, package: str, sound: str, instead: str, keys: set[str]
) -> None:
    assert sound in text
    without = re.sub(r" *weights: builtin .*\n", "", text) if "tiny_net" in sound else text
    path = tmp_path / "params.yaml"
    path.write_text(without.replace(sound, instead, 1))
    assert {fault.key for fault in check(path, package)} == keys


def test_message_reads_well(text: str, tmp_path: Path, package: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(
        text.replace("seed: 7 ", 'seed: "7" ').replace("  resize: letterbox", "  resise: letterbox")
    )
    with pytest.raises(ParamsError) as caught:
        read_params(path, package)
    assert str(caught.value).replace(str(path), "params.yaml").splitlines() == [
        "params.yaml has 3 faults:",
        "  line 3: seed: must be a whole number. Got '7' (text) instead.",
        "  line 26: preprocess.resize: missing key: add it below preprocess.",
        "  line 29: preprocess.resise: unknown key. Did you mean 'resize'? "
        "Valid: height_px, pad_value, resize, width_px.",
    ]


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_faults_are_fast_and_light(text: str, tmp_path: Path) -> None:
    """In a new process: no heavy package, with the project's own parts, and well under 2 s."""
    path = tmp_path / "params.yaml"
    path.write_text((Path(__file__).parents[2] / "params.yaml").read_text().replace("seed: 7 ", "seed: x "))
    code = (
        "import sys; from pathlib import Path; from glasshouse.params import check\n"
        f"assert any(fault.key == 'seed' for fault in check(Path({str(path)!r})))\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'great_expectations', 'pandas', 'matplotlib', 'onnx'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    start = children_cpu_s()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert children_cpu_s() - start < 2
