"""The mirror against a real MLflow database."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.journal.journal import read_executions
from glasshouse.journal.state import read_state
from glasshouse.params import flatten, read_params
from glasshouse.tracking.aliases import Registry
from glasshouse.tracking.mirror import Mirror
from glasshouse.tracking.store import Store, StoreAway, locate_store
from glasshouse.tracking.sync import sync


def _client(root: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{root}/mlflow.db")


def _runs(root: Path, kind: str) -> list[Any]:
    client = _client(root)
    experiment = client.get_experiment_by_name("glasshouse")
    runs = client.search_runs([experiment.experiment_id], f"tags.`glasshouse.kind` = '{kind}'")
    return sorted(runs, key=lambda run: run.info.run_name)


def _curve(root: Path, run: Any, name: str = "loss") -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in _client(root).get_metric_history(run.info.run_id, name)]


def _run_everything(project: Any) -> None:
    project.make_outputs()
    project.execute("download")
    project.execute("train_head", {1: 2.0, 2: 1.5})
    scores = json.loads((project.root / "reports/evaluate/metrics.json").read_text())
    project.execute("evaluate", metrics=scores)
    project.execute("export")


def test_a_state_is_one_parent_that_holds_everything(stored: Any) -> None:
    _run_everything(stored)
    report = sync(stored.root)
    assert (report.faults, report.states, report.children) == ([], 1, 4)
    (parent,) = _runs(stored.root, "pipeline")
    params = flatten(read_params(stored.root / "params.yaml"))
    assert parent.data.params == {key: str(value) for key, value in params.items()}
    scores = {name: value for name, value in parent.data.metrics.items() if not name.startswith("seconds/")}
    assert scores == {
        "mAP_50_95": 0.61,
        "mAP_50_95_low": 0.58,
        "mAP_50_95_high": 0.64,
        "mAP_50": 0.88,
        "mAP_50_low": 0.85,
        "mAP_50_high": 0.91,
        "per_class/tulips/mAP_50_95": 0.5,
        "valid_mAP_50_95": 0.6,
        "valid_mAP_50_95_low": 0.57,
        "valid_mAP_50_95_high": 0.63,
    }
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["glasshouse.whole"] == "true"
    assert parent.data.tags["dvc.data/raw"].endswith(".dir")
    (entry,) = parent.inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("blooms", parent.data.tags["dvc.data/raw"])
    client, run_id = _client(stored.root), parent.info.run_id
    assert [item.path for item in client.list_artifacts(run_id, "evaluate")] == [
        "evaluate/index.html",
        "evaluate/metrics.json",
    ]
    children = _runs(stored.root, "stage")
    assert [child.info.run_name for child in children] == ["download", "evaluate", "export", "train_head"]
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {run_id}
    assert _curve(stored.root, children[3]) == [(1, 2.0), (2, 1.5)]
    assert children[0].data.metrics == {"seconds/work": 1.5, "seconds/guard": 0.5, "seconds/total": 2.0}


def test_doing_it_again_changes_nothing(stored: Any) -> None:
    _run_everything(stored)
    sync(stored.root)
    before = [run.to_dictionary() for kind in ("pipeline", "stage") for run in _runs(stored.root, kind)]
    report = sync(stored.root)
    after = [run.to_dictionary() for kind in ("pipeline", "stage") for run in _runs(stored.root, kind)]
    assert (report.points, report.scores, report.files, report.new_version) == (0, 0, 0, False)
    assert after == before


def test_the_registered_model_loads_and_predicts_without_tensorflow(stored: Any, run_python: Any) -> None:
    _run_everything(stored)
    report = sync(stored.root)
    assert report.version == "blooms-detector version 1"
    code = (
        "import sys, mlflow, numpy as np; mlflow.set_tracking_uri(sys.argv[1]);"
        "model = mlflow.pyfunc.load_model('models:/blooms-detector/1');"
        "pixels = np.full((2, 8, 8, 3), 51, np.float32);"
        "answer = model.predict(pixels)['probabilities'].tolist();"
        "print(answer, 'tensorflow' in sys.modules, 'glasshouse' in sys.modules)"
    )
    answer = run_python("-c", code, f"sqlite:///{stored.root}/mlflow.db", cwd=stored.root, PYTHONPATH="")
    figures, *loaded = answer.stdout.strip().rsplit(" ", 2)
    assert loaded == ["False", "False"], answer.stderr
    np.testing.assert_allclose(json.loads(figures), np.full((2, 3), 51 / 255), atol=1e-7)
    (version,) = _client(stored.root).search_model_versions("name = 'blooms-detector'")
    assert version.tags["score.mAP_50_95"] == "0.61"
    assert version.tags["glasshouse.state"] == report.state
    assert {path.name for path in (stored.root / "mlruns").iterdir()} == {report.parent, "models"}


def test_one_version_a_state(stored: Any) -> None:
    _run_everything(stored)
    sync(stored.root)
    stored.execute("export")
    sync(stored.root)
    stored.set("seed: 7", "seed: 8")
    _run_everything(stored)
    sync(stored.root)
    stored.set("seed: 8", "seed: 7")
    _run_everything(stored)
    assert sync(stored.root).version == "blooms-detector version 1"
    assert len(_client(stored.root).search_model_versions("name = 'blooms-detector'")) == 2
    assert len(_runs(stored.root, "pipeline")) == 2


@pytest.mark.parametrize("name", ["anna's flowers", "'", "it''s 1; a -- b"])
def test_a_model_may_have_any_name_that_the_params_allow(stored: Any, name: str) -> None:
    stored.make_outputs()
    stored.set("model_name: blooms-detector", f'model_name: "{name}"')
    read_params(stored.root / "params.yaml")
    assert sync(stored.root).version == sync(stored.root).version == f"{name} version 1"
    assert len(_client(stored.root).search_model_versions(f'name = "{name}"')) == 1
    found = Registry(locate_store(stored.root), name).find_state(read_state(stored.root).id)
    assert found is not None and found.number == "1"


def test_where_a_parent_was_deleted_its_children_and_model_get_another(stored: Any) -> None:
    """The version's run held what `glasshouse lineage` and `promote` ask for; its children hung nowhere."""
    from mlflow import MlflowClient

    stored.make_outputs()
    stored.execute("train_head", {1: 2.0, 2: 1.5})
    first = sync(stored.root)
    client = MlflowClient(f"sqlite:///{stored.root}/mlflow.db")
    client.delete_run(str(first.parent))
    second, third = sync(stored.root), sync(stored.root)
    assert second.new_version and not third.new_version
    runs = client.search_runs([client.get_experiment_by_name("glasshouse").experiment_id])
    assert {run.data.tags.get("mlflow.parentRunId") for run in runs} == {None, second.parent}
    assert len(runs) == 2
    versions = client.search_model_versions("name = 'blooms-detector'")
    assert {int(entry.version): entry.run_id for entry in versions} == {1: first.parent, 2: second.parent}
    version = Registry(locate_store(stored.root), "blooms-detector").find_state(second.state)
    assert version is not None and version.number == "2"


