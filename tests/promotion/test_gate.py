"""Decisions carried out: registry, ledger and files together, on a real MLflow database."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glasshouse.cli import main
from glasshouse.promotion import gate
from glasshouse.promotion.decision import Outcome
from glasshouse.promotion.gate import GAIN, NoWayBack, Unfinished, promote, rollback
from glasshouse.promotion.ledger import LEDGER, LedgerFault
from glasshouse.promotion.lineage import read_lineage, verify
from glasshouse.retraining.verdict import take_verdict
from glasshouse.tracking.aliases import Registry, RegistryFault, name_place
from glasshouse.tracking.claims import CLAIM, Contended
from glasshouse.tracking.store import Store, StoreAway, locate_store
from glasshouse.tracking.sync import sync

GOOD, BAD = 0.0, 0.3  # bias of a classifier towards its first class
MODEL = "blooms-detector"


def registry(house: Any) -> Registry:
    return Registry(locate_store(house.root), MODEL)


def rows(house: Any) -> list[list[str]]:
    lines = (house.root / LEDGER).read_text(encoding="utf-8").splitlines()
    return [line.split(" | ") for line in lines if line.startswith("| 2")]


def files_of(root: Path) -> dict[str, bytes]:
    """All files but caches."""
    paths = (path for path in root.rglob("*") if path.is_file() and ".glasshouse" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def test_first_same_better_worse_back_and_again(
    house: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(house.root)
    house.finish(BAD)
    assert main(["promote"]) == 0
    assert capsys.readouterr().out.startswith("version 1 promoted: first champion (there is no champion)\n")
    assert registry(house).aliases() == {"champion": "1", "challenger": "1"}
    assert promote(house.root).outcome is Outcome.SAME
    assert len(rows(house)) == 1

    house.finish(GOOD)
    better = promote(house.root)
    assert (better.outcome, better.status, better.challenger, better.champion) == (
        Outcome.BETTER,
        0,
        "2",
        "1",
    )
    assert better.comparison is not None
    gain = better.comparison.gain
    assert (gain.second, gain.pictures) == (1.0, 40)
    assert 0 < gain.low <= gain.difference <= gain.high and gain.better > 0.99
    assert registry(house).aliases() == {"champion": "2", "challenger": "2", "previous": "1"}
    told = registry(house).read("2").tags  # type: ignore[union-attr]
    assert (told["promotion.outcome"], told["promotion.against"]) == ("promoted: better", "1")
    assert float(told["promotion.difference"]) == pytest.approx(gain.difference, rel=1e-5)

    house.finish(BAD)
    assert main(["promote"]) == 3
    shown = capsys.readouterr().out
    assert (
        "version 3 refused: worse (the champion is 2)" in shown
        and "written down in reports/ledger.md" in shown
    )
    before = (house.root / LEDGER).read_bytes()
    assert promote(house.root).outcome is Outcome.WORSE
    assert (house.root / LEDGER).read_bytes() == before  # the same decision once
    assert registry(house).aliases() == {"champion": "2", "challenger": "3", "previous": "1"}

    assert main(["rollback"]) == 0
    assert f"{MODEL} version 1 is the champion again" in capsys.readouterr().out
    assert registry(house).aliases() == {"champion": "1", "challenger": "3"}
    assert main(["rollback"]) == 1
    assert "has no @previous: its first champion cannot be taken back" in capsys.readouterr().err
    house.set("seed: 10", "seed: 8")
    house.finish(GOOD)  # the state of version 2 again
    assert promote(house.root).outcome is Outcome.TAKEN_BACK
    assert promote(house.root, again=True).outcome is Outcome.BETTER
    assert registry(house).aliases() == {"champion": "2", "challenger": "2", "previous": "1"}
    assert promote(house.root).outcome is Outcome.SAME  # what was taken back is forgotten
    decisions = [row[2] for row in rows(house)]
    assert decisions == [
        "promoted: first champion",
        "promoted: better",
        "refused: worse",
        "rolled back",
        "refused: taken back before",
        "promoted: better",
    ]


def test_numbers_of_an_earlier_decision_do_not_outlive_it(house: Any) -> None:
    """The tags say what the ledger's last row on the version says."""
    house.finish(BAD)
    promote(house.root)
    house.finish(GOOD)
    house.set("margin: 0.0", "margin: 0.9")
    assert promote(house.root).comparison is not None
    told = registry(house).read("2").tags  # type: ignore[union-attr]
    assert {f"promotion.{key}" for key in GAIN} < told.keys()
    metrics = house.root / "reports/evaluate/metrics.json"
    metrics.write_text('{"test": {"mAP_50": 0.5}}')
    house.project.lock()
    assert promote(house.root).outcome is Outcome.NO_METRIC
    told = registry(house).read("2").tags  # type: ignore[union-attr]
    assert told["promotion.outcome"] == "refused: metric missing" and rows(house)[-1][9] == "-"
    assert not {f"promotion.{key}" for key in GAIN} & told.keys()
    assert take_verdict(house.root, locate_store(house.root)).gain == {}


