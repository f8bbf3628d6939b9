"""Text from data in pages of Markdown: names of classes and files come from whoever sent the pictures."""

from __future__ import annotations

import re

# A backslash could take the effect of those put before others; `[` begins links and pictures, which a page
# fetches when it is looked at, `<` HTML, and `|` the next cell.
ACTIVE = str.maketrans({"\\": r"\\", "|": r"\|", "[": r"\[", "<": "&lt;"})
CALL = re.compile(r"@(?=\w)|#(?=\d)")  # in a pull request: tells somebody, closes an issue


def escape(text: str) -> str:
    """Text in one line that stands in a page, or in a cell of its tables, as it is, and has no effect there.

    Metrics' names keep their underscores, and code its backticks: they change but the looks.
    """
    return CALL.sub(r"\g<0>&#8203;", " ".join(text.split()).translate(ACTIVE))
