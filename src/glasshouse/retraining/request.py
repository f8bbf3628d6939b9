"""Asks people to merge a change: a pull request where GitHub's program may open one, else a sentence."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from glasshouse.journal.git import ask_git
from glasshouse.retraining.change import ORIGIN, REPORT, Change, find_upstream, has_gh, has_origin
from glasshouse.retraining.programs import ask
from glasshouse.retraining.report import FIGURES

LONGEST_BODY = 60_000  # characters; GitHub takes 65,536
GITHUB = re.compile(
    r"(?:https://(?:[^@/]*@)?|(?:ssh://)?git@)github\.com[/:](?P<name>[^/]+/[^/]+?)(?:\.git)?/?"
)


@dataclass(frozen=True, slots=True)
class Request:
    """What people read: the report's heading and its text."""

    title: str
    body: str

    @property
    def is_draft(self) -> bool:
        """Whether nothing is to be merged: the decision was no promotion."""
        return ": promoted" not in self.title


def read_request(change: Change, commit: str) -> Request:
    """Made of the report in a commit."""
    text = ask_git(change.root, "show", f"{commit}:{REPORT.as_posix()}") or ""
    _, heading, body = text.split("\n", 2)
    return Request(heading.removeprefix("# "), link_figures(change, body.strip())[:LONGEST_BODY])


def link_figures(change: Change, text: str) -> str:
    """With the figures' whole addresses: a pull request stands outside of the folder that holds them."""
    origin = ask_git(change.root, "remote", "get-url", ORIGIN) or ""
    found = GITHUB.fullmatch(origin)
    if found is None:
        return text
    place = f"https://github.com/{found['name']}/blob/{change.branch}/{FIGURES.as_posix()}"
    return re.sub(rf"\]\({FIGURES.name}/([^)]+)\)", rf"]({place}/\1?raw=true)", text)


def list_requests(change: Change, commit: str) -> list[str]:
    """Addresses of the branch's pull requests, without those that were merged with another commit than this:
    a change that was reverted and opened again is asked for again."""
    words = ["gh", "pr", "list", "--head", change.branch, "--state", "all"]
    listed = ask(change.root, *words, "--json", "url,state,headRefOid")
    return [
        str(each["url"])
        for each in json.loads(listed or "[]")
        if each["state"] != "MERGED" or each["headRefOid"] == commit
    ]


def ask_to_merge(change: Change, commit: str) -> str:
    """Open the pull request of a change, once; says where it stands, or which branch to merge."""
    if not has_origin(change.root):
        return f"no git remote: merge the local branch {change.branch}"
    if not has_gh():
        return f"merge the branch {change.branch} of {ORIGIN} (no gh with a token here to ask for it)"
    known = list_requests(change, commit)
    if known:
        return f"the change is {known[0]}"
    request = read_request(change, commit)
    remote, followed = find_upstream(change.root)
    base = followed if remote == ORIGIN else ask_git(change.root, "symbolic-ref", "--short", "HEAD")
    with TemporaryDirectory() as folder:
        body = Path(folder, "body.md")
        body.write_text(request.body, encoding="utf-8")
        words = ["gh", "pr", "create", "--head", change.branch, "--title", request.title]
        words += ["--body-file", str(body), *(["--base", base] if base else [])]
        url = ask(change.root, *words, *(["--draft"] if request.is_draft else []))
    return f"opened {url.splitlines()[-1] if url else 'a pull request'}"