def test_a_dry_run_writes_nothing(offline_house: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(offline_house.root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    offline_house.finish(1.0)
    before = files_of(offline_house.root)
    assert main(["promote", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("would be: version new promoted: first champion")
    assert shown.endswith("nothing was written\n")
    offline_house.judge("split", "no_leak")
    offline_house.project.lock()
    offline_house.set("class_floor: 0.05", "class_floor: 0.95")
    assert main(["promote", "--dry-run"]) == 3
    shown = capsys.readouterr().out
    assert "quality is not clean (split: critical: no_leak)" in shown and "AP_50_95 on the test" in shown
    after = files_of(offline_house.root)
    assert {name for name in after if after[name] != before.get(name)} == {
        "dvc.lock",
        "params.yaml",
        "reports/quality/split.json",
    }


def test_what_is_not_finished_is_not_promoted(offline_house: Any) -> None:
    with pytest.raises(Unfinished, match="nothing to promote: not up to date: download"):
        promote(offline_house.root)
    offline_house.finish(0.0)
    (offline_house.root / "reports/evaluate/metrics.json").write_text('{"test": {}}')
    offline_house.project.lock()
    with pytest.raises(Unfinished, match=r"metrics\.json holds no score"):
        promote(offline_house.root, dry_run=True)
    (offline_house.root / "reports/evaluate/metrics.json").write_text('{"test": {"mAP_50": 0.5}}')
    offline_house.project.lock()
    assert promote(offline_house.root, dry_run=True).outcome is Outcome.NO_METRIC
    (offline_house.root / "exports/model.onnx").unlink()
    offline_house.project.lock()
    with pytest.raises(Unfinished, match=r"params\.yaml export\.formats needs onnx"):
        promote(offline_house.root)


def test_a_server_that_is_away_changes_nothing(offline_house: Any) -> None:
    offline_house.finish(0.0)
    before = files_of(offline_house.root)
    away = Store("http://127.0.0.1:9", None)
    for call in (promote, rollback):
        with pytest.raises(StoreAway, match=r"MLflow at http://127\.0\.0\.1:9 does not answer"):
            call(offline_house.root, store=away)
    assert files_of(offline_house.root) == before
    with pytest.raises(NoWayBack, match="has no @champion"):
        rollback(offline_house.root, store=Store(f"sqlite:///{offline_house.root}/none.db", None))


def test_a_kill_at_any_moment_is_made_good_by_the_next_call(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.finish(BAD)
    promote(house.root)
    house.finish(GOOD)
    point, tag, replace = Registry._set_alias, Registry.tag, Path.replace

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    def stop_before(alias: str) -> Callable[..., None]:
        return lambda self, name, number: stop() if name == alias else point(self, name, number)

    def stop_after(self: Registry, name: str, number: str | None) -> None:
        point(self, name, number)
        if (name, number) == ("champion", "2"):
            stop()

    def tag_and_stop(self: Registry, version: Any, tags: Any) -> None:
        tag(self, version, tags)
        if "promotion.line" in tags:
            stop()

    moments: list[tuple[type, str, Any]] = [
        (Registry, "tag", tag_and_stop),
        (Registry, "_set_alias", stop_before("champion")),
        (Registry, "_set_alias", stop_after),
    ]
    for where, name, broken in moments:
        with monkeypatch.context() as patch:
            patch.setattr(where, name, broken)
            with pytest.raises(KeyboardInterrupt):
                promote(house.root)
        assert len(rows(house)) == 1
    assert Path.replace is replace
    assert promote(house.root).outcome is Outcome.SAME  # the last kill came after the aliases moved
    assert registry(house).aliases() == {"champion": "2", "challenger": "2", "previous": "1"}
    assert [row[2] for row in rows(house)] == ["promoted: first champion", "promoted: better"]
    assert not [path for path in (house.root / "reports").iterdir() if path.name.startswith(".")]


def test_a_lost_answer_is_told_as_half_written_and_completed(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server moved the alias and went away before it said so."""
    house.finish(BAD)
    promote(house.root)
    house.finish(GOOD)
    point = Registry._set_alias

    def point_and_lose(self: Registry, name: str, number: str | None) -> None:
        point(self, name, number)
        if name == "champion":
            raise StoreAway("MLflow broke off: read timed out")

    for call in (promote, rollback):
        with monkeypatch.context() as patch:
            patch.setattr(Registry, "_set_alias", point_and_lose)
            with pytest.raises(StoreAway, match=r"timed out It was in the middle .* run this again"):
                call(house.root)
    assert len(rows(house)) == 2  # rollback, when it began, completed the promotion
    promote(house.root)
    decisions = ["promoted: first champion", "promoted: better", "rolled back", "refused: taken back before"]
    assert [row[2] for row in rows(house)] == decisions
    assert registry(house).aliases() == {"champion": "1", "challenger": "2"}


def test_while_a_request_may_still_move_the_champion_nobody_else_decides(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer came: the claim is left to die, and only this folder's next call may pass it by."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def lose(*_: Any) -> None:
        raise MlflowException("read timed out")

    house.finish(BAD)
    gate.sync(house.root)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_registered_model_alias", lose)
        with pytest.raises(StoreAway, match="read timed out"):
            promote(house.root)
    (claim,) = [key for key in registry(house).read_tags() if key.startswith(CLAIM)]
    with (
        pytest.raises(Contended, match="another promoter has been at work"),
        registry(house).claimed("elsewhere", wait_seconds=0.2),
    ):
        pytest.fail(f"{claim} was passed by")
    assert promote(house.root).outcome is Outcome.FIRST
    assert not registry(house).read_tags()


def test_one_decision_at_two_times_is_one_row(house: Any) -> None:
    """The row came here by git, from a machine whose registry then lost the version's own."""
    house.finish(BAD)
    promote(house.root)
    (row,) = [line for line in (house.root / LEDGER).read_text().splitlines() if line.startswith("| 2")]
    champion = registry(house).find("champion")
    assert champion is not None
    registry(house).tag(champion, {gate.LINE: row.replace(row[2:21], "2020-01-01 00:00:00")})
    promote(house.root)
    assert len(rows(house)) == 1


def test_a_ledger_on_a_read_only_disk_leaves_the_champion_alone(house: Any) -> None:
    house.finish(BAD)
    (house.root / "reports/.ledger.md.new").mkdir()  # what stands there cannot be opened for writing
    with pytest.raises(LedgerFault, match="the champion is as it was"):
        promote(house.root)
    assert registry(house).aliases() == {"challenger": "1"}
    assert not (house.root / LEDGER).exists()


def test_of_two_promoters_at_once_one_waits_and_finds_nothing_to_do(house: Any) -> None:
    house.finish(BAD)
    code = "import pathlib, glasshouse.promotion.gate as gate; print(gate.promote(pathlib.Path()).verdict)"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=house.root, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = sorted(process.communicate(timeout=100)[0].strip() for process in processes)
    assert told == ["promoted", "unchanged"]
    assert len(rows(house)) == 1
    assert not [key for key in registry(house)._model().tags if "claim" in key]


def test_a_champion_that_moved_meanwhile_is_judged_anew(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine, another ledger: between comparing and moving, version 2 has become the champion."""
    house.finish(BAD)
    promote(house.root)
    house.finish(GOOD)
    gate.sync(house.root)
    house.finish(0.05)
    asked: list[str | None] = []
    judge = gate.judge

    def judge_and_move(bench: Any, found: Registry, challenger: Any, champion: Any, again: bool) -> Any:
        asked.append(champion.number)
        decision = judge(bench, found, challenger, champion, again)
        if len(asked) == 1:
            found.point("champion", "2")
        return decision

    monkeypatch.setattr(gate, "judge", judge_and_move)
    decision = promote(house.root)
    assert asked == ["1", "2"]
    assert decision.champion == "2" and decision.verdict == "refused"
    assert registry(house).aliases()["champion"] == "2"


def test_claims(house: Any) -> None:
    house.finish(BAD)
    gate.sync(house.root)
    here, there = registry(house), registry(house)
    with (
        here.claimed("here"),
        pytest.raises(Contended, match="another promoter has been at work"),
        there.claimed("there", wait_seconds=0.2),
    ):
        pytest.fail("two at once")
    here.set_tag("promotion.claim.dead", "1 there")
    with there.claimed("there", wait_seconds=0.0):  # its own folder's lock says that it is dead
        pass
    assert not here.read_tags()
    assert name_place(house.root) == name_place(house.root / "data/..")


@pytest.mark.parametrize("moved", ["claim", "champion"])
def test_what_changed_just_before_the_alias_moves_is_respected(
    house: Any, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    """Another machine took the claim for dead, or moved the champion all the same."""
    house.finish(BAD)
    promote(house.root)
    house.finish(0.05)
    gate.sync(house.root)
    house.finish(GOOD)
    untag = Registry.untag

    def untag_and_be_late(self: Registry, version: Any, key: str) -> None:
        untag(self, version, key)
        if moved == "champion":
            self.client.set_registered_model_alias(MODEL, "champion", "2")
        for name in self.read_tags() if moved == "claim" else ():
            self.drop_tag(name)

    before = (house.root / LEDGER).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Registry, "untag", untag_and_be_late)
        with pytest.raises(Contended, match="Run it again"):
            promote(house.root)
    assert registry(house).aliases()["champion"] == ("2" if moved == "champion" else "1")
    assert (house.root / LEDGER).read_bytes() == before and not registry(house).read_tags()
    decided = promote(house.root)  # anew, by what stands now
    assert decided.outcome is (Outcome.NOISE if moved == "champion" else Outcome.BETTER)


def test_a_changed_split_and_size_and_what_the_champion_has_learned_by_heart(
    house: Any, repaint: Any
) -> None:
    house.finish(BAD)
    promote(house.root)
    house.set("height_px: 32\n  width_px: 32", "height_px: 64\n  width_px: 64")
    repaint(house, 1, side=64, test_first=True)  # the same pictures: all that test now were for training
    house.finish(GOOD, side=64)
    decision = promote(house.root)
    assert decision.comparison is not None
    assert decision.notes == (
        "the test pictures or labels are others than when the champion was made",
        "the champion was asked at its own picture size",
        "the champion has trained or validated on 40 of 40 test pictures, too many to leave out: the "
        "comparison favours the champion",
    )
    assert decision.outcome is Outcome.BETTER  # in spite of it
    assert "favours the champion" in (house.root / LEDGER).read_text()


def test_a_champion_whose_files_are_gone_is_told(house: Any) -> None:
    house.finish(BAD)
    promote(house.root)
    (path,) = house.root.glob("mlruns/models/*/artifacts/model.onnx")
    path.write_bytes(b"other")
    house.finish(GOOD)
    with pytest.raises(RegistryFault, match="the store's artifacts were changed"):
        promote(house.root)
    assert registry(house).aliases() == {"champion": "1", "challenger": "2"}
    path.unlink()
    with pytest.raises(RegistryFault, match="cannot be fetched"):
        promote(house.root, dry_run=True)
    client = registry(house).client
    client.delete_model_version_tag(MODEL, "1", "glasshouse.classes")
    with pytest.raises(ValueError, match=f"{MODEL} version 1 lacks the tags classes"):
        promote(house.root, dry_run=True)


def test_a_metric_that_the_registry_would_refuse_never_reaches_it(house: Any) -> None:
    house.finish(BAD)
    path = house.root / "reports/evaluate/metrics.json"
    path.write_text(json.dumps({"test": {"accuracy": float("nan")}}))
    house.project.lock()
    with pytest.raises(ValueError, match=r"accuracy must be a finite number\. Got nan instead"):
        promote(house.root)


def test_a_state_made_twice_with_other_bytes_stays_what_was_registered(
    house: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """As on a machine with another number of threads, or after `dvc commit` of a file edited by hand."""
    monkeypatch.chdir(house.root)
    house.finish(BAD)
    sync(house.root)
    client, first = registry(house).client, registry(house).read("1")
    assert first is not None
    run = client.get_run(first.run_id)
    house.write_network(GOOD)
    house.project.write("reports/evaluate/metrics.json", '{"test": {"accuracy": 0.9}}')
    house.project.lock()

    assert main(["runs", "sync"]) == 0
    told = capsys.readouterr().out
    assert f"not mirrored: scores, pages and model of here: {MODEL} version 1 is this state, but with" in told
    assert f"delete run {run.info.run_id} in MLflow" in told
    assert client.get_run(first.run_id).to_dictionary() == run.to_dictionary()
    assert registry(house).read("1") == first
    differing = verify(read_lineage(house.root, f"models:/{MODEL}/1"), house.root)
    assert [line.split(":")[0].split()[0] for line in differing] == [
        "exports",
        "reports/evaluate",
        "exports/model.onnx",
    ]

    decision = promote(house.root)
    (note,) = decision.notes
    assert note == "this state was registered with other bytes than lie here: those were judged"
    assert decision.scored is not None
    assert decision.scored.score is not None and decision.scored.score < 1.0  # which the one here would have
    assert note in " | ".join(rows(house)[0])

    client.delete_run(run.info.run_id)
    sync(house.root)
    second = registry(house).find_state(first.facts.state)
    assert second is not None and second.number == "2"
    assert client.get_run(second.run_id).data.metrics["accuracy"] == 0.9
    assert verify(read_lineage(house.root, f"models:/{MODEL}/2"), house.root) == []


def test_scores_edited_by_hand_reach_neither_the_run_nor_the_lineage(house: Any) -> None:
    """`dvc commit` lets dvc.lock vouch for them, though no stage wrote them."""
    house.finish(GOOD)
    sync(house.root)
    version = registry(house).read("1")
    assert version is not None
    house.project.write("reports/evaluate/metrics.json", '{"test": {"accuracy": 0.99}}')
    house.project.lock()
    (fault,) = sync(house.root).faults
    assert fault.startswith(
        f"scores, pages and model of here: {MODEL} version 1 is this state, but with other"
    )
    assert registry(house).client.get_run(version.run_id).data.metrics["accuracy"] == 0.5
    (line,) = verify(read_lineage(house.root, f"models:/{MODEL}/1"), house.root)
    assert line.startswith("reports/evaluate: ")


def test_a_version_deleted_by_hand_is_registered_with_the_bytes_that_lie_here(house: Any) -> None:
    house.finish(BAD)
    sync(house.root)
    registry(house).client.delete_model_version(MODEL, "1")
    house.write_network(GOOD)
    house.project.lock()
    sync(house.root)
    (version,) = registry(house).client.search_model_versions(f"name = '{MODEL}'")
    found = registry(house).read(str(version.version))
    assert found is not None
    fetched = registry(house).fetch_network(found, house.root)
    assert fetched.read_bytes() == (house.root / "exports/model.onnx").read_bytes()
