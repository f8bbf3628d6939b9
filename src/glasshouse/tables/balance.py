"""How often an epoch shows each picture, so that rare classes are not drowned by frequent ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def weigh_pictures(split: pd.DataFrame, classes: pd.DataFrame, balance: str) -> NDArray[np.float64]:
    """The weight of each picture of the split table: 1 in valid and test, and everywhere unless asked.

    `oversample` is repeat factor sampling: a class c that the share f_c of the training pictures shows is
    repeated r_c = max(1, sqrt(t / f_c)) times, and a picture as often as the rarest of its classes asks,
    max over c of r_c. The root goes half the way, on a scale of ratios: a class of a hundredth as many
    pictures is shown ten times as often, not a hundred times. t, under which a class counts as rare, is the
    share of the most frequent class here: 0.001 as in the paper is for its 1,200 classes and would leave all
    classes of a small data set alone. A picture without any class keeps 1.

    Gupta, Dollár, Girshick, "LVIS: A Dataset for Large Vocabulary Instance Segmentation", CVPR 2019.

    Args:
        split: image_id and split.
        classes: (image_id, class), each pair once.
        balance: none or oversample.

    Returns:
        (N,) weights, at least 1.
    """
    if balance == "none":
        return np.ones(len(split))
    seen = classes[classes["image_id"].isin(split.loc[split["split"] == "train", "image_id"])]
    counts = seen["class"].value_counts()
    repeats = seen["class"].map(((counts.max() / counts) ** 0.5).to_dict())
    weights = split["image_id"].map(repeats.groupby(seen["image_id"]).max()).to_numpy(np.float64)
    return np.where(np.isnan(weights), 1.0, weights)
