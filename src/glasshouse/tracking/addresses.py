"""Addresses as they may be shown: logs and reports are read by more people than may know a password."""

from __future__ import annotations

import re

# What stands between `://` and the last @ before the path; a person may have left a # or ? of it as it is.
USER = re.compile(r"(?<=://)[^\s/]+@")


def conceal(text: str) -> str:
    """A text with no user's name, password or token in any of its addresses."""
    return USER.sub("", text)
