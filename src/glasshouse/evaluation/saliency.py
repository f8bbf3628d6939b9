"""Where a network looked: which parts of a picture its answer hangs on.

RISE (Petsiuk, Das, Saenko, BMVC 2018, arXiv:1806.07421) for classes, and D-RISE (Petsiuk et al., CVPR 2021,
arXiv:2006.03204) for boxes: the picture is shown many times with random parts hidden, and a pixel counts as
much as the answer's agreement goes along with its being seen. Taken instead of Grad-CAM, since it asks the
very file that is used (decoding and suppression included, any format, no gradients), explains one box and not
only one class, and measures effects, where a gradient of one layer is a guess at them.

Two things differ from the papers: the sum is centred on its mean (a covariance), which takes off the noise
that a constant agreement leaves; and hidden parts take the picture's mean colour, not black, which is nearer
to what the network knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glasshouse.geometry.boxes import compute_iou_matrix

MASKS = 1000  # pictures shown; the error of a map falls with its root
CELLS = 12  # a side: hidden and seen cells
SEEN = 0.5  # probability of a cell
BATCH = 16
ROUNDING = 1e-6  # a covariance below it is what float32 networks make of nothing

Predict = Callable[[NDArray[np.float32]], dict[str, NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be explained: a class index, and the box (4,) xyxy in pixels of the input, None for a
    class."""

    label: int
    box_xyxy_px: NDArray[np.float64] | None = None


def map_saliency(
    predict: Predict,
    pixels: NDArray[np.uint8],
    targets: Sequence[Target],
    *,
    masks: int = MASKS,
    seed: int = 0,
) -> NDArray[np.float64]:
    """How much each target hangs on each pixel.

    Args:
        predict: the exported network, or anything with its outputs.
        pixels: uint8 (H, W, 3), at the network's size.
        targets: T of them.
        masks: how often the picture is shown; each is a run of the network.
        seed: of the masks. The same arguments give the same maps.

    Returns:
        (T, H, W): covariance of the agreement with the pixel's being seen, in parts of the largest one; what
        counts against the target, and a map without any effect, is 0.

    Raises:
        ValueError: fewer than 2 masks.
    """
    if masks < 2:
        raise ValueError(f"masks must be at least 2. Got {masks} instead.")
    size = (pixels.shape[0], pixels.shape[1])
    mean = pixels.mean((0, 1), dtype=np.float32)
    together, alone = np.zeros((len(targets), *size)), np.zeros(size)
    agreements: list[NDArray[np.float64]] = []
    for seen in draw_masks(size, masks, seed):
        shown = mean + (pixels - mean) * seen[..., None]
        agreement = measure_agreement(predict(shown.astype(np.float32)), targets)  # (B, T)
        together += np.tensordot(agreement, seen.astype(np.float64), axes=(0, 0))
        alone += seen.sum(0, dtype=np.float64)
        agreements.append(agreement)
    means = np.concatenate(agreements).mean(0)
    effect = np.maximum(together / masks - means[:, None, None] * alone / masks, 0.0)
    largest = effect.max((1, 2), keepdims=True, initial=0.0)
    shares: NDArray[np.float64] = np.divide(
        effect, largest, out=np.zeros_like(effect), where=largest > ROUNDING
    )
    return shares


def draw_masks(size: tuple[int, int], masks: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Batches (B, H, W), 0..1: coarse random cells, enlarged smoothly and shifted by a part of a cell."""
    rng = np.random.default_rng(seed)
    cell = tuple(-(-side // CELLS) for side in size)
    large = tuple((CELLS + 1) * side for side in cell)
    for start in range(0, masks, BATCH):
        batch = []
        for _ in range(min(BATCH, masks - start)):
            coarse = (rng.random((CELLS + 1, CELLS + 1)) < SEEN).astype(np.float32)
            smooth = Image.fromarray(coarse).resize((large[1], large[0]), Image.Resampling.BILINEAR)
            top, left = (int(rng.integers(side)) for side in cell)
            batch.append(np.asarray(smooth)[top : top + size[0], left : left + size[1]])
        yield np.clip(np.stack(batch), 0.0, 1.0)


def measure_agreement(answers: dict[str, NDArray[Any]], targets: Sequence[Target]) -> NDArray[np.float64]:
    """(B, T), 0..1: how far each of B answers still says each target.

    For a class its probability; for a box the largest score times IoU among the detections of its class
    (D-RISE, equation 5, where the exported network gives one class a box).
    """
    if "probabilities" in answers:
        return answers["probabilities"][:, [target.label for target in targets]].astype(np.float64)
    boxes, labels, scores = (answers[name] for name in ("boxes", "labels", "scores"))
    columns = []
    for target in targets:
        assert target.box_xyxy_px is not None
        ious = compute_iou_matrix(boxes, target.box_xyxy_px[None])[..., 0]
        same = np.where(labels == target.label, scores * ious, 0.0)
        columns.append(same.max(-1, initial=0.0))
    return np.stack(columns, -1).astype(np.float64)
