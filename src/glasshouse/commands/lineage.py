"""`glasshouse lineage`: where a registered model comes from, and the commands that make it again."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from glasshouse.promotion.lineage import read_lineage, say_lineage, say_other_machines, verify


def show(options: Namespace) -> int:
    """Print it; with --verify hold the files here against it: status 0 the same bytes, 3 others."""
    lineage = read_lineage(Path.cwd(), options.model)
    if not options.verify:
        print("\n".join(say_lineage(lineage, Path.cwd())))
        return 0
    differing = verify(lineage, Path.cwd())
    if differing:
        title = f"not what {lineage.version.shown} was made of:"
        print("\n".join([title, *differing, *say_other_machines(lineage.facts, Path.cwd())]))
        return 3
    print(
        f"the same bytes as {lineage.version.shown}: {len(lineage.outs)} outputs and the registered network"
    )
    return 0
