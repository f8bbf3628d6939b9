"""The data version of a new champion is accepted: decided at once, an input of the next state.

The stages `download` (drift) and `split` (which picture lies where) read what is accepted. Written at once,
it would change the state that was just judged: its stages would run again, its report of drift would compare
the data with itself, and MLflow would get the same network under another state. So it waits in
`reports/next_accepted/`, in git with the decision, and becomes an input of the first state that is another
one anyway. Which one that is follows from files alone, so that every machine comes to the same; whether the
model was taken back meanwhile, which withdraws it, says the registry that all of them ask.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from glasshouse.params import read_params
from glasshouse.quality.profile import read_accepted, read_present, write_document
from glasshouse.tables.folders import replace_folder
from glasshouse.tables.kept import keep_splits, read_kept, write_kept
from glasshouse.tables.raw import read_raw
from glasshouse.tables.schema import read_table

PROFILE, SPLITS = Path("data/accepted.json"), Path("data/accepted_split.json")
WAITING = Path("reports/next_accepted")  # both files as they will stand in data/, and whose they are
STATE = "state.txt"


def accept_later(root: Path, state: str) -> bool:
    """Put the data version of the finished state aside to be accepted; False where it is accepted already.

    Raises:
        ProfileError, KeptSplitError: a file cannot be read; the message names it.
    """
    present = read_present(root / "reports/quality/profile.json")
    raw, share = read_raw(root / "data/raw"), read_params(root / "params.yaml").split
    table, shares = (
        read_table("split", root / "data/split.parquet"),
        {"test": share.test, "valid": share.valid},
    )
    kept = keep_splits(raw.images, table, shares, present.data, root / SPLITS)
    accepted, before = read_accepted(root / PROFILE), read_kept(root / SPLITS)
    if accepted is not None and accepted.as_json() == present.as_json() and kept == before:
        forget(root)
        return False
    with replace_folder(root / WAITING) as folder:
        write_document({"accepted": present.as_json()}, folder / PROFILE.name)
        write_kept(type(kept)(kept.data, kept.shares, kept.splits, folder / SPLITS.name))
        (folder / STATE).write_text(f"{state}\n", encoding="utf-8")
    return True


def read_waiting(root: Path) -> str | None:
    """The state whose data version waits; None where none does."""
    path = root / WAITING / STATE
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def take_up(root: Path) -> None:
    """Make what waits the accepted data version; a call that was killed is completed by the next."""
    for target in (SPLITS, PROFILE):
        source = root / WAITING / target.name
        if source.is_file():
            source.replace(root / target)
    forget(root)


def forget(root: Path) -> None:
    """Nothing waits any more; the name of the state goes first, for without it nothing is believed."""
    (root / WAITING / STATE).unlink(missing_ok=True)
    shutil.rmtree(root / WAITING, ignore_errors=True)
