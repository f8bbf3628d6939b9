"""dvc.yaml names exactly what each stage imports and reads: else DVC runs too little or too much."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import write_deps
from import_graph import ImportFault
from ruamel.yaml import YAML

from glasshouse.models.pretrained import WATCHED
from glasshouse.params import STAGE_KEYS, part_names
from glasshouse.params.parts import FOLDERS

ROOT = Path(__file__).parents[2]


def test_deps_and_params_are_what_the_code_says() -> None:
    differences = write_deps.compare(ROOT)
    assert not differences, "\n".join([*map(str, differences), "Run `make deps`."])


def test_every_dep_is_there_whatever_part_is_chosen() -> None:
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    assert write_deps.missing_files(ROOT, params) == []
    for kind in FOLDERS:
        for name in part_names(kind):
            chosen = {**params, "model": {**params["model"], kind: {**params["model"][kind], "name": name}}}
            assert write_deps.missing_files(ROOT, chosen) == [], f"with model.{kind}.name: {name}"


def test_each_stage_is_its_script() -> None:
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    assert list(stages) == list(STAGE_KEYS)
    assert {stage: block["cmd"] for stage, block in stages.items()} == {
        stage: f"python pipeline/{stage}.py" for stage in STAGE_KEYS
    }


def test_the_stage_that_loads_weights_watches_their_folder() -> None:
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    watching = [name for name, block in stages.items() if str(WATCHED) in write_deps._listed(block, "deps")]
    assert watching == ["train_head"]
    assert (ROOT / WATCHED).is_dir()


def test_each_output_has_one_writer() -> None:
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    outs = [Path(out) for block in stages.values() for out in write_deps._listed(block, "outs")]
    for out in outs:
        assert sum(out == other or out in other.parents for other in outs) == 1, out


STAGE_YAML = """\
# kept
stages:
{stages}
"""
STAGE = """\
  {name}:
    cmd: python pipeline/{name}.py  # kept too
    deps:
      - data/{name}
      - ${{dataset.path}}
      - src/pkg/gone.py
    params: [nothing]
    outs:
      - out/{name}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    stages = "\n".join(STAGE.format(name=name) for name in STAGE_KEYS)
    files = {
        "dvc.yaml": STAGE_YAML.format(stages=stages),
        "src/pkg/__init__.py": "DYNAMIC_IMPORTS = ('pkg.${model.backbone.name}',)",
        "src/pkg/net.py": "",
        **{f"pipeline/{name}.py": "" for name in STAGE_KEYS},
        "pipeline/split.py": "import pkg",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_differences_name_stage_and_files(project: Path) -> None:
    split = {str(difference) for difference in write_deps.compare(project) if difference.stage == "split"}
    assert split == {
        "dvc.yaml: stage split: deps:\n"
        "    missing: pipeline/split.py\n"
        "    missing: src/pkg/${model.backbone.name}.py\n"
        "    missing: src/pkg/__init__.py\n"
        "    superfluous: src/pkg/gone.py",
        "dvc.yaml: stage split: params:\n"
        "    missing: quality.mode\n    missing: quality.split\n    missing: seed\n    missing: split\n"
        "    superfluous: nothing",
    }


def test_rewrite_mends_and_keeps_the_rest(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert write_deps.main(["--check"], project) == 1
    assert "make deps" in capsys.readouterr().err
    assert write_deps.main([], project) == 0
    assert write_deps.compare(project) == []
    assert write_deps.main(["--check"], project) == 0
    text = (project / "dvc.yaml").read_text()
    assert text.startswith("# kept\n") and text.count("# kept too") == len(STAGE_KEYS)
    split = YAML(typ="safe").load(text)["stages"]["split"]
    assert split["deps"] == [
        "data/split",
        "${dataset.path}",
        "pipeline/split.py",
        "src/pkg/${model.backbone.name}.py",
        "src/pkg/__init__.py",
    ]
    assert split["params"] == list(STAGE_KEYS["split"])
    assert split["outs"] == ["out/split"]
    write_deps.main([], project)
    assert (project / "dvc.yaml").read_text() == text


def test_missing_files_with_a_choice(project: Path) -> None:
    write_deps.main([], project)
    assert write_deps.missing_files(project, {"model": {"backbone": {"name": "net"}}}) == []
    missing = write_deps.missing_files(project, {"model": {"backbone": {"name": "other"}}})
    assert missing == ["src/pkg/other.py"]


def test_stages_are_those_of_the_views(project: Path) -> None:
    path = project / "dvc.yaml"
    path.write_text(path.read_text().replace("  split:", "  splitt:"))
    with pytest.raises(ImportFault, match="split, splitt"):
        write_deps.compare(project)


@pytest.mark.parametrize("stage", STAGE_KEYS)
def test_a_stage_runs_the_sources_beside_its_script(stage: str, tmp_path: Path) -> None:
    """In a worktree or `dvc exp run --temp` the package that is installed may be another copy's: then
    dvc.lock, and DVC's cache of runs, would say that these sources made what others did.
    """
    script = tmp_path / "pipeline" / f"{stage}.py"
    script.parent.mkdir()
    script.write_bytes((ROOT / "pipeline" / script.name).read_bytes())
    package = tmp_path / "src" / "glasshouse"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "stage.py").write_text("print(__file__)\nraise SystemExit\n")
    command = [sys.executable, f"pipeline/{script.name}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{package / 'stage.py'}\n"
