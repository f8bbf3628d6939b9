"""`make pull`: the branch brought up to its upstream, in a folder where retrainings have left their files.

A retraining leaves its results changed in the working tree. Once its change is merged, the same files are in
what is to be pulled, and `git pull` refuses. Here they give way: dropped where a commit of a change, or what
is pulled, holds just these bytes, put into git's stash where none does (a run was cut off). Files of anybody
else stop it, before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from glasshouse.journal.git import ask_git
from glasshouse.retraining.change import (
    ChangeFault,
    demand_repository,
    find_upstream,
    git_remotely,
    list_uncommitted,
)
from glasshouse.retraining.lock import alone
from glasshouse.retraining.programs import ask, attempt, say_reason
from glasshouse.retraining.setting import Say, open_setting
from glasshouse.tracking.commits import CHANGES

UPSTREAM = "@{upstream}"


def pull(root: Path, say: Say) -> None:
    """Fetch, and move the branch and its files on to the upstream; says what was done.

    Raises:
        AtWork: a retraining is at work here.
        LockFault, ProgramFailed: the folder cannot be written to, a program failed.
        ChangeFault: there is no upstream (any more), it cannot be reached, the branch has commits of its own,
            or files that are no retraining's stand in the way. Nothing was changed.
    """
    demand_repository(root)
    with alone(root):
        _demand_upstream(root)
        _reach(root, "fetch", "--quiet")
        if not ask(root, "git", "rev-list", "--max-count=1", f"HEAD..{UPSTREAM}"):
            say("nothing to pull")
            return
        if own := ask(root, "git", "log", "--max-count=1", "--format=%h %s", f"{UPSTREAM}..HEAD"):
            raise ChangeFault(f"the branch has commits that its upstream lacks ({own}): push or merge them.")
        _give_way(root, say)
        ask(root, "git", "merge", "--quiet", "--ff-only", UPSTREAM)
        say(f"pulled up to {ask(root, 'git', 'log', '-1', '--format=%h %s')}")


def _demand_upstream(root: Path) -> None:
    """Raise ChangeFault where the branch follows none that its remote has: git would fetch, and find nothing
    new for ever."""
    if ask_git(root, "symbolic-ref", "--quiet", "HEAD") is None:
        raise ChangeFault("HEAD is on no branch that could be brought up: `git switch BRANCH` first.")
    remote, followed = find_upstream(root)
    if not followed:
        raise ChangeFault(
            "the branch here follows none of a remote: `git branch --set-upstream-to=origin/main`."
        )
    if not _reach(root, "ls-remote", "--heads", remote, f"refs/heads/{followed}"):
        raise ChangeFault(
            f"{remote} has no branch {followed} any more: `git fetch`, and "
            f"`git branch --set-upstream-to={remote}/BRANCH` with the one that is to be followed."
        )


def _reach(root: Path, *words: str) -> str:
    """What git says of the remote; raises ChangeFault where it does not answer."""
    done = attempt(root, *git_remotely(), *words)
    if done.returncode:
        raise ChangeFault(f"git's remote cannot be reached: {say_reason(done)}.")
    return done.stdout.strip()


def _give_way(root: Path, say: Say) -> None:
    """Put what differs here back to HEAD, where the upstream has another content for it."""
    coming = ask(root, "git", "diff", "--name-only", "--no-renames", "-z", "HEAD", UPSTREAM).split("\0")
    clashing = sorted({*coming} & {*list_uncommitted(root, ["."])})
    setting = open_setting(root, say)
    if foreign := [path for path in clashing if path not in {*setting.inputs, *setting.results}]:
        raise ChangeFault(
            f"files here are not as in HEAD, and others are to be pulled: {', '.join(foreign[:5])}. "
            "Commit or drop them first."
        )
    places = [UPSTREAM, *_list_changes(root)]
    held = [path for path in clashing if _is_held(root, path, places)]
    if left := [path for path in clashing if path not in held]:
        message = "left by a retraining that was cut off"
        ask(root, "git", "stash", "push", "--quiet", "--include-untracked", "--message", message, "--", *left)
        say(f"put into `git stash`, for no change holds them: {', '.join(left)}")
    for path in held:
        if ask_git(root, "cat-file", "-e", f"HEAD:{path}") is None:
            (root / path).unlink(missing_ok=True)
        else:
            ask(root, "git", "checkout", "--quiet", "HEAD", "--", path)


def _list_changes(root: Path) -> list[str]:
    """The changes that were opened, here or by others, the newest first."""
    patterns = (f"refs/heads/{CHANGES}", f"refs/remotes/*/{CHANGES}/*")
    listed = ask(root, "git", "for-each-ref", "--sort=-creatordate", "--format=%(refname)", *patterns)
    return listed.splitlines()


def _is_held(root: Path, path: str, places: Iterable[str]) -> bool:
    """Whether one of the commits has the file as it is here, or lacks it as it is lacking here."""
    here = ask(root, "git", "hash-object", "--", path) if (root / path).is_file() else None
    return any(
        ask_git(root, "rev-parse", "--verify", "--quiet", f"{place}:{path}") == here for place in places
    )
