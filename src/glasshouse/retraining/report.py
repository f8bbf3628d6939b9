"""`reports/retrain.md`: what was retrained, what was decided and why, for whoever is to merge it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glasshouse.promotion.decision import CLASS_SCORE, METRICS
from glasshouse.promotion.ledger import COLUMNS, LEDGER
from glasshouse.retraining.change import REPORT, write_mark
from glasshouse.retraining.figures import Pair, draw_curves, draw_pairs
from glasshouse.retraining.findings import Stopped, write_drift, write_findings
from glasshouse.retraining.tables import UNKNOWN, say_figure, say_interval, write_table
from glasshouse.retraining.verdict import Verdict
from glasshouse.tables.folders import replace_file, replace_folder
from glasshouse.tracking.commits import name_branch
from glasshouse.tracking.outcome import METRICS as SCORES
from glasshouse.tracking.outcome import flatten_scores, name_class_scores

FIGURES = Path("reports/retrain")
CURVES = Path("reports/evaluate/learning_curves.json")
NOT_CURVES = ("step", "phase", "epoch")


def write_report(root: Path, state: str, verdict: Verdict, task: str, counts: Mapping[str, int]) -> None:
    """Write the report of a finished state and its figures.

    Args:
        state: id of the state.
        verdict: what was decided.
        task: detect, localize or classify.
        counts: pictures of each split.
    """
    document = _read_json(root / SCORES)
    now, named = flatten_scores(document, SCORES), name_class_scores(document, CLASS_SCORE[task])
    scores, classes = pair_scores(verdict.before, now, task), pair_classes(verdict.before, now, named, task)
    shown = {name: own.get("ground_truth") for name, own in document["test"]["per_class"].items()}
    figures = draw_figures(root, [*scores, *classes], verdict)
    with replace_folder(root / FIGURES) as folder:
        for name, text in figures.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    lines = [
        write_mark(state),
        f"# Retraining {state[:12]}: {verdict.outcome}",
        "",
        *say_verdict(verdict),
        *_section("Scores on the test pictures", write_scores(verdict, scores)),
        *_section("Compared on the same pictures", write_gain(verdict)),
        *_section(f"Classes ({CLASS_SCORE[task]})", write_classes(verdict, classes, shown, task)),
        *(f"\n![{Path(name).stem}]({FIGURES.name}/{name})" for name in figures),
        *_section("Data", [_say_counts(counts), "", *write_drift(root)]),
        *_section("Findings of the guard", write_findings(root)),
        *_section("Ledger", write_ledger(verdict)),
        *_section("Taking it back, and looking further", say_ways(verdict, name_branch(state))),
    ]
    _write(root, lines)


def write_stopped(root: Path, state: str, stopped: Stopped) -> None:
    """Write the report of a state that was not finished."""
    what = "the guard found critical faults" if stopped.by_guard else "a stage failed"
    lines = [
        f"# Retraining {state[:12]}: stopped in {stopped.stage}, {what}",
        "",
        "Nothing was registered or promoted, the champion is as it was, no change was opened.",
        *_section("What it said", ["```text", *stopped.message.splitlines(), "```"]),
        *_section("Findings of the guard", write_findings(root)),
        *_section("Drift", write_drift(root)),
    ]
    _write(root, lines)


def say_verdict(verdict: Verdict) -> list[str]:
    """What counts, in two sentences."""
    model = f"`{verdict.model}` version {verdict.number}"
    if verdict.promoted:
        before = f"before it was version {verdict.against}" if verdict.against else "there was none before"
        head = f"**{model} was promoted** to champion; {before}."
    elif verdict.is_champion:
        head = f"**{model} stays champion.**"
    else:
        head = f"**{model} was refused**; version {verdict.against or '(none)'} stays champion."
    return [head, "", verdict.why]


def pair_scores(before: Mapping[str, float], now: Mapping[str, float], task: str) -> list[Pair]:
    """The task's scores of both models with their intervals."""
    return [
        Pair(
            name,
            before.get(name),
            now.get(name),
            (before.get(f"{name}_low"), before.get(f"{name}_high")),
            (now.get(f"{name}_low"), now.get(f"{name}_high")),
        )
        for name in METRICS[task]
    ]


