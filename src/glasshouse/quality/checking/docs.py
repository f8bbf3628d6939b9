"""Great Expectations' Data Docs of a stage: one page that opens in a browser without a network.

The site builder of Great Expectations needs a file context, and its pages load styles, scripts and a logo
from half a dozen hosts. Here its renderers word the expectations and its views turn them into HTML; only the
frame of the page is this project's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glasshouse.quality.checking.checks import Outcome, Verdict
from glasshouse.quality.checking.report import read_report

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper);
  --ink: #1d2a20; --paper: #fff; --line: #d8e0d9; --shade: #eef3ee;
  --bad: #b3261e; --good: #2e7d32; --so-so: #8a5a00 }
h1 { margin-bottom: .2rem }
h2 { margin: 2rem 0 .4rem; font-size: 1.15rem }
table { border-collapse: collapse; width: 100%; table-layout: fixed }
td, th { border-bottom: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top }
th { background: var(--shade); width: 20% }
th:nth-child(1) { width: 1.2rem }
th:nth-child(3) { width: 44% }
th:nth-child(4) { width: 9rem }
table table { table-layout: auto; width: auto; margin-top: .5rem; font-size: .9em }
table table td { border: 1px solid var(--line) }
table table th { width: auto !important }
.badge { background: var(--shade); border-radius: .3rem; padding: .05rem .35rem;
  font-family: ui-monospace, monospace }
.show-scrollbars { overflow-x: auto; overflow-wrap: break-word }
.text-danger, .bad { color: var(--bad) }
.text-success, .ok { color: var(--good) }
.text-warning, .warn { color: var(--so-so) }
i.fas { font-style: normal }
.fa-check-circle::before { content: "\\2713" }
.fa-times::before { content: "\\2717" }
.fa-exclamation-triangle::before { content: "!" }
@media (prefers-color-scheme: dark) { body { --ink: #dfe8e0; --paper: #141a15; --line: #344036;
  --shade: #202a21;
  --bad: #ff8a80; --good: #81c784; --so-so: #ffcc66 } a { color: #8fc7ff } }
"""


def write_docs(verdict: Verdict, answers: Mapping[str, ExpectationValidationResult], folder: Path) -> Path:
    """Write `folder/STAGE.html` and bring `folder/index.html` up to date with the stages' pages."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{verdict.stage}.html"
    tables = dict.fromkeys(outcome.table for outcome in verdict.outcomes)
    sections = [
        _section(table, [o for o in verdict.outcomes if o.table == table], answers) for table in tables
    ]
    body = [
        f"<h1>{verdict.stage}</h1><p>{_summary(verdict)}</p>",
        '<nav><a href="index.html">All stages</a></nav>',
    ]
    page.write_text(_page(f"Data Docs: {verdict.stage}", [*body, *sections]), encoding="utf-8")
    _write_index(folder)
    return page


def _summary(verdict: Verdict) -> str:
    passed = sum(outcome.status == "passed" for outcome in verdict.outcomes)
    worst = "bad" if verdict.critical else "warn" if verdict.warnings else "ok"
    findings = f"{len(verdict.critical)} critical, {len(verdict.warnings)} warnings"
    return f'<span class="{worst}">{findings}</span>, {passed} of {len(verdict.outcomes)} expectations met'


def _section(
    table: str, outcomes: Sequence[Outcome], answers: Mapping[str, ExpectationValidationResult]
) -> str:
    from great_expectations.render.view.view import DefaultJinjaComponentView

    rows = [_row(outcome, answers.get(outcome.check)) for outcome in outcomes]
    header = ["", "Check", "Expectation", "Observed", "What to do"]
    block = {"content_block_type": "table", "header_row": header, "table": rows, "styling": {}}
    view: Any = DefaultJinjaComponentView()
    html = view.render({"content_block": block})
    return f'<h2 id="{escape(table)}">{escape(table)}</h2>{html}'


def _row(outcome: Outcome, answer: ExpectationValidationResult | None) -> list[Any]:
    check = f"{outcome.check} ({outcome.severity})"
    if answer is None:
        return ["-", check, escape(outcome.demanded), "not run: the tables break their contract", ""]
    from great_expectations.render.renderer.content_block import (
        validation_results_table_content_block as blocks,
    )

    rendered: Any = blocks.ValidationResultsTableContentBlockRenderer.render([answer])
    status, expectation, observed = rendered.to_json_dict()["table"][0]
    cell = [*_words(expectation), *_failing_rows(outcome)]
    return [status, check, cell, observed, "" if answer.success else escape(outcome.remedy)]


def _words(cell: Any) -> list[dict[str, Any]]:
    """The expectation and how many rows fail it, less Great Expectations' own table and query of them."""
    parts = cell if isinstance(cell, list) else [cell]
    return [part for part in parts if part.get("content_block_type") == "string_template"]


def _failing_rows(outcome: Outcome) -> list[dict[str, Any]]:
    rows = outcome.failing_rows
    if not rows:
        return []
    # The views of Great Expectations put plain text into the page as it is.
    cells = [["missing" if value is None else escape(str(value)) for value in row.values()] for row in rows]
    return [{"content_block_type": "table", "header_row": list(rows[0]), "table": cells, "styling": {}}]


def _write_index(folder: Path) -> None:
    pages = sorted(page for page in folder.glob("*.html") if page.name != "index.html")
    links = [f'<li><a href="{page.name}">{escape(page.stem)}</a> {_known(page)}</li>' for page in pages]
    body = [
        "<h1>Data Docs</h1>",
        "<p>What each stage's guard expected and found.</p>",
        "<ul>",
        *links,
        "</ul>",
    ]
    (folder / "index.html").write_text(_page("Data Docs", body), encoding="utf-8")


def _known(page: Path) -> str:
    report = read_report(page.parent.parent / f"{page.stem}.json")
    if report is None:
        return ""
    findings = report["findings"]
    return f"{findings['critical']} critical, {findings['warning']} warnings"


def _page(title: str, body: Sequence[str]) -> str:
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        *body,
        "</html>",
    ]
    return "\n".join(lines) + "\n"
