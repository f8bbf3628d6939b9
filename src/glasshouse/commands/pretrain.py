"""`glasshouse pretrain`: rebuild the weights that ship as `weights: builtin`."""

from __future__ import annotations

from argparse import Namespace


def show(options: Namespace) -> int:
    """Draw, train, write, and say what was written.

    Raises:
        ValueError: what is asked for cannot be trained, or not be written there.
    """
    from glasshouse.params import builtin_weights_path
    from glasshouse.pretraining.pretrain import check_request, pretrain

    out = options.out or builtin_weights_path(options.backbone)
    check_request(options.backbone, options.size_px, options.seed, out)
    history = pretrain(options.backbone, options.pictures, options.size_px, options.epochs, options.seed, out)
    print(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB); last loss {history[-1]['loss']:.3f}")
    return 0
