"""The change that a retraining opens: commits on a branch of its own, made without a checkout.

`retrain/<state>` starts at HEAD. Its first commit holds what a state is made of and HEAD does not (the
digests of new pictures, the accepted data version), so that the model's lineage can name it; the second one
holds the results. Neither the index nor a checked-out branch is touched: blobs, trees and commits are written
with git's plumbing, and an index of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from glasshouse.journal.git import ask_git, read_commit
from glasshouse.retraining.programs import ProgramFailed, ask, attempt, find_program, say_reason
from glasshouse.tracking.commits import name_branch

REPORT = Path("reports/retrain.md")
ORIGIN = "origin"
TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
HELPER = ("-c", "credential.helper=!gh auth git-credential")
AUTHOR = {"name": "glasshouse", "email": "glasshouse@localhost"}
RECENT = 4  # commits of the branch among which one that is to be made is looked for


class ChangeFault(RuntimeError):
    """The change cannot be kept in git, or not be sent; the message says what to do."""


def write_mark(state: str) -> str:
    """The first line of a finished report: by it a commit is known to hold the change of a state."""
    return f"<!-- glasshouse retrain {state} -->"


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one state in the repository at `root`."""

    root: Path
    state: str

    @property
    def branch(self) -> str:
        """Its name, of local branch and of the remote's."""
        return name_branch(self.state)

    @property
    def ref(self) -> str:
        """The branch in full."""
        return f"refs/heads/{self.branch}"

    def find(self) -> str | None:
        """Where the finished change stands: `HEAD`, or the branch where people merge it from; None: nowhere.

        Raises:
            ChangeFault: origin cannot be asked.
        """
        if self.is_held_by("HEAD"):
            return "HEAD"
        if not has_origin(self.root):
            return self.branch if self.is_open_in(self.ref) else None
        return f"{ORIGIN}/{self.branch}" if self.find_sent() else None

    def find_sent(self) -> str | None:
        """The commit of origin's branch that holds the finished change, to be merged; raises ChangeFault."""
        commit = self._fetch()
        return commit if commit and self.is_open_in(commit) else None

    def is_held_by(self, commit: str) -> bool:
        """Whether a commit's report is the one of this state."""
        text = ask_git(self.root, "show", f"{commit}:{REPORT.as_posix()}")
        return text is not None and text.startswith(write_mark(self.state))

    def is_open_in(self, commit: str) -> bool:
        """Whether a commit holds the finished change and can still be merged.

        One that HEAD has among its ancestors cannot: it was merged, and then reverted or followed by the
        change of another state. git would call it up to date.
        """
        merged = ask_git(self.root, "merge-base", "--is-ancestor", commit, "HEAD") is not None
        return not merged and self.is_held_by(commit)

    def _fetch(self) -> str | None:
        """The commit of origin's branch, brought here; None where it has no such branch."""
        listed = attempt(self.root, *git_remotely(), "ls-remote", "--heads", ORIGIN, self.ref)
        if listed.returncode:
            raise ChangeFault(f"{ORIGIN} cannot be reached: {say_reason(listed)}.")
        if not listed.stdout.strip():
            return None
        commit = listed.stdout.split()[0]
        # A shallow clone takes a commit that was merged for one that was not.
        shallow = ask_git(self.root, "rev-parse", "--is-shallow-repository") == "true"
        if shallow or ask_git(self.root, "cat-file", "-e", f"{commit}^{{commit}}") is None:
            whole = ["--unshallow"] if shallow else []
            ask(self.root, *git_remotely(), "fetch", "--quiet", "--no-tags", *whole, ORIGIN, self.ref)
        return commit

    def keep_inputs(self, files: Iterable[str]) -> str:
        """The commit that holds `files` as they are here: HEAD, or the branch's first one."""
        head = read_commit(self.root)
        if head is None:
            raise ChangeFault("there is no commit yet: commit the project first.")
        commit = write_commit(self.root, head, files, f"Data of retraining {self.state[:12]}", near=self.ref)
        if commit != head and not self.is_open_in(self.ref):
            self._point(commit)
        return commit

    def keep_results(self, inputs: str, files: Iterable[str], message: str) -> str:
        """Put `files` into a commit on `inputs`, and let the branch end there; returns the commit."""
        commit = write_commit(self.root, inputs, files, message, near=self.ref)
        self._point(commit)
        return commit

    def send(self) -> None:
        """Push the branch to origin; raises ChangeFault. One that another machine sent meanwhile stands."""
        done = attempt(self.root, *git_remotely(), "push", "--quiet", ORIGIN, f"{self.ref}:{self.ref}")
        if done.returncode and self.find() is None:
            raise ChangeFault(
                f"{self.branch} cannot be pushed to {ORIGIN}: {say_reason(done)}. The commit stays here; "
                "the next run pushes it."
            )

    def _point(self, commit: str) -> None:
        """Move the branch. Nobody else writes it here: a lock on it is of a run that was killed."""
        stale = ask(self.root, "git", "rev-parse", "--git-path", f"{self.ref}.lock")
        (self.root / stale).unlink(missing_ok=True)
        if ask_git(self.root, "rev-parse", "--verify", "--quiet", self.ref) != commit:
            ask(self.root, "git", "branch", "--force", "--no-track", self.branch, commit)