def test_a_run_that_is_restored_throws_no_model_away(stored: Any) -> None:
    stored.make_outputs()
    stored.execute("train_head", {1: 2.0, 2: 1.5})
    client, first = _client(stored.root), sync(stored.root)
    client.delete_run(str(first.parent))
    second = sync(stored.root)
    client.restore_run(str(first.parent))
    third = sync(stored.root)
    assert (third.parent, third.new_version) == (first.parent, False)
    stages = {run.data.tags["mlflow.parentRunId"] for run in _runs(stored.root, "stage")}
    assert stages == {first.parent}
    assert {run.info.run_id for run in _runs(stored.root, "pipeline")} == {first.parent, second.parent}


def test_a_forced_run_is_the_same_child_counted_twice(stored: Any) -> None:
    _run_everything(stored)
    sync(stored.root)
    first = _runs(stored.root, "stage")
    _run_everything(stored)
    assert sync(stored.root).points == 4 * 3  # the seconds of the second execution, and no loss again
    again = _runs(stored.root, "stage")
    assert [run.info.run_id for run in again] == [run.info.run_id for run in first]
    assert again[3].data.tags["glasshouse.run_count"] == "2"
    assert _curve(stored.root, again[3]) == [(1, 2.0), (2, 1.5)]
    assert _curve(stored.root, again[3], "seconds/total") == [(1, 2.0), (2, 2.0)]
    assert len(_runs(stored.root, "pipeline")) == 1


