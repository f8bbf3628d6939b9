"""First training: neck and head on a backbone that does not change."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from glasshouse.inputs.features import cache_features, select_used
from glasshouse.inputs.order import count_passes
from glasshouse.inputs.stream import Pictures, TrainingStream, may_compose
from glasshouse.models.network import Network, freeze
from glasshouse.params import Augment, TrainHead
from glasshouse.training.checkpoints import Checkpoint
from glasshouse.training.fit import Row, fit
from glasshouse.training.learner import Learner
from glasshouse.training.memory import warn_of_memory
from glasshouse.training.optimizer import build_optimizer

WARMUP_SHARE = 0.1  # of all steps


def train_head(
    network: Network,
    pictures: Pictures,
    params: TrainHead,
    augment: Augment,
    *,
    seed: int,
    fill: float,
    checkpoint: Checkpoint,
    on_epoch: Callable[[int, Row], None] | None = None,
) -> list[Row]:
    """Train everything but the backbone; changes `network` in place.

    The frozen backbone gives the same features for the same pixels every time. So with `features: cached`
    they are computed once, for `variants` augmented variants of every picture, and the epochs go over these
    in turn; with `live` every epoch sees fresh augmentation and pays for it.

    Args:
        network: with its pretrained backbone.
        pictures: of the training split.
        params: epochs, rate, features.
        augment: ranges; mosaics, mixtures and pasted objects are left out, for a frozen backbone they only
            cost.
        seed: of order and augmentation.
        fill: grey level outside of moved pictures.
        checkpoint: of this training.
        on_epoch: told each row of the history.

    Returns:
        The history, one row an epoch.

    Raises:
        ValueError: `augment.copy_paste` or `mix_up` is asked for where it can do nothing, or the disk has no
            room for the features.
    """
    freeze(network, None)
    may_compose(pictures, network.head, augment)  # what would stop the fine-tuning stops here already
    passes = count_passes(len(pictures), params.batch_size, params.epoch_pictures)
    encode = network.head.encode
    live = TrainingStream(pictures, params.batch_size, seed, augment, None, encode, fill, passes=passes)
    steps, model = live.steps, network.full
    stream: Callable[[int, int], Any] = live
    if params.features == "cached":
        variants = params.variants * steps
        backbone, model = select_used(network.backbone, network.top)
        cache = cache_features(backbone, live(0, variants), variants)
        stream = partial(cache.stream, steps, params.batch_size, seed)
    warn_of_memory(model, params.batch_size)
    learner = Learner(model, network)
    total = params.epochs * steps
    optimizer = build_optimizer(
        learning_rate=params.learning_rate, warmup_steps=int(WARMUP_SHARE * total), total_steps=total
    )
    return fit(
        learner,
        optimizer,
        stream,
        steps=steps,
        epochs=params.epochs,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
    )
