"""Single encoded pictures out of the shards of data/raw, without reading all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path


def read_encoded(folder: Path, image_ids: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """(image_id, encoded picture) of those pictures that are there, in rising image_id.

    A row group without any of them is passed over by its statistics.
    """
    import pyarrow.parquet as pq

    wanted = sorted(set(image_ids))
    for path in sorted(folder.glob("pictures-*-of-*.parquet")):
        with pq.ParquetFile(path) as shard:
            column = shard.schema_arrow.get_field_index("image_id")
            for number in range(shard.num_row_groups):
                span = shard.metadata.row_group(number).column(column).statistics
                if not any(span.min <= image_id <= span.max for image_id in wanted):
                    continue
                rows = shard.read_row_group(number, ["image_id", "picture"]).to_pydict()
                for image_id, picture in zip(rows["image_id"], rows["picture"], strict=True):
                    if image_id in wanted:
                        yield image_id, picture
