"""Which pictures make a batch: a function of seed and step alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glasshouse.inputs.augment import Plan


def steps_per_epoch(pictures: int, batch_size: int) -> int:
    """Whole batches in an epoch; a smaller set makes one batch, with repetitions."""
    return max(pictures // batch_size, 1)


def count_passes(pictures: int, batch_size: int, epoch_pictures: int) -> int:
    """How often an epoch of about `epoch_pictures` goes over all `pictures`; at least once.

    Schedules count in epochs. What is right for a thousand pictures is a handful of steps on a hundred, after
    which a network has hardly begun. A pass shows whole batches: 16 of 31 pictures in batches of 16, and
    three times as many as there are where 5 make one.
    """
    return max(round(epoch_pictures / (steps_per_epoch(pictures, batch_size) * batch_size)), 1)


def draw_epoch(
    pictures: int, seed: int, epoch: int, weights: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """The order of the pictures in an epoch, (pictures,): every one once, or by weight.

    By weight an epoch is as long as without. A picture of weight w comes w / mean(w) times, rounded down or
    up, on average over the epochs exactly: the weights are laid end to end in a random order, and points at
    equal distances pick from them (systematic resampling; Kitagawa, "Monte Carlo filter and smoother", 1996).
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(pictures)
    if not are_uneven(weights):
        return order
    ends = np.cumsum(np.asarray(weights)[order])
    points = (np.arange(pictures) + rng.random()) / pictures * ends[-1]
    picks = np.searchsorted(ends, points, side="right")
    drawn = order[np.minimum(picks, pictures - 1)]  # rounding may set the last point on the last end
    return rng.permutation(drawn)


def are_uneven(weights: NDArray[np.float64] | None) -> bool:
    """Whether there are weights, and not all the same."""
    return weights is not None and bool((weights != weights[0]).any())


def batch_rows(
    pictures: int, batch_size: int, seed: int, step: int, weights: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """The pictures of batch `step`.

    A new order every epoch, what is left over waits for another one.
    """
    epoch, place = divmod(step, steps_per_epoch(pictures, batch_size))
    order = draw_epoch(pictures, seed, epoch, weights)
    return np.take(order, np.arange(place * batch_size, (place + 1) * batch_size), mode="wrap")


def weigh_partners(plan: Plan, order: NDArray[np.int64]) -> Plan:
    """The plan with the three partners in each mosaic drawn from an epoch's order, so by weight too."""
    first = np.diff(plan.picture, prepend=-1) > 0
    return replace(plan, rows=np.where(first, plan.rows, order[plan.rows]))
