"""`glasshouse lineage`: where a registered model comes from, and the commands that make it again."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glasshouse.promotion.lineage import read_lineage, say_lineage, say_other_machines, verify


def show(options: Namespace) -> int:
    """Print it; with --verify hold the files here against it: status 0 the same bytes, 3 others."""
    lineage = read_lineage(Path.cwd(), options.model)
    if not options.verify:
        for line in say_lineage(lineage, Path.cwd()):
            print(spell(line))
        return 0
    differing = verify(lineage, Path.cwd())
    if differing:
        title = f"not what {lineage.version.shown} was made of:"
        for line in (title, *differing, *say_other_machines(lineage.facts, Path.cwd())):
            print(spell(line))
        return 3
    print(
        f"the same bytes as {lineage.version.shown}: {len(lineage.outs)} outputs and the registered network"
    )
    return 0


def spell(line: str) -> str:
    """The line with control characters as `\\x1b`: a tag of a server could write lines of its own, such as a
    command to type, or move the cursor over others."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