def test_a_training_killed_and_resumed_is_one_child_with_one_curve(stored: Any, killed: Any) -> None:
    killed("train_head", {1: 3.0, 2: 2.0})
    sync(stored.root)
    (child,) = _runs(stored.root, "stage")
    assert (child.info.status, _curve(stored.root, child)) == ("KILLED", [(1, 3.0), (2, 2.0)])
    assert _runs(stored.root, "pipeline")[0].info.status == "KILLED"
    with stored.open("train_head") as journal:
        journal.resumed(2)
        journal.epoch(3, {"loss": 1.0})
        journal.phase("work", 4.0)
        journal.end("ok")
    sync(stored.root)
    (after,) = _runs(stored.root, "stage")
    assert after.info.run_id == child.info.run_id
    assert (after.info.status, _curve(stored.root, after)) == ("FINISHED", [(1, 3.0), (2, 2.0), (3, 1.0)])
    assert after.data.tags["glasshouse.resumed_from"] == "2"
    (parent,) = _runs(stored.root, "pipeline")
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["seconds/train_head"] >= 4.0  # with the part that was cut off


def test_a_failed_stage_says_why(stored: Any) -> None:
    with stored.open("train_head") as journal:
        journal.guard(passed=False, message="no")
        journal.end("failed", "GuardFailure: loss does not fall")
    sync(stored.root)
    (child,) = _runs(stored.root, "stage")
    assert child.info.status == "FAILED"
    assert child.data.tags["glasshouse.error"] == "GuardFailure: loss does not fall"
    assert child.data.tags["glasshouse.guard"] == "failed"


def test_a_fresh_clone_where_nothing_ran_has_a_parent_without_children(stored: Any) -> None:
    stored.make_outputs()  # what `dvc pull` brings
    report = sync(stored.root)
    assert (report.children, report.faults, report.version) == (0, [], "blooms-detector version 1")
    (parent,) = _runs(stored.root, "pipeline")
    assert (parent.info.status, parent.data.metrics["mAP_50_95"]) == ("FINISHED", 0.61)
    assert _curve(stored.root, parent, "train_head/loss") == [(1, 2.0), (2, 1.5)]
    assert _runs(stored.root, "stage") == []
    again = sync(stored.root)
    assert (again.parent, again.points, again.scores, again.files) == (report.parent, 0, 0, 0)


def test_before_anything_ran_there_is_no_run(stored: Any) -> None:
    report = sync(stored.root)
    assert (report.states, report.parent) == (0, None)
    (fault,) = report.faults
    assert fault.startswith("not up to date: download (has not been run), train_head (has not been run), ")
    assert fault.endswith(": run `dvc repro`, then `glasshouse runs sync`")


def test_scores_of_another_state_are_not_mirrored(stored: Any) -> None:
    _run_everything(stored)
    stored.set("nms_iou: 0.6", "nms_iou: 0.7")  # metrics.json is of before
    stored.execute("download")
    report = sync(stored.root)
    assert "params.yaml evaluate.nms_iou changed since it ran" in report.faults[0]
    parents = {run.data.tags["glasshouse.state"]: run for run in _runs(stored.root, "pipeline")}
    new, (old,) = parents.pop(report.state), parents.values()
    assert old.data.metrics["mAP_50"] == 0.88  # from its journal
    assert "mAP_50" not in new.data.metrics
    assert report.version is None


