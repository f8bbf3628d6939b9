"""Networks of the registry, loaded for pictures; and the code that a registered model carries."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glasshouse
from glasshouse.export.stamp import stamp
from glasshouse.inputs.recipe import Recipe
from glasshouse.tracking.aliases import RegistryFault, fetch_network
from glasshouse.tracking.carried import MODULES, write_carried
from glasshouse.tracking.loading import UnknownModel, load_champion_or_export
from glasshouse.tracking.registry import save_network
from glasshouse.tracking.store import Store
from glasshouse.tracking.sync import sync

RECIPE = Recipe("classify", ("red", "green", "blue"), 8, 8, "stretch", 0)
PIXELS = np.zeros((20, 30, 3), np.uint8) + np.array([10, 200, 30], np.uint8)
NAME = "blooms-detector"


@pytest.fixture
def registered(stored: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project whose network, with its recipe, is version 1."""
    stored.make_outputs()
    stamp([stored.root / "exports/model.onnx"], RECIPE)
    stored.lock()
    sync(stored.root)
    monkeypatch.chdir(stored.root)
    return stored


def client(root: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{root}/mlflow.db")


def test_a_version_and_an_alias_are_loaded_as_the_file_is(registered: Any) -> None:
    client(registered.root).set_registered_model_alias(NAME, "champion", "1")
    wanted = glasshouse.load("exports").predict(PIXELS).list_objects()
    assert wanted[0]["label"] == "green"
    for address in (f"models:/{NAME}/1", f"models:/{NAME}@champion"):
        predictor = glasshouse.load(address)
        assert predictor.predict(PIXELS).list_objects() == wanted
        assert predictor.name == f"{address} (version 1)"


def test_without_a_name_it_is_the_champion_or_else_the_exports(
    registered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_champion_or_export().name == f"exports/model.onnx (there is no models:/{NAME}@champion yet)"
    client(registered.root).set_registered_model_alias(NAME, "champion", "1")
    assert load_champion_or_export().name == f"models:/{NAME}@champion (version 1)"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{registered.root}/mlflow.db?timeout=60")
    assert load_champion_or_export().name == f"models:/{NAME}@champion (version 1)"


@pytest.mark.parametrize("address", [f"models:/{NAME}@champion", f"models:/{NAME}/7", "models:/other/1"])
def test_what_is_not_registered_is_told(registered: Any, address: str) -> None:
    with pytest.raises(UnknownModel, match=rf"there is no {address}.*glasshouse promote"):
        glasshouse.load(address)


def test_a_file_that_is_gone_or_changed_is_told_with_its_version(registered: Any) -> None:
    version = client(registered.root).get_model_version(NAME, "1")
    (file,) = (registered.root / "mlruns").rglob("model.onnx")
    stamp([file], replace(RECIPE, labels=("blue", "red", "green")))
    with pytest.raises(RegistryFault, match=rf"of {NAME} version 1 has SHA-256 .* was registered: the store"):
        glasshouse.load(f"models:/{NAME}/1")
    file.unlink()
    with pytest.raises(RegistryFault) as fault:
        glasshouse.load(f"models:/{NAME}/1")
    place = (
        f"the ONNX file of {NAME} version 1 cannot be fetched from {version.source}/model.onnx: MLflow at "
    )
    assert str(fault.value).startswith(place) and "artifacts-destination" not in str(fault.value)


@pytest.mark.parametrize("source", ["{}/models/m-1/artifacts", "file://{}/models/m-1/artifacts"])
def test_a_server_that_leaves_files_to_each_machine_is_told_of(source: str, tmp_path: Path) -> None:
    """As `mlflow server --no-serve-artifacts --default-artifact-root /srv/mlflow` does."""
    server = Store("http://127.0.0.1:9", None)
    with pytest.raises(RegistryFault, match=r"share it with the one .*--artifacts-destination`\)\.$"):
        fetch_network(server, "flowers version 1", source.format(tmp_path), None, tmp_path)


def test_before_anything_was_registered(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UnknownModel, match="nothing was ever registered"):
        glasshouse.load(f"models:/{NAME}@champion")
    assert not Path("mlflow.db").exists()


def test_a_served_model_needs_no_glasshouse_and_hides_none(
    registered: Any, run_python: Any, tmp_path: Path
) -> None:
    """The copy it carries answers; afterwards the installed package is there in full."""
    save_network(registered.root / "exports/model.onnx", tmp_path / "model")
    code = (
        "import base64, io, json, sys, mlflow, numpy as np; from PIL import Image;"
        "model = mlflow.pyfunc.load_model('model'); buffer = io.BytesIO();"
        "Image.new('RGB', (30, 20), (10, 200, 30)).save(buffer, 'PNG');"
        "text = base64.b64encode(buffer.getvalue()).decode();"
        "answer = model.predict({'image': np.array([text])}, params={'score': 0.0});"
        "alone = 'glasshouse' not in sys.modules;"
        "sys.path.insert(0, SRC); import glasshouse.models.contracts;"
        "print(json.dumps([answer, alone]))"
    ).replace("SRC", repr(str(Path(glasshouse.__file__).parents[1])))
    answer = run_python("-c", code, cwd=tmp_path, PYTHONPATH="")
    assert answer.returncode == 0, answer.stderr
    (found,), alone = json.loads(answer.stdout.splitlines()[-1])
    assert alone
    wanted = glasshouse.load("exports").predict(PIXELS, score=0.0)
    assert found == {"width_px": 30, "height_px": 20, "objects": wanted.list_objects()}


def test_the_carried_code_names_the_package_no_more(tmp_path: Path) -> None:
    folder = write_carried(tmp_path)
    texts = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.py")}
    assert {f"{module}.py" for module in MODULES} <= set(texts)
    for name, text in texts.items():
        lines = [
            line for line in text.splitlines() if "import" in line.split()[:1] or "from" in line.split()[:1]
        ]
        assert not [line for line in lines if "glasshouse." in line.replace("glasshouse_served.", "")], name


def test_a_model_without_a_recipe_serves_arrays_and_refuses_pictures(stored: Any, tmp_path: Path) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException

    stored.make_outputs()
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    save_network(stored.root / "exports/model.onnx", tmp_path / "model")
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    np.testing.assert_allclose(model.predict(np.full((1, 8, 8, 3), 51.0))["probabilities"], 0.2, atol=1e-6)
    text = base64.b64encode(b"x").decode()
    with pytest.raises(MlflowException, match="without saying how pictures are prepared") as refusal:
        model.predict({"image": np.array([text])})
    assert refusal.value.get_http_status_code() == 400
