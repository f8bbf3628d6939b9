"""`glasshouse pretrain`: rebuild the weights that ship as `weights: builtin`."""

from __future__ import annotations

from argparse import Namespace


def show(options: Namespace) -> int:
    """Hand the rest of the command line to the training room."""
    from glasshouse.pretraining.pretrain import main

    return int(main(options.arguments) or 0)