def test_files_that_dvc_lock_does_not_know_are_not_mirrored(stored: Any) -> None:
    stored.make_outputs()
    stored.write("reports/evaluate/metrics.json", '{"test": {"mAP_50": 0.99}}')
    report = sync(stored.root)
    assert report.parent is None
    assert report.faults == [
        "reports/evaluate is not on disk as evaluate wrote it: run `dvc checkout` (or `dvc pull`)"
    ]


def test_a_score_that_is_not_finite_is_refused_with_a_sentence(stored: Any) -> None:
    stored.make_outputs()
    stored.write("reports/evaluate/metrics.json", '{"test": {"mAP_50": NaN}}')
    stored.lock()
    with pytest.raises(ValueError, match=r"metrics\.json: mAP_50 must be a finite number\. Got nan instead"):
        sync(stored.root)


def test_two_processes_make_one_parent(stored: Any, run_python: Any, tmp_path: Path) -> None:
    import subprocess

    _run_everything(stored)
    code = "from pathlib import Path; from glasshouse.tracking.sync import sync; sync(Path())"
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=stored.root) for _ in range(2)]
    assert [process.wait(90) for process in processes] == [0, 0]
    assert (len(_runs(stored.root, "pipeline")), len(_runs(stored.root, "stage"))) == (1, 4)
    assert len(_client(stored.root).search_model_versions("name = 'blooms-detector'")) == 1