def pair_classes(
    before: Mapping[str, float], now: Mapping[str, float], named: Mapping[str, str], task: str
) -> list[Pair]:
    """The score of every class that either model knows.

    Args:
        before, now: flat names and scores.
        named: flat name -> class of the model of now; of a class that it lacks MLflow's spelling is known.
        task: detect, localize or classify.
    """
    form = re.compile(rf"per_class/(.+)/{CLASS_SCORE[task]}_*")
    names = {key: named.get(key, found[1]) for key in (*now, *before) if (found := form.fullmatch(key))}
    return [Pair(name, before.get(key), now.get(key)) for key, name in names.items()]


def write_scores(verdict: Verdict, pairs: list[Pair]) -> list[str]:
    """Each model by its own report, on its own test pictures, with 95 % intervals."""
    rows = [
        [pair.name, say_interval(pair.before, *pair.before_ends), say_interval(pair.now, *pair.now_ends)]
        for pair in pairs
    ]
    told = "Each on the test pictures of its own time, with the 95 % interval of a bootstrap over them."
    return [*write_table(["metric", *_name_both(verdict)], rows), "", told]


def write_gain(verdict: Verdict) -> list[str]:
    """The figures that decided."""
    gain = verdict.gain
    if not gain:
        return [
            "There was no champion to compare with." if not verdict.against else "They were not compared."
        ]
    heads = ["metric", *_name_both(verdict), "difference", "its interval", "P(better)", "test pictures"]
    row = [
        verdict.metric,
        f"{gain['first']:.4f}",
        f"{gain['second']:.4f}",
        f"{gain['difference']:+.4f}",
        f"{gain['low']:+.4f} to {gain['high']:+.4f}",
        f"{gain['better']:.2f}",
        f"{gain['pictures']:.0f}",
    ]
    return [*write_table(heads, [row]), "", f"Verdict: {verdict.outcome} (rules: docs/promotion.md)."]


def write_classes(
    verdict: Verdict, pairs: list[Pair], shown: Mapping[str, int | None], task: str
) -> list[str]:
    """A row a class; `shown`: objects on the test pictures, or pictures, of each that is known now."""
    rows = [
        [
            pair.name,
            say_figure(pair.before),
            say_figure(pair.now),
            UNKNOWN if pair.now is None or pair.before is None else f"{pair.now - pair.before:+.4f}",
            say_figure(shown.get(pair.name)),
        ]
        for pair in pairs
    ]
    counted = "test pictures" if task == "classify" else "test objects"
    return write_table(["class", *_name_both(verdict), "difference", counted], rows)


def write_ledger(verdict: Verdict) -> list[str]:
    """The line of the ledger below its heads."""
    if not verdict.line:
        return [f"The decision added no line to {LEDGER.as_posix()}."]
    return [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}", verdict.line]


def say_ways(verdict: Verdict, branch: str) -> list[str]:
    """What a person may want to type next, and what merging means."""
    lines = [f"    git fetch && git checkout {branch} && dvc pull   # with reports/evaluate/index.html"]
    lines.append(f"    glasshouse lineage models:/{verdict.model}/{verdict.number}")
    if verdict.promoted and verdict.against:
        lines.append(f"    glasshouse rollback   # version {verdict.against} is champion again")
    if verdict.is_champion:
        return [*lines, "", "Merging or closing this change moves no alias: the champion is one already."]
    return [*lines, "", "Merging it keeps lock, data and ledger in step; the champion stays the one before."]


def draw_figures(root: Path, pairs: list[Pair], verdict: Verdict) -> dict[str, str]:
    """File name -> SVG."""
    figures = {"scores.svg": draw_pairs(pairs, *_name_both(verdict))}
    rows = _read_json(root / CURVES) if (root / CURVES).is_file() else []
    for name in sorted({key for row in rows for key in row if key.endswith("loss")}):
        known = [row for row in rows if row.get(name) is not None]
        phases = dict.fromkeys(row["phase"] for row in known)
        curves = [
            (phase, [(row["epoch"], row[name]) for row in known if row["phase"] == phase]) for phase in phases
        ]
        if curves:
            figures[f"{name}.svg"] = draw_curves(name, curves)
    return figures


def _name_both(verdict: Verdict) -> tuple[str, str]:
    if verdict.against == verdict.number:
        return f"version {verdict.number}, registered", "now"
    return f"version {verdict.against}" if verdict.against else "before", f"version {verdict.number}"


def _say_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) + " pictures."


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"## {title}", "", *lines]


def _write(root: Path, lines: list[str]) -> None:
    with replace_file(root / REPORT) as place:
        place.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
