"""Second training: the network from a chosen layer upwards, at a lower rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from glasshouse.inputs.order import count_passes
from glasshouse.inputs.stream import Pictures, TrainingStream, may_compose
from glasshouse.models.contracts import Head
from glasshouse.models.network import Network, freeze
from glasshouse.params import Augment, FineTune
from glasshouse.params.sizes import Size, fit_sizes
from glasshouse.training.checkpoints import Checkpoint
from glasshouse.training.fit import Row, fit
from glasshouse.training.learner import Learner
from glasshouse.training.memory import warn_of_memory
from glasshouse.training.optimizer import build_optimizer
from glasshouse.training.sizes import head_at


def fine_tune(
    network: Network,
    pictures: Pictures,
    params: FineTune,
    augment: Augment,
    *,
    seed: int,
    fill: float,
    checkpoint: Checkpoint,
    validate: Callable[[], Row],
    on_epoch: Callable[[int, Row], None] | None = None,
) -> tuple[list[Row], dict[str, Row]]:
    """Train the network from `unfreeze_from` upwards, in place; it is left with the averaged weights.

    Args:
        network: with a trained head.
        pictures: of the training split.
        params: epochs, rate, what is free, sizes of the batches.
        augment: ranges; the last `mosaic_off_epochs` see single, unmixed pictures only, as the network will
            in use.
        seed: of order and augmentation.
        fill: grey level outside of moved pictures.
        checkpoint: of this training.
        validate: scores of the network as it stands, the one that counts first; asked every `validate_every`
            epochs and at the end.
        on_epoch: told each row of the history.

    Returns:
        The history, and the scores by which the better of frozen head and fine-tuned network was kept.

    Raises:
        ValueError: `augment.copy_paste` or `mix_up` can do nothing, or the head cannot learn at several
            sizes.
    """
    main_score = next(iter(before := validate()))
    head_weights = [weight.numpy() for weight in network.full.weights]
    freeze(network, params.unfreeze_from, batch_norm=params.batch_norm)
    heads = {size: head_at(network, size) for size in fit_sizes(params.sizes_px, pictures.size)}
    warn_of_memory(network.full, params.batch_size, sizes_px=heads)
    stream = build_stream(network, pictures, params, augment, seed, fill, heads)

    def validated(epoch: int) -> Row:
        due = epoch % params.validate_every == 0 or epoch == params.epochs
        return {f"valid_{name}": value for name, value in validate().items()} if due else {}

    history = fit(
        Learner(network.full, network, heads),
        schedule(params, stream.steps),
        stream,
        steps=stream.steps,
        epochs=params.epochs,
        checkpoint=checkpoint,
        validate=validated,
        on_epoch=on_epoch,
    )
    scores = {"head": before, "fine_tuned": validate()}
    return history, scores | {"kept": keep_better(network, head_weights, main_score, **scores)}


def build_stream(
    network: Network,
    pictures: Pictures,
    params: FineTune,
    augment: Augment,
    seed: int,
    fill: float,
    heads: Mapping[Size, Head],
) -> TrainingStream:
    """Batches as `fine_tune` wants them, composed but for the last `mosaic_off_epochs`."""
    is_able = may_compose(pictures, network.head, augment)

    def composed(epoch: int) -> bool:
        return is_able and epoch < params.epochs - augment.mosaic_off_epochs

    sizes = tuple((size, head.encode) for size, head in heads.items())
    encode = network.head.encode
    passes = count_passes(len(pictures), params.batch_size, params.epoch_pictures)
    return TrainingStream(pictures, params.batch_size, seed, augment, composed, encode, fill, sizes, passes)


def schedule(params: FineTune, steps: int) -> Any:
    """The optimizer for epochs of so many steps."""
    return build_optimizer(
        learning_rate=params.learning_rate,
        warmup_steps=params.warmup_epochs * steps,
        total_steps=params.epochs * steps,
        weight_decay=params.weight_decay,
        clip_norm=params.clip_norm,
        ema_momentum=average_momentum(params.ema_epochs, steps),
    )


def keep_better(
    network: Network, head_weights: list[Any], main_score: str, *, head: Row, fine_tuned: Row
) -> Row:
    """Give the network its weights of before the fine-tuning back where those score better; returns the
    scores of what it holds.

    Fine-tuning can lose what the head had learned while its training loss falls, so validation decides.
    """
    if not fine_tuned[main_score] < head[main_score]:
        return fine_tuned
    for weight, value in zip(network.full.weights, head_weights, strict=True):
        weight.assign(value)
    return head


def average_momentum(epochs: float, steps: int) -> float:
    """Momentum of a moving average that reaches back over about `epochs` epochs of `steps` steps: 1 - 1 /
    (epochs * steps); 0 for none.

    A fixed momentum would average over the whole of a short training, and over nothing of a long one.
    """
    return max(1.0 - 1.0 / (epochs * steps), 0.0) if epochs > 0 else 0.0