def test_of_two_parents_made_at_once_by_two_machines_the_older_stays(
    stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clones share a server, so no lock: each looks, finds none, and creates."""
    _run_everything(stored)
    mirror = Mirror(stored.root, locate_store(stored.root), "glasshouse")
    about = json.loads((stored.folder / "state.json").read_text())
    search = Mirror._search
    mirror.open_parent(about)
    monkeypatch.setattr(Mirror, "_search", _blind_once(search))
    (first,) = _runs(stored.root, "pipeline")
    assert mirror.open_parent(about).info.run_id == first.info.run_id
    assert [run.info.run_id for run in _runs(stored.root, "pipeline")] == [first.info.run_id]


def _blind_once(search: Callable[..., Any]) -> Callable[..., Any]:
    asked: list[Any] = []

    def answer(*arguments: Any) -> Any:
        asked.append(arguments)
        return [] if len(asked) == 1 else search(*arguments)

    return answer


def test_of_two_versions_made_at_once_by_two_machines_the_older_stays(
    stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both see two, and both take the younger away: the second one must not fall over what is gone."""
    from mlflow import MlflowClient

    from glasshouse.tracking import registry

    _run_everything(stored)
    sync(stored.root)
    find, delete = registry.find_versions, MlflowClient.delete_model_version

    def delete_twice(self: Any, name: str, version: str) -> None:
        delete(self, name, version)
        delete(self, name, version)

    with monkeypatch.context() as patch:
        patch.setattr(registry, "find_versions", _blind_once(find))
        patch.setattr(MlflowClient, "delete_model_version", delete_twice)
        assert sync(stored.root).version == "blooms-detector version 1"
    assert len(_client(stored.root).search_model_versions("name = 'blooms-detector'")) == 1


@pytest.mark.parametrize("is_there", [True, False])
def test_a_data_set_that_another_machine_named_at_the_same_moment(
    stored: Any, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    log_inputs = MlflowClient.log_inputs

    def come_second(*arguments: Any, **named: Any) -> None:
        if is_there:
            log_inputs(*arguments, **named)
        raise MlflowException("BAD_REQUEST: UNIQUE constraint failed: inputs.source_type")

    _run_everything(stored)
    monkeypatch.setattr(MlflowClient, "log_inputs", come_second)
    if is_there:
        assert sync(stored.root).version == "blooms-detector version 1"
    else:
        with pytest.raises(StoreAway, match="UNIQUE constraint failed"):
            sync(stored.root)


def test_names_of_classes_become_legal(stored: Any) -> None:
    classes = {name: {"AP": 0.5} for name in ("a@b", "a#b", "../x", "ä/ö", "..")}
    stored.make_outputs()
    stored.write("reports/evaluate/metrics.json", json.dumps({"test": {"mAP_50": 0.5, "per_class": classes}}))
    stored.lock()
    sync(stored.root)
    names = {name for name in _runs(stored.root, "pipeline")[0].data.metrics if "per_class" in name}
    assert names == {f"per_class/{end}" for end in ("a_b/AP", "a_b/AP_", "___x/AP", "ä_ö/AP", "__/AP")}


def test_names_of_classes_may_be_as_long_as_folders_take(stored: Any) -> None:
    classes = {f"{'x' * 254}{end}": {"mAP_50_95": score} for end, score in (("a", 0.25), ("b", 0.5))}
    split = {"mAP_50": 0.5, "per_class": classes}
    stored.make_outputs()
    stored.write("reports/evaluate/metrics.json", json.dumps({"test": split, "valid": split}))
    stored.lock()
    sync(stored.root)
    metrics = _runs(stored.root, "pipeline")[0].data.metrics
    assert sorted(value for name, value in metrics.items() if "x/mAP_50_95" in name) == [0.25, 0.25, 0.5, 0.5]


def test_floors_of_classes_with_any_name_are_params(stored: Any) -> None:
    floors = {"warbler (male)": 0.5, "warbler [male]": 0.25, "50 %": 0.125, "y" * 255: 0.0625}
    stored.make_outputs()
    stored.set("class_floors: {} ", f"class_floors: {json.dumps(floors)} ")
    assert sync(stored.root).version == sync(stored.root).version == "blooms-detector version 1"
    params = _runs(stored.root, "pipeline")[0].data.params
    mirrored = {key: value for key, value in params.items() if key.startswith("promotion.class_floors.")}
    start = "promotion.class_floors."
    assert mirrored == {
        f"{start}warbler _male_": "0.5",
        f"{start}warbler _male__": "0.25",
        f"{start}50 _": "0.125",
        f"{start}{'y' * (240 - len(start))}": "0.0625",
    }


def test_an_upload_that_failed_leaves_no_second_model(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    def break_off(*_: Any, **__: Any) -> None:
        raise OSError("connection reset")

    _run_everything(stored)
    for step in ("log_model_artifacts", "log_model_artifacts", "log_outputs"):
        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, step, break_off)
            with pytest.raises(StoreAway, match="connection reset"):
                sync(stored.root)
    sync(stored.root)
    client = _client(stored.root)
    (model,) = client.search_logged_models([client.get_experiment_by_name("glasshouse").experiment_id])
    assert model.status.value == "READY"
    (version,) = client.search_model_versions("name = 'blooms-detector'")
    assert version.source == model.artifact_location
    (path,) = stored.root.glob("mlruns/models/*/artifacts/model.onnx")
    assert path.read_bytes() == (stored.root / "exports/model.onnx").read_bytes()


def test_a_model_deleted_by_hand_is_registered_anew(stored: Any) -> None:
    _run_everything(stored)
    parent = sync(stored.root).parent
    client = _client(stored.root)
    (output,) = client.get_run(parent).outputs.model_outputs
    client.delete_model_version("blooms-detector", "1")
    client.delete_logged_model(output.model_id)
    report = sync(stored.root)
    assert (report.version, report.new_version) == ("blooms-detector version 2", True)
    (model,) = client.search_logged_models([client.get_experiment_by_name("glasshouse").experiment_id])
    assert client.get_model_version("blooms-detector", "2").source == model.artifact_location
    assert not sync(stored.root).new_version


def test_params_without_names_for_mlflow(stored: Any) -> None:
    _run_everything(stored)
    stored.set("  experiment: glasshouse\n", "")
    with pytest.raises(ValueError, match=r"params\.yaml: tracking must hold two texts, experiment and"):
        sync(stored.root)


# A retraining then pushes what it has trained, and `make repro` ends well, as with a server that is away.
def test_a_deleted_experiment_is_named(stored: Any) -> None:
    stored.make_outputs()
    client = _client(stored.root)
    client.delete_experiment(client.create_experiment("glasshouse"))
    with pytest.raises(StoreAway, match=r"'glasshouse' was deleted .*mlflow experiments restore"):
        sync(stored.root)


def test_a_server_that_keeps_nothing_is_told(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy may answer everything with 200 and an empty body."""
    stored.make_outputs()
    monkeypatch.setattr(Mirror, "_search", lambda *_: [])
    with pytest.raises(StoreAway, match=r"MLflow at sqlite.* took a run and does not find it again"):
        sync(stored.root)


def test_a_server_that_is_away_is_known_soon(project: Any) -> None:
    project.make_outputs()
    with pytest.raises(StoreAway, match=r"MLflow at http://127\.0\.0\.1:9 does not answer"):
        sync(project.root, Store("http://me:secret@127.0.0.1:9", None))


def test_a_broken_database_is_named(project: Any) -> None:
    project.make_outputs()
    (project.root / "mlflow.db").write_text("no database at all, " * 100)
    with pytest.raises(StoreAway, match=r"mlflow\.db cannot be read \(file is not a database\)"):
        sync(project.root)


def test_without_the_onnx_file_no_model_is_registered(stored: Any) -> None:
    stored.make_outputs(network=False)
    shutil.rmtree(stored.root / "exports")
    (stored.root / "exports").mkdir()
    stored.lock()
    report = sync(stored.root)
    assert report.version is None
    assert "no model to register: exports/model.onnx is missing" in str(report)


def test_a_page_that_was_written_anew_is_uploaded_anew(stored: Any, tmp_path: Path) -> None:
    stored.make_outputs(network=False)
    stored.execute("evaluate")
    sync(stored.root)
    assert sync(stored.root).files == 0
    stored.write("reports/evaluate/index.html", "<p>anew</p>")
    stored.lock()
    assert sync(stored.root).files > 0
    (parent,) = _runs(stored.root, "pipeline")
    page = _client(stored.root).download_artifacts(parent.info.run_id, "evaluate/index.html", str(tmp_path))
    assert Path(page).read_text() == "<p>anew</p>"
    assert sync(stored.root).files == 0


def test_the_seconds_of_a_stage_are_those_of_what_it_took_up(stored: Any) -> None:
    """As on the leaderboard: epochs that were trained anew do not count twice."""
    seconds = []
    for status, epochs, resumed in (
        ("interrupted", range(1, 4), False),
        ("ok", range(1, 7), False),  # not from the checkpoint: 61 s
        ("failed", range(1, 3), False),  # forced anew; the one before ended well
        ("ok", range(3, 7), True),  # 21 s before, and 41 s
    ):
        stored.train("train_head", status, epochs, resumed)
        sync(stored.root)
        (parent,) = _runs(stored.root, "pipeline")
        seconds.append(parent.data.metrics["seconds/train_head"])
    assert seconds == [31, 61, 21, 62]


def test_the_last_evaluation_and_the_last_end_count(stored: Any) -> None:
    for score in (0.25, 0.5):
        stored.execute("evaluate", metrics={"test": {"mAP_50": score}})
    with stored.open("evaluate") as journal:
        journal.metrics({"test": {"mAP_50": 0.75}})
        journal.end("failed", "of a network that the guard refused")
    sync(stored.root)
    (parent,) = _runs(stored.root, "pipeline")
    assert (parent.info.status, parent.data.metrics["mAP_50"]) == ("FAILED", 0.5)
    with stored.open("download") as journal:
        journal.end("interrupted")
    sync(stored.root)
    (parent,) = _runs(stored.root, "pipeline")
    assert parent.info.status == "KILLED"  # of both
    stored.execute("evaluate", metrics={"test": {"mAP_50": 1.0}})
    stored.execute("download")
    sync(stored.root)
    stored.execute("download")
    sync(stored.root)
    (parent,) = _runs(stored.root, "pipeline")
    assert (parent.info.status, parent.data.metrics["mAP_50"]) == ("FINISHED", 1.0)
    ends = [read_executions(stored.folder, stage)[-1].last_time for stage in ("evaluate", "download")]
    assert parent.info.end_time == int(ends[1] * 1000) > int(ends[0] * 1000)
