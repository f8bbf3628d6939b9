from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from glasshouse.params import STAGE_KEYS, Params, Strict, check, flatten, part_names, read_params, read_view
from glasshouse.params.document import parse_document
from glasshouse.params.rules import WRITTEN

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(text: str, tmp_path: Path) -> Path:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    return file


def test_sound_file(path: Path, package: str) -> None:
    params = read_params(path, package)
    assert isinstance(params, Params)
    assert check(path, package) == ()
    assert params.model.neck.model_dump() == {"name": "pyramid", "channels": 64}
    assert params.augment.scale == (0.6, 1.4)
    assert params.train_head.learning_rate == 0.002


def test_own_part_files_and_params_agree() -> None:
    faults = check(ROOT / "params.yaml")
    assert faults == (), "\n".join(map(str, faults))
    assert "none" in part_names("neck")


def test_pictures_lie_apart_from_all_that_the_stages_write() -> None:
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].values()
    outs = [out if isinstance(out, str) else next(iter(out)) for stage in stages for out in stage["outs"]]
    assert all(any(Path(out).is_relative_to(place) for place in WRITTEN) for out in outs)


def test_yaml_1_2_as_dvc(text: str, tmp_path: Path, package: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(
        text.replace("learning_rate: 2.0e-3", "learning_rate: 1e-3").replace("hue: 0.02", "hue: 0")
    )
    params = read_params(file, package)
    assert params.train_head.learning_rate == 0.001  # text to YAML 1.1 parsers
    assert params.augment.hue == 0.0 and isinstance(params.augment.hue, float)


def test_alias_and_merge(text: str, tmp_path: Path, package: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(
        text.replace("seed: 7 ", "seed: &s 7 ").replace("near_copy_bits: 6", "near_copy_bits: *s")
    )
    assert read_params(file, package).split.near_copy_bits == 7


def test_choosing_another_part(text: str, tmp_path: Path, package: str) -> None:
    file = tmp_path / "params.yaml"
    changed = text.replace("name: pyramid", "name: none").replace("name: boxes", "name: labels")
    changed = changed.replace("source: blooms", "source: tfds")
    file.write_text(changed.replace("task: detect", "task: classify"))
    assert read_params(file, package).model.head.name == "labels"


def test_weights_beside_params(text: str, tmp_path: Path, package: str) -> None:
    (tmp_path / "mine.weights.h5").touch()
    file = tmp_path / "params.yaml"
    file.write_text(text.replace("weights: builtin", "weights: mine.weights.h5"))
    assert read_params(file, package).model.backbone.weights == "mine.weights.h5"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("class Params:\n    pass\n", r"class Params\(Strict\)"),
        ("class Nothing: pass\n", "Got None"),
        ('    name: Literal["tiny_net"]\n', "fields weights"),
        ('    name: Literal["other"]\n    weights: str\n', "file's name"),
    ],
)
def test_broken_part_file(
    body: str, words: str, make_parts: Callable[[dict[str, str]], str], path: Path
) -> None:
    package = make_parts({"backbones/tiny_net.py": body, "necks/none.py": '    name: Literal["none"]'})
    with pytest.raises(TypeError, match=words):
        read_params(path, package)


def test_flatten_is_the_file(path: Path, package: str) -> None:
    flat = flatten(read_params(path, package))
    assert flat["model.backbone.name"] == "tiny_net"
    assert flat["augment.scale"] == "[0.6, 1.4]"
    assert json.loads(str(flat["export.formats"])) == ["saved_model", "litert", "litert_int8", "onnx"]
    written = YAML(typ="safe").load(path)
    for key, value in flat.items():
        for name in key.split("."):
            written_block, written = written, written.get(name) if isinstance(written, dict) else None
            del written_block
        if written == "auto":  # tests/params/test_recommended.py
            assert type(value) in (int, float)
        elif written is not None:  # None: a default of the part's own
            assert json.loads(str(value)) == written if isinstance(written, list) else value == written
        written = YAML(typ="safe").load(path)


@given(
    st.recursive(
        st.integers() | st.text(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1)
    )
)
def test_flatten_loses_nothing(value: object) -> None:
    class Block(BaseModel):
        top: object

    def count(block: object) -> int:
        return sum(map(count, block.values())) if isinstance(block, dict) else 1

    assert len(flatten(Block(top=value))) == count(value)


def test_strict_base() -> None:
    class Block(Strict):
        rate: float
        count: int = 1

    assert Block(rate=1).rate == 1.0
    for broken in ({"rate": "1"}, {"rate": True}, {"rate": 1.0, "count": 1.0}, {"rate": 1.0, "cuont": 1}):
        with pytest.raises(ValidationError):
            Block.model_validate(broken)
    with pytest.raises(ValidationError, match="frozen"):
        Block(rate=1.0).rate = 2.0


@pytest.mark.parametrize("stage", STAGE_KEYS)
def test_view_gives_the_declared_keys_only(stage: str, path: Path, package: str) -> None:
    params, view = read_params(path, package), read_view(stage, path, package)
    for key in STAGE_KEYS[stage]:
        value, expected = view, params
        for name in key.split("."):
            value, expected = getattr(value, name), getattr(expected, name)
        assert value == expected
    for name in set(Params.model_fields) - {key.partition(".")[0] for key in STAGE_KEYS[stage]}:
        with pytest.raises(AttributeError, match=f"stage {stage} does not declare {name}"):
            getattr(view, name)
    assert dir(view) == sorted({key.partition(".")[0] for key in STAGE_KEYS[stage]})


def test_view_inside_a_block(path: Path, package: str) -> None:
    view = read_view("fine_tune", path, package)
    assert view.quality.fine_tune.max_valid_drop == 0.02
    assert dir(view.quality) == ["fine_tune", "mode"]
    with pytest.raises(AttributeError, match=r"does not declare quality\.download"):
        _ = view.quality.download
    with pytest.raises(AttributeError, match=r"evaluate\.gallery_score"):
        _ = view.evaluate.gallery_score
    with pytest.raises(AttributeError):
        _ = view.no_such_key
    for copied in (copy.deepcopy(view), copy.copy(view)):
        assert copied.seed == 7
    with pytest.raises(
        (AttributeError, pickle.PicklingError)
    ):  # the classes of a view's parts are made at run time
        _ = pickle.loads(pickle.dumps(view)).tracking


def test_every_key_has_a_reader_except_those_outside_of_the_state() -> None:
    covered = {key.partition(".")[0] for keys in STAGE_KEYS.values() for key in keys}
    assert covered == set(Params.model_fields) - {"tracking", "promotion"}


def test_no_such_stage(path: Path) -> None:
    with pytest.raises(ValueError, match="Did you mean 'split'"):
        read_view("splitt", path)


def test_a_key_that_stands_three_times_is_said_twice_by_the_first_line() -> None:
    document = parse_document("a: 1\nb:\n  a: 1\na: 2\na: 3\n", Path("params.yaml"))
    told = "stands twice (first in line 1): remove one."
    assert [str(fault) for fault in document.duplicates] == [f"line 4: a: {told}", f"line 5: a: {told}"]
    # what is not there is blamed on the nearest block around it
    assert [document.line(place) for place in (("b", "c", "d"), ("b", "a"), ("c",))] == [2, 3, None]
