"""Where a version comes from, as far as no training is needed; tools/lineage_trial.py does the rest."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from glasshouse.cli import main
from glasshouse.journal.journal import Journal
from glasshouse.journal.machine import Machine
from glasshouse.journal.page import write_page
from glasshouse.journal.state import read_state
from glasshouse.promotion.gate import promote
from glasshouse.promotion.lineage import (
    UnknownModel,
    find_origin,
    list_commands,
    list_repros,
    read_lineage,
    say_lineage,
    verify,
)
from glasshouse.tracking.aliases import Registry
from glasshouse.tracking.facts import Facts, FactsMissing
from glasshouse.tracking.store import Store, locate_store
from glasshouse.tracking.sync import sync


def git(house: Any, *words: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *words], cwd=house.root, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_everything_is_told_and_held_against_the_files(
    house: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(house.root)
    house.project.write(
        ".gitignore", "/data\n/exports\n/models\n/reports/*\n!/reports/ledger.md\nmlflow.db*\n/mlruns\n"
    )
    git(house, "init", "--quiet")
    git(house, "config", "user.name", "Ada")
    git(house, "add", "--all")
    git(house, "commit", "--quiet", "--message", "all")
    house.finish(0.0)  # params.yaml differs from the commit
    promote(house.root)
    assert not read_lineage(house.root).facts.committed
    assert main(["lineage"]) == 0
    assert "warning: it was made from files that commit" in capsys.readouterr().out
    git(house, "add", "--all")
    git(house, "commit", "--quiet", "--message", "seed")
    sync(house.root)

    assert main(["lineage", "models:/blooms-detector@champion"]) == 0
    shown = capsys.readouterr().out.splitlines()
    lineage, commit = read_lineage(house.root), git(house, "rev-parse", "HEAD")
    assert shown[0] == "blooms-detector version 1 (@challenger, @champion)"
    for line in (
        f"commit     {commit}",
        f"data       data/raw {lineage.outs['data/raw']}",
        f"network    exports/model.onnx SHA-256 {lineage.facts.network}",
        "classes    3: red, green, blue",
        "trained    not here: the outputs came from a cache",
        "  seed: 8",
        "  model.task: classify",
        "  fine_tune.learning_rate: auto (0.001)",
        f"  git clone {house.root} blooms-detector-1",
        f"  git checkout --detach {commit}",
        "  dvc repro",
    ):
        assert line in shown
    assert any(line.startswith("registered ") and line.endswith(" UTC by Ada") for line in shown)
    assert any(line.startswith("splits     test 40, train 50, valid 10; ") for line in shown)
    assert not any("warning" in line for line in shown)
    assert shown[-1].endswith(" glasshouse lineage models:/blooms-detector/1 --verify")

    assert main(["lineage", "blooms-detector/1", "--verify"]) == 0
    assert capsys.readouterr().out.startswith("the same bytes as blooms-detector version 1: 12 outputs")
    (house.root / "exports/model.onnx").write_bytes(b"other")
    house.set("nms_iou: 0.6", "nms_iou: 0.7")
    assert main(["lineage", "--verify"]) == 3
    told = capsys.readouterr().out
    assert "params, code or source pictures are others" in told and "exports: " in told
    assert "exports/model.onnx is not the one that was registered" in told
    assert "data/raw" not in told
    git(house, "remote", "add", "origin", "https://ada:secret@example.org/house.git")
    assert find_origin(house.root) == "https://example.org/house.git"
    assert len(verify(lineage, house.root)) == 3


def test_a_project_without_a_commit_is_told_as_such(house: Any) -> None:
    git(house, "init", "--quiet")
    house.finish(0.0)
    sync(house.root)
    lines = list(say_lineage(read_lineage(house.root, "models:/blooms-detector@challenger"), house.root))
    assert "commit     none" in lines
    (warning,) = (line for line in lines if line.startswith("warning"))
    assert warning.startswith("warning: it was made from files that no commit holds: commit them")


def test_a_version_of_a_release_that_told_no_facts_says_what_it_lacks(house: Any) -> None:
    house.finish(0.0)
    sync(house.root)
    store = locate_store(house.root)
    client = Registry(store, "blooms-detector").client
    number = client.create_model_version("blooms-detector", str(house.root), None).version
    with pytest.raises(FactsMissing, match=rf"version {number} lacks the tags state, commit, "):
        read_lineage(house.root, f"models:/blooms-detector/{number}")


def test_a_commit_that_was_amended_gives_way_to_one_that_a_branch_holds(house: Any) -> None:
    """A clone has neither what was amended, nor the branch of a change that was merged as another commit."""
    house.project.write(".gitignore", "/data\n/exports\n/models\n/reports/*\nmlflow.db*\n/mlruns\n")
    house.finish(0.0)
    git(house, "init", "--quiet")
    git(house, "add", "--all")
    git(house, "commit", "--quiet", "--message", "all")
    sync(house.root)
    address = "models:/blooms-detector@challenger"

    def told() -> tuple[str, str, str]:
        lineage = read_lineage(house.root, address)
        tags = Registry(lineage.store, lineage.version.name).client.get_run(lineage.version.run_id).data.tags
        return lineage.facts.commit, tags["glasshouse.commit"], tags["mlflow.source.git.commit"]

    def warnings() -> list[str]:
        lines = say_lineage(read_lineage(house.root, address), house.root)
        return [line for line in lines if line.startswith("warning")]

    first = git(house, "rev-parse", "HEAD")
    git(house, "tag", "--annotate", "--message", "kept", "kept")
    git(house, "commit", "--quiet", "--amend", "--message", "amended")
    sync(house.root)
    assert told() == (first, first, first)
    assert warnings() == []

    git(house, "tag", "--delete", "kept")
    (warning,) = warnings()
    assert warning.startswith(
        f"warning: no branch or tag here leads to commit {first[:12]}: `git fetch --all`"
    )
    shallow = house.root / ".git" / "shallow"
    shallow.write_text(f"{git(house, 'rev-parse', 'HEAD')}\n")
    (warning,) = warnings()
    assert f"commit {first[:12]}: `git fetch --unshallow`, for this is a shallow clone" in warning
    shallow.unlink()
    git(house, "branch", "retrain/0123456789ab", first)
    assert warnings() == []
    house.project.write("pipeline/split.py", "# split, not committed\n")
    house.finish(0.0)
    sync(house.root)  # another state, which no commit holds
    git(house, "checkout", "--quiet", "--", ".")
    house.project.lock()
    sync(house.root)
    amended = git(house, "rev-parse", "HEAD")
    assert told() == (amended, amended, amended) != (first, first, first)


def test_the_commands_lead_into_a_project_inside_a_larger_repository(house: Any) -> None:
    git(house, "init", "--quiet", "..")
    house.finish(0.0)
    git(house, "add", "--all")
    git(house, "commit", "--quiet", "--message", "all")
    sync(house.root)
    commands = list_commands(read_lineage(house.root, "models:/blooms-detector@challenger"), house.root)
    assert commands[0] == f"git clone {house.root.parent} blooms-detector-1"
    assert commands[2:4] == [
        f"git checkout --detach {git(house, 'rev-parse', 'HEAD')}",
        f"cd {house.root.name}/",
    ]


def test_pictures_and_weights_that_no_commit_holds_are_told_and_those_of_dvc_are_pulled(house: Any) -> None:
    ignored = ["exports", "models", "reports", "mlruns", "mlflow.db*", "data/raw", "data/prepared"]
    ignored += ["data/split.parquet", "data/photos", "data/weights/*.h5"]
    house.project.write(".gitignore", "".join(f"/{path}\n" for path in ignored))
    house.project.write("data/photos/rose/a.jpg", "picture")
    house.project.write("data/weights/mine.h5", "weights")
    house.project.write("data/weights/other.h5", "others")
    house.set("source: tfds", "source: folder")
    house.set("path: data/pictures", "path: data/photos")
    house.set("weights: none", "weights: data/weights/mine.h5")
    git(house, "init", "--quiet")
    house.finish(0.0)
    git(house, "add", "--all")
    git(house, "commit", "--quiet", "--message", "all")
    address = "models:/blooms-detector@challenger"
    sync(house.root)
    lineage = read_lineage(house.root, address)
    assert not lineage.facts.committed
    assert not [line for line in list_commands(lineage, house.root) if line.startswith("dvc pull")]
    for path in ("photos", "weights/mine.h5", "weights/other.h5"):
        house.project.write(f"data/{path}.dvc", f"outs:\n- path: {path.split('/')[-1]}\n")
    git(house, "add", "--all")
    git(house, "commit", "--quiet", "--message", "kept by DVC")
    sync(house.root)
    lineage = read_lineage(house.root, address)
    assert lineage.facts.committed
    assert [line for line in list_commands(lineage, house.root) if line.startswith("dvc pull")] == [
        "dvc pull data/photos",
        "dvc pull data/weights/mine.h5",
        "dvc pull data/weights/other.h5",
    ]


def test_an_address_that_leads_nowhere(house: Any) -> None:
    with pytest.raises(UnknownModel, match=r"must be models:/NAME@ALIAS or models:/NAME/VERSION\. Got 'x'"):
        read_lineage(house.root, "x")
    with pytest.raises(UnknownModel, match=r"has no models:/blooms-detector@champion \(no alias is set\)"):
        read_lineage(house.root)
    with pytest.raises(UnknownModel, match="has no models:/a/3"):
        read_lineage(house.root, "models:/a/3", Store(f"sqlite:///{house.root}/none.db", None))


def train(house: Any, **threads: int) -> None:
    """Both trainings in the house's present state, as their journals tell."""
    for stage, number in threads.items():
        about = {"machine": Machine("Loom (family 1, model 2)", number).as_values()}
        with Journal(write_page(house.root, read_state(house.root)), stage, about) as journal:
            journal.end("ok")


