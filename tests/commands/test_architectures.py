"""`glasshouse architectures` and `glasshouse scale`: what every backbone costs, against what others say."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from glasshouse.cli import main
from glasshouse.models import counted
from glasshouse.models.catalog import find_part
from glasshouse.params import part_names

# Parameters of keras.applications with its own 1,000-class top; beside it the millions that the table at
# keras.io/api/applications says, and the million multiply-adds of the papers, where they say some.
TOTALS: dict[str, tuple[int, float | None, float | None]] = {
    "vgg16": (138_357_544, 138.4, 15_300),  # He et al., arXiv:1512.03385, table 1 and section 3.3
    "vgg19": (143_667_240, 143.7, 19_600),
    "resnet50": (25_636_712, 25.6, 3_800),
    "resnet101": (44_707_176, 44.7, 7_600),
    "resnet152": (60_419_944, 60.4, 11_300),
    "resnet50v2": (25_613_800, 25.6, None),
    "resnet101v2": (44_675_560, 44.7, None),
    "resnet152v2": (60_380_648, 60.4, None),
    "densenet121": (8_062_504, 8.1, None),
    "densenet169": (14_307_880, 14.3, None),
    "densenet201": (20_242_984, 20.2, None),
    "mobilenet": (4_253_864, 4.3, 569),  # arXiv:1704.04861, table 4
    "mobilenet_v2": (3_538_984, 3.5, 300),  # arXiv:1801.04381, table 4
    "mobilenet_v3_small": (2_554_968, None, 56),  # arXiv:1905.02244, table 3
    "mobilenet_v3_large": (5_507_432, None, 219),
    "xception": (22_910_480, 22.9, 8_400),  # Zoph et al., arXiv:1707.07012, table 2, for these four
    "inception_v3": (23_851_784, 23.9, 5_720),
    "inception_resnet_v2": (55_873_736, 55.9, 13_200),
    "nasnet_mobile": (5_326_716, 5.3, 564),
    "efficientnet_b0": (5_330_571, 5.3, 390),  # arXiv:1905.11946, table 2
    "efficientnet_b1": (7_856_239, 7.9, 700),
    "efficientnet_b2": (9_177_569, 9.2, 1_000),
    "efficientnet_b3": (12_320_535, 12.3, 1_800),
    "efficientnet_b4": (19_466_823, 19.5, 4_200),
    "efficientnet_b5": (30_562_527, 30.6, 9_900),
    "efficientnet_b6": (43_265_143, 43.3, 19_000),
    "efficientnet_b7": (66_658_687, 66.7, 37_000),
    "efficientnet_v2_s": (21_612_360, 21.6, 8_800),  # arXiv:2104.00298, table 7
    "convnext_tiny": (28_589_128, 28.6, 4_500),  # arXiv:2201.03545, table 1
}
FIELDS = {
    "name",
    "params_total",
    "params_trainable",
    "input_size",
    "flops",
    "forward_bytes",
    "training_bytes",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("project")
    (place / "params.yaml").write_text("fine_tune:\n  batch_size: 4\n")
    return place


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> dict[str, dict[str, Any]]:
    """All backbones, counted once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        from glasshouse.commands.architectures import choose_names, count_rows

        return {row["name"]: row for row in count_rows(choose_names([]), 4)}


def test_every_backbone_is_counted(rows: dict[str, dict[str, Any]]) -> None:
    assert list(rows) == list(part_names("backbone"))
    for row in rows.values():
        assert row.keys() >= FIELDS, row
        assert row["params_total"] >= row["params_trainable"] > 0
        assert row["flops"] > row["params_trainable"] / 10
        # All are float32, but for the counter in EfficientNet's own normalization.
        assert row["weights_bytes"] - 4 * row["params_total"] == (4 if "efficientnet_b" in row["name"] else 0)
        assert row["training_bytes"] > row["forward_bytes"] > row["weights_bytes"]
        assert row["input_size"] == list(find_part("backbones", row["name"]).INPUT_SIZE_PX)


@pytest.mark.parametrize("name", TOTALS)
def test_counts_are_keras_own_and_near_the_papers(name: str, rows: dict[str, dict[str, Any]]) -> None:
    total, millions, multiply_adds = TOTALS[name]
    row = rows[name]
    assert row["params_total"] == total
    if millions is not None:
        assert row["params_total"] / 1e6 == pytest.approx(millions, abs=0.051)
    if multiply_adds is not None:  # the papers round, and some count at a size a little other
        assert row["flops"] / 1e6 == pytest.approx(multiply_adds, rel=0.05)


def test_batch_norm_statistics_are_no_trainable_parameters(rows: dict[str, dict[str, Any]]) -> None:
    """MobileNetV2's 17,056 normalized maps have a moving mean and variance each."""
    row = rows["mobilenet_v2"]
    assert row["params_total"] - row["params_trainable"] == 2 * 17_056
    assert rows["vgg16"]["params_total"] == rows["vgg16"]["params_trainable"]


def test_the_second_call_is_answered_from_the_kept_file(
    rows: Any, inside: Path, run_python: Any, tmp_path: Path
) -> None:
    code = (
        "import sys; from glasshouse.cli import main\n"
        "print(main(sys.argv[1:]), *sys.modules, file=sys.stderr)"
    )
    answer = run_python("-c", code, "architectures", "--json", cwd=inside)
    status, *modules = answer.stderr.split()
    assert (status, {"keras", "tensorflow"} & set(modules)) == ("0", set())
    assert {row["name"]: row for row in json.loads(answer.stdout)} == rows
    assert not list(inside.glob(".glasshouse/*draft"))


