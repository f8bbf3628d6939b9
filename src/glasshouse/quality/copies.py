"""Pictures that show the same, as a table for the guard."""

from __future__ import annotations

import pandas as pd

from glasshouse.tables.near_copies import group_near_copies


def tabulate_copies(images: pd.DataFrame, bits: int) -> pd.DataFrame:
    """The table `copies`: image_id, and group, the smallest image_id among its copies and itself.

    Args:
        images: image_id, sha256, phash, phash_flipped.
        bits: largest number of differing bits of the hashes of near copies, mirrored ones included.
    """
    ordered = images.sort_values("image_id", ignore_index=True)
    rows = group_near_copies(
        ordered["sha256"], ordered["phash"], bits, ordered["phash_flipped"], ordered.get("thumbnail")
    )
    ids = ordered["image_id"].to_numpy()
    return pd.DataFrame({"image_id": ids, "group": ids[rows]})