@pytest.mark.parametrize(
    ("head", "tuned", "commands"),
    [
        (2, 2, ["TF_NUM_INTRAOP_THREADS=2 dvc repro"]),
        (8, 2, ["TF_NUM_INTRAOP_THREADS=8 dvc repro train_head", "TF_NUM_INTRAOP_THREADS=2 dvc repro"]),
    ],
)
def test_the_number_of_threads_is_kept_and_asked_for_again(
    head: int, tuned: int, commands: list[str], house: Any
) -> None:
    house.finish(0.0)
    train(house, train_head=head, fine_tune=tuned)
    sync(house.root)
    lineage = read_lineage(house.root, "models:/blooms-detector@challenger")
    told = list(say_lineage(lineage, house.root))
    assert f"machine    train_head: Loom (family 1, model 2), {head} threads" in told
    assert f"machine    fine_tune: Loom (family 1, model 2), {tuned} threads" in told
    assert [line.strip() for line in told if "dvc repro" in line] == commands


def test_other_bytes_are_explained_by_another_machine(
    house: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(house.root)
    house.finish(0.0)
    train(house, train_head=2, fine_tune=2)
    sync(house.root)
    address = "models:/blooms-detector@challenger"
    (house.root / "models/head.json").write_text("[1]")
    assert main(["lineage", address, "--verify"]) == 3
    assert "last bits" not in capsys.readouterr().out
    train(house, fine_tune=1)
    assert main(["lineage", address, "--verify"]) == 3
    loom = "Loom (family 1, model 2)"
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"fine_tune ran on {loom}, 2 threads, here on {loom}, 1 thread: the last bits of weights may differ"
    )