def test_the_table_names_every_part(rows: Any, inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["architectures"]) == 0
    out = capsys.readouterr().out
    words = out.split()
    assert all(name in words for kind in ("backbone", "neck", "head") for name in part_names(kind))
    line = next(line for line in out.splitlines() if line.startswith("vgg16 "))
    assert line.split()[1:6] == ["224x224x3", "138,357,544", "138,357,544", "553.4", "MB"]
    assert "training memory of 4:" in out


def test_names_and_batch_limit_what_is_said(
    rows: Any, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["architectures", "--json", "--batch", "9", "vgg16", "lenet5"]) == 0
    vgg, lenet = json.loads(capsys.readouterr().out)
    assert (vgg["name"], lenet["name"], vgg["batch_size"]) == ("vgg16", "lenet5", 9)
    # Five pictures more: each its pixels and all layers' outputs.
    a_picture = (rows["vgg16"]["training_bytes"] - rows["vgg16"]["weights_bytes"]) // 4
    assert vgg["training_bytes"] == rows["vgg16"]["training_bytes"] + 5 * a_picture
    assert main(["architectures", "lenet5"]) == 0
    assert "LeNet" in (out := capsys.readouterr().out)
    assert "model.head.name" not in out


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("architectures vgg61", 1, "Did you mean 'vgg1"),
        ("architectures --batch 0", 2, "a whole number above 0"),
        ("architectures --batch many", 2, "Got 'many'"),
        ("scale", 2, "--phi"),
        ("scale --phi 1 --width 0", 1, "width must be a finite number above 0"),
    ],
)
def test_what_cannot_be_done_is_said(
    line: str, status: int, said: str, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        found = main(line.split())
    except SystemExit as leaving:
        found = int(leaving.code or 0)
    assert found == status
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "many", "true"])
def test_a_batch_size_that_is_none_is_said(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(f"fine_tune:\n  batch_size: {value}\n")
    assert main(["architectures", "lenet5"]) == 1
    assert "params.yaml: fine_tune.batch_size must be a whole number above 0" in capsys.readouterr().err


def test_one_that_fails_is_a_row_and_the_rest_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(params: Any) -> Any:
        raise RuntimeError("no such layer")

    def find(kind: str, name: str) -> Any:
        part = find_part(kind, name)
        broken = SimpleNamespace(Params=part.Params, INPUT_SIZE_PX=(1, 1, 1), build_classifier=build)
        return broken if name == "zfnet" else part

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(counted, "find_part", find)
    assert main(["architectures", "--json", "zfnet", "lenet5"]) == 1
    out, err = capsys.readouterr()
    broken, lenet = json.loads(out)
    assert broken == {"name": "zfnet", "error": "RuntimeError: no such layer"}
    assert lenet["params_total"] == 61_706
    assert "zfnet could not be counted: RuntimeError: no such layer" in err
    assert not (tmp_path / ".glasshouse").exists()  # no project's folder
    assert main(["architectures", "zfnet", "lenet5"]) == 1
    assert "61,706" in capsys.readouterr().out


def test_what_was_kept_holds_until_the_code_changes(
    rows: Any, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = counted.read_counted(counted.KEPT)
    assert kept.keys() == rows.keys()
    monkeypatch.setattr(counted, "version", lambda _: "4.0")
    assert counted.read_counted(counted.KEPT) == {}


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    digests = [counted.digest_code(tmp_path)]
    (tmp_path / "a.py").write_text("x = 2")
    digests.append(counted.digest_code(tmp_path))
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    digests.append(counted.digest_code(tmp_path))
    (tmp_path / "weights.h5").write_text("not code")
    assert counted.digest_code(tmp_path) == digests[-1]
    assert len(set(digests)) == 3


def test_counts_are_told_where_they_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("fine_tune: {batch_size: 4}\n")
    Path(".glasshouse").touch()  # nothing can be written below it, as on a read-only disk
    assert main(["architectures", "lenet5"]) == 0
    out, err = capsys.readouterr()
    assert "lenet5    32x32x1      61,706" in out
    assert "warning: the counts are not kept (.glasshouse/costs.json: " in err


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (path := tmp_path / "costs.json").write_text('{"digest": ')
    with pytest.raises(ValueError, match=r"costs\.json is damaged .*: delete it"):
        counted.read_counted(path)


def test_scale_says_the_rule_and_the_family(capsys: pytest.CaptureFixture[str]) -> None:
    """phi 3: 18 * 1.728 = 31.104, 64 * 1.331 = 85.184, 224 * 1.520875 = 340.676, 1.92027^3 = 7.081."""
    assert main(["scale", "--phi", "3", "--depth", "18", "--width", "64"]) == 0
    out = capsys.readouterr().out
    for said in ("31.104   32 layers", "85.184   88 filters", "340.676   352", "7.081"):
        assert said in out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("B")] == [
        f"B{i}" for i in range(8)
    ]
    assert "B7              6.0    2.99  1.77   518                3.10  2.00   600" in out
