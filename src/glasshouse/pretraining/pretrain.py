"""Rebuilds the backbone that ships with the project, from a drawn world without flowers.

The backbone learns as part of a detector of textured shapes; neck and head are thrown away. `make pretrain`
runs this and writes `src/glasshouse/models/weights/BACKBONE.weights.h5`; docs/results.md shows what it cost
and what it gives.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glasshouse.inputs.stream import Pictures, TrainingStream
from glasshouse.journal.digests import Digests
from glasshouse.models.catalog import find_part
from glasshouse.params import Augment, Model, part_names
from glasshouse.params.faults import suggest
from glasshouse.params.parts import load_part
from glasshouse.params.rules import SEEDS, has_pyramid, smallest_side
from glasshouse.params.sizes import STRIDE
from glasshouse.pictures.decode import decode_picture
from glasshouse.pretraining.shapes.source import Shapes
from glasshouse.training.checkpoints import Checkpoint
from glasshouse.training.fine_tune import average_momentum

AUGMENT = Augment(
    flip=0.5,
    rotate=0.0,
    crop=0.0,
    scale=(0.6, 1.4),
    translate=0.1,
    brightness=0.15,
    contrast=0.3,
    saturation=0.4,
    hue=0.05,
    mosaic=0.3,
    mix_up=0.0,
    copy_paste=0.0,
    mosaic_off_epochs=2,
)
BATCH, PEAK_RATE, WEIGHT_DECAY = 16, 2e-3, 0.05
LARGEST_PX, SUFFIX = 4096, ".weights.h5"
CHECKPOINT = Path(".glasshouse/checkpoints/pretrain.npz")
SOURCES = Path(__file__).parents[1]


class ArrayPixels:
    """Pictures in memory, as a stream wants them."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    def __len__(self) -> int:
        return len(self._pixels)

    def gather(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures at `rows` (n,): (n, H, W, 3)."""
        return self._pixels[rows]


def check_request(backbone: str, size_px: int, seed: int, out: Path) -> None:
    """Refuse before the minutes of drawing and training what would fail in them, or at their end.

    Raises:
        ValueError: no such backbone, or one that the detector of shapes cannot stand on; a size or a seed out
            of its range; `out` is no file that Keras writes weights to. Or OSError: `out` cannot be written.
    """
    valid = part_names("backbone")
    if backbone not in valid:
        raise ValueError(f"--backbone: there is no {backbone!r}. {suggest(backbone, valid)}")
    params = load_part("backbone", backbone)
    if not has_pyramid(params):
        raise ValueError(
            f"--backbone: {backbone} has no maps of exactly 1/8, 1/16 and 1/32 of the picture's sides, which "
            "the detector of shapes stands on: take another one."
        )
    smallest = max(smallest_side(params, {}), STRIDE)
    if size_px % STRIDE or not smallest <= size_px <= LARGEST_PX:
        raise ValueError(
            f"--size-px must be a multiple of {STRIDE} from {smallest} to {LARGEST_PX} for {backbone}. "
            f"Got {size_px} instead."
        )
    if not 0 <= seed < SEEDS:
        raise ValueError(f"--seed must be 0 to {SEEDS - 1}. Got {seed} instead.")
    if not out.name.endswith(SUFFIX):
        raise ValueError(f"--out {out}: its name must end in {SUFFIX}, by which Keras knows such a file.")
    if out.is_dir() or out.parent.is_file():
        place = out if out.is_dir() else out.parent
        raise ValueError(f"--out {out}: {place} is a {'folder' if out.is_dir() else 'file'}, name another.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=out.parent):  # raises where nothing can be written there
        pass


def pretrain(
    backbone: str, pictures: int, size_px: int, epochs: int, seed: int, out: Path
) -> list[dict[str, Any]]:
    """Train a detector of shapes and keep its backbone.

    Args:
        backbone: name of the part.
        pictures: how many to draw.
        size_px: their side, a multiple of 32.
        epochs: of training.
        seed: of drawing and training.
        out: file for the backbone's weights.

    Returns:
        One row an epoch: epoch, loss, loss_class, loss_box.
    """
    from glasshouse.models.network import build_network, freeze
    from glasshouse.training.fit import fit
    from glasshouse.training.learner import Learner
    from glasshouse.training.optimizer import build_optimizer
    from glasshouse.training.runtime import prepare_runtime

    world = Shapes(pictures, size_px, seed)
    drawn = draw_pictures(world)
    prepare_runtime(seed)
    network = build_network(
        shape_detector(backbone), height_px=size_px, width_px=size_px, classes=len(world.categories)
    )
    freeze(network, "all")

    def composed(epoch: int) -> bool:
        return epoch < epochs - AUGMENT.mosaic_off_epochs

    stream = TrainingStream(drawn, BATCH, seed, AUGMENT, composed, network.head.encode, 114)
    steps = stream.steps
    optimizer = build_optimizer(
        learning_rate=PEAK_RATE,
        warmup_steps=steps // 2,
        total_steps=epochs * steps,
        weight_decay=WEIGHT_DECAY,
        ema_momentum=average_momentum(0.5, steps),
    )
    # All of the package: drawing, augmentation, network, training.
    code = Digests(SOURCES.parent).digest(SOURCES.name)
    checkpoint = Checkpoint(CHECKPOINT, json.dumps([backbone, pictures, size_px, epochs, seed, code]))
    history = fit(
        Learner(network.full, network), optimizer, stream, steps=steps, epochs=epochs, checkpoint=checkpoint
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    network.backbone.save_weights(out)
    checkpoint.clear()
    return history


def shape_detector(backbone: str) -> Model:
    """The detector that the backbone is trained in."""
    parts: dict[str, dict[str, Any]] = {
        "backbones": {"name": backbone, "weights": "none"},
        "necks": {"name": "top_down", "channels": 64},
        "heads": {"name": "anchor_free"},
    }
    built = {kind: find_part(kind, block["name"]).Params(**block) for kind, block in parts.items()}
    return Model.model_construct(
        task="detect", backbone=built["backbones"], neck=built["necks"], head=built["heads"]
    )


def draw_pictures(world: Shapes) -> Pictures:
    """All pictures of a drawn world in memory, with their boxes."""
    examples = list(world)
    number = {name: place for place, name in enumerate(world.categories)}
    slots = max(1, *(len(example.objects) for example in examples))
    boxes = np.zeros((len(examples), slots, 4), np.float32)
    labels = np.full((len(examples), slots), -1, np.int32)
    for row, example in enumerate(examples):
        for slot, item in enumerate(example.objects):
            boxes[row, slot], labels[row, slot] = item.box_xyxy_px, number[item.label]
    pixels = np.stack([decode_picture(example.picture).pixels_rgb for example in examples])
    return Pictures(ArrayPixels(pixels), (world.size_px, world.size_px), boxes, labels)