def test_a_version_of_an_earlier_release_has_no_machine(make_facts: Any) -> None:
    facts = make_facts(machines={"fine_tune": Machine("Loom", 2).as_values()})
    tags = facts.as_tags()
    assert Facts.from_tags(tags, "v").machines == facts.machines
    del tags["glasshouse.machines"]
    older = Facts.from_tags(tags, "v")
    assert (older.machines, list_repros(older)) == ({}, ["dvc repro"])
    del tags["glasshouse.counts"]
    with pytest.raises(FactsMissing, match=r"v lacks the tags counts:"):
        Facts.from_tags(tags, "v")


@pytest.mark.parametrize("commit", ["HEAD; touch evil", "--output=evil", "$(touch evil)", "a" * 39, "A" * 40])
def test_a_tag_that_names_no_commit_is_refused(make_facts: Any, commit: str) -> None:
    """Whoever may write to the server may write a command where a commit is to be checked out."""
    tags = make_facts().as_tags() | {"glasshouse.commit": commit}
    with pytest.raises(FactsMissing, match=r"^v names no commit by its tag glasshouse\.commit"):
        Facts.from_tags(tags, "v")


def test_what_tags_say_of_machines_never_becomes_a_command(make_facts: Any, tmp_path: Path) -> None:
    machine = Machine("Loom", 2).as_values()
    machines = {
        "head; touch evil;": {**machine, "threads": "1; touch evil;"},
        "fine_tune": {**machine, "threads": "$(touch evil)"},
    }
    lines = list_repros(make_facts(machines=machines))
    assert len(lines) == 2
    for line in lines:
        subprocess.run(["sh", "-c", f"dvc() {{ :; }}; {line}"], cwd=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_tag_cannot_add_lines_of_its_own(house: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """A person types what `reproduce` lists."""
    monkeypatch.chdir(house.root)
    house.finish(0.0)
    promote(house.root)
    version = read_lineage(house.root).version
    evil = "0.9\nreproduce\n  touch evil\x1b[2K\rfine"
    Registry(locate_store(house.root), version.name).tag(version, {"score.mAP_50": evil})
    assert main(["lineage"]) == 0
    said = capsys.readouterr().out
    assert "mAP_50 0.9\\nreproduce\\n  touch evil\\x1b[2K\\rfine" in said
    assert said.splitlines().count("reproduce") == 1
    assert "\x1b" not in said


def test_a_training_that_failed_last_says_nothing_of_the_outputs(house: Any) -> None:
    house.finish(0.0)
    train(house, train_head=2, fine_tune=2)
    with Journal(write_page(house.root, read_state(house.root)), "fine_tune", {"machine": {}}) as journal:
        journal.end("failed")
    sync(house.root)
    lineage = read_lineage(house.root, "models:/blooms-detector@challenger")
    assert list(lineage.facts.machines) == ["train_head"]
