"""`reports/quality/index.html`, made of the stages' reports, the profile and the pictures that they name.

The page is no output of a stage: every guard brings it up to date, so it changes with whichever stage ran
last. It holds no times, and needs no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.params import STAGE_KEYS
from glasshouse.quality.checking.report import UNTOLD, read_report
from glasshouse.quality.page.cards import gather_cards
from glasshouse.quality.page.environment import open_templates
from glasshouse.quality.page.histograms import gather_charts, say_number

READS = ("src/glasshouse/quality/page/templates",)
TEMPLATES = Path(__file__).parent / "templates"
FIRST_COLUMNS = ("file_name", "name", "feature", "format", "split", "place", "image_id", "object_id")
SHOWN_ROWS = 10  # of a finding; the stage's report holds more

PROFILE = "profile.json"


@dataclass(frozen=True, slots=True)
class Judged:
    """One stage on the page.

    Attributes:
        level: bad, warn, ok, or none where it was never judged.
        is_old: an earlier stage stands with a critical finding, so this one was judged on other data.
    """

    name: str
    level: str
    report: Mapping[str, Any] | None
    is_old: bool

    @property
    def findings(self) -> list[Mapping[str, Any]]:
        """Checks that failed, critical ones first."""
        return sorted(
            (o for o in self._outcomes if o["status"] == "failed"), key=lambda o: str(o["severity"])
        )

    @property
    def timed(self) -> list[str]:
        """Names of checks whose outcome is not in the report: it hangs on times, and reports are stable."""
        return [str(outcome["check"]) for outcome in self._outcomes if outcome["status"] == UNTOLD]

    @property
    def _outcomes(self) -> Sequence[Mapping[str, Any]]:
        return self.report["outcomes"] if self.report else ()


def write_page(folder: Path, raw: Path) -> Path:
    """Write `folder/index.html`.

    Args:
        folder: holds STAGE.json of the stages that were judged, and profile.json.
        raw: data/raw, for the pictures; may be missing.
    """
    stages = read_stages(folder)
    profile = read_report(folder / PROFILE)
    findings = [(stage.name, finding) for stage in stages if not stage.is_old for finding in stage.findings]
    environment = open_templates(TEMPLATES, cell=say_cell, columns=order_columns)
    text = environment.get_template("index.html.jinja").render(
        verdict=say_verdict(stages),
        stages=stages,
        cards=gather_cards(findings, raw),
        charts=gather_charts(profile, _name_moved(findings)) if profile else [],
        has_reference=bool(profile and profile["reference"]),
        has_docs=(folder / "docs" / "index.html").is_file(),
        shown_rows=SHOWN_ROWS,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    page.write_text(text, encoding="utf-8", newline="\n")
    return page


def read_stages(folder: Path) -> list[Judged]:
    """Every stage of the pipeline in its order, with its report where there is one."""
    stages: list[Judged] = []
    stopped = False
    for name in STAGE_KEYS:
        report = read_report(folder / f"{name}.json")
        stages.append(Judged(name, _level(report), report, stopped and report is not None))
        stopped = stopped or (report is not None and not report["success"] and report["mode"] == "enforce")
    return stages


def _level(report: Mapping[str, Any] | None) -> str:
    if report is None:
        return "none"
    found = report["findings"]
    return "bad" if found["critical"] else "warn" if found["warning"] else "ok"


def say_verdict(stages: Sequence[Judged]) -> dict[str, str]:
    """The page's first line: its level, its headline, and a sentence on what comes of it."""
    judged = [stage for stage in stages if stage.report is not None and not stage.is_old]
    bad = [stage for stage in judged if stage.level == "bad"]
    warnings = sum(stage.report["findings"]["warning"] for stage in judged if stage.report)
    told = f"{len(judged)} of {len(stages)} stages judged, {_count(warnings, 'warning')}."
    if not judged:
        return {"level": "none", "headline": "Nothing judged yet", "words": "Run `dvc repro`."}
    if bad:
        critical = _count(sum(s.report["findings"]["critical"] for s in bad if s.report), "critical finding")
        where = ", ".join(stage.name for stage in bad)
        if bad[0].report and bad[0].report["mode"] == "enforce":
            words = f"{told} Nothing of {where} goes on until it is put right."
            return {"level": "bad", "headline": f"Stopped in {where}: {critical}", "words": words}
        words = f"{told} quality.mode is report: the pipeline went on."
        return {"level": "bad", "headline": f"{critical} in {where}, let through", "words": words}
    level = "warn" if warnings else "ok"
    headline = f"No critical finding, {_count(warnings, 'warning')}" if warnings else "Nothing found amiss"
    return {"level": level, "headline": headline, "words": f"{len(judged)} of {len(stages)} stages judged."}


def _name_moved(findings: Sequence[tuple[str, Mapping[str, Any]]]) -> set[str]:
    """The distributions that a check of drift has named."""
    return {
        str(row["feature"])
        for _, found in findings
        if found["table"] == "drift"
        for row in found["failing_rows"]
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def say_cell(value: Any) -> str:
    """A value of a failing row; four digits are enough to read."""
    if value is None:
        return "missing"
    return say_number(value) if isinstance(value, float) else str(value)


def order_columns(row: Mapping[str, Any]) -> list[str]:
    """Names of a failing row's columns, those that tell which row it is first."""
    return sorted(
        row, key=lambda name: FIRST_COLUMNS.index(name) if name in FIRST_COLUMNS else len(FIRST_COLUMNS)
    )