def write_commit(root: Path, parent: str, files: Iterable[str], message: str, near: str) -> str:
    """A commit on `parent` with `files` as they are here (gone where they are not); no ref moves.

    The parent itself where that changes nothing, and the same commit where it is one of the last of `near`,
    so that a run that was cut off makes nothing twice.
    """
    with TemporaryDirectory() as folder:
        own = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        ask(root, "git", "read-tree", parent, environment=own)
        for name in files:
            _put(root, name, own)
        tree = ask(root, "git", "write-tree", environment=own)
    if tree == ask(root, "git", "rev-parse", f"{parent}^{{tree}}"):
        return parent
    known = ask_git(root, "log", f"-{RECENT}", "--format=%H %T %P", near) or ""
    for line in known.splitlines():
        commit, its_tree, *parents = line.split()
        if its_tree == tree and parents == [parent]:
            return commit
    words = ["git", "commit-tree", tree, "-p", parent, "-m", message]
    return ask(root, *words, environment=_author(root))


def _put(root: Path, name: str, index: Mapping[str, str]) -> None:
    if (root / name).is_file():
        blob = ask(root, "git", "hash-object", "-w", "--", name)
        entry = f"100644,{blob},{name}"
        ask(root, "git", "update-index", "--add", "--cacheinfo", entry, environment=index)
    else:
        ask(root, "git", "update-index", "--force-remove", "--", name, environment=index)


def _author(root: Path) -> dict[str, str]:
    """Who commits, where git does not know."""
    return {
        f"GIT_{role}_{key.upper()}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in AUTHOR.items()
        if not ask_git(root, "config", f"user.{key}") and f"GIT_{role}_{key.upper()}" not in os.environ
    }


def find_upstream(root: Path) -> tuple[str, str]:
    """Remote and branch that the branch here follows, under any name of its own; "" where there is none."""
    branch = ask_git(root, "symbolic-ref", "--quiet", "HEAD")
    fields = "--format=%(upstream:remotename) %(upstream:remoteref)"
    told = ask_git(root, "for-each-ref", fields, branch) if branch else None
    remote, _, followed = (told or "").partition(" ")
    return remote, followed.removeprefix("refs/heads/")


def has_origin(root: Path) -> bool:
    """Whether there is a remote to send to."""
    return bool(ask_git(root, "remote", "get-url", ORIGIN))


def has_gh() -> bool:
    """Whether GitHub's own program is here, and may act for somebody."""
    return find_program("gh") is not None and any(os.environ.get(name) for name in TOKENS)


def git_remotely() -> tuple[str, ...]:
    """git, with gh's credentials where there are any: a workflow's checkout need not leave its own behind."""
    return ("git", *HELPER) if has_gh() else ("git",)


def list_tracked(root: Path, folder: str) -> list[str]:
    """Files below a folder in HEAD."""
    return (ask_git(root, "ls-tree", "-r", "--name-only", "HEAD", "--", f"{folder}/") or "").splitlines()


def list_uncommitted(root: Path, paths: Iterable[str]) -> list[str]:
    """Which files at or below `paths` are not as in HEAD, new ones included."""
    how = ("--porcelain", "--untracked-files=all", "--no-renames", "-z")  # a renamed one would be two names
    listed = ask(root, "git", "status", *how, "--", *paths)
    return [entry[3:] for entry in listed.split("\0") if len(entry) > 3]


def demand_repository(root: Path) -> None:
    """Raise ChangeFault where there is no commit, or the project is not a repository of its own."""
    try:
        top = ask(root, "git", "rev-parse", "--show-toplevel")
    except ProgramFailed as error:
        raise ChangeFault(
            f"a retraining keeps its results in git, and there is no repository here ({error})."
        ) from error
    if Path(top).resolve() != root.resolve():
        raise ChangeFault(f"run this at the top of the repository, in {top}.")
