"""Tables and picture shards written row by row, so that memory does not grow with the data set."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from glasshouse.tables.schema import build_frame, get_arrow_schema

SHARD_BYTES = 64 * 2**20
GROUP_BYTES = 4 * 2**20
TABLE_ROWS = 1024  # their rows as Python objects are what memory is bounded by

Row = tuple[object, ...]


class TableWriter:
    """Streams the rows of one table of the schema into Parquet, TABLE_ROWS to a row group."""

    def __init__(self, table: str, folder: Path) -> None:
        """Rows go to TABLE.parquet in the folder; use as a context."""
        self.table, self.schema, self.count = table, get_arrow_schema(table), 0
        self.rows: list[Row] = []
        self.writer = pq.ParquetWriter(folder / f"{table}.parquet", self.schema, compression="zstd")

    def __enter__(self) -> TableWriter:
        """The file is open from the start: a table without rows is a table."""
        return self

    def append(self, row: Row) -> int:
        """Add a row in the order of the schema's columns; returns the number of rows so far."""
        self.rows.append(row)
        self.count += 1
        if len(self.rows) >= TABLE_ROWS:
            self.flush()
        return self.count

    def flush(self) -> None:
        """Check what has gathered, and write it as one row group."""
        frame = build_frame(self.rows, self.table)
        content = pa.Table.from_pandas(frame, self.schema, preserve_index=False)
        self.writer.write_table(content.replace_schema_metadata(None))
        self.rows = []

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Write the rest, unless something went wrong: the file is then of no use."""
        if error is None and (self.rows or not self.count):
            self.flush()
        self.writer.close()


class ShardWriter:
    """Streams encoded pictures into Parquet shards of about SHARD_BYTES, in row groups of about GROUP_BYTES.

    Pictures are compressed already, so the shards are not.
    """

    def __init__(self, folder: Path) -> None:
        """Shards go into the folder; use as a context."""
        self.folder, self.schema = folder, get_arrow_schema("pictures")
        self.paths: list[Path] = []
        self.writer: pq.ParquetWriter | None = None
        self.rows: list[tuple[int, str, bytes]] = []
        self.group_bytes = self.shard_bytes = 0

    def __enter__(self) -> ShardWriter:
        """Nothing is opened before the first picture."""
        return self

    def append(self, image_id: int, file_name: str, picture: bytes) -> None:
        """Add one picture."""
        self.rows.append((image_id, file_name, picture))
        self.group_bytes += len(picture)
        self.shard_bytes += len(picture)
        if self.group_bytes >= GROUP_BYTES or self.shard_bytes >= SHARD_BYTES:
            self.flush()
        if self.shard_bytes >= SHARD_BYTES:
            self.close()

    def flush(self) -> None:
        """Write what has gathered as one row group."""
        if not self.rows:
            return
        if self.writer is None:
            self.paths.append(self.folder / f"pictures-{len(self.paths):05d}.parquet")
            self.writer = pq.ParquetWriter(
                self.paths[-1], self.schema, compression="none", use_dictionary=False
            )
        columns = zip(*self.rows, strict=True)
        arrays = [pa.array(values, kind.type) for values, kind in zip(columns, self.schema, strict=True)]
        self.writer.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
        self.rows, self.group_bytes = [], 0

    def close(self) -> None:
        """End the shard."""
        self.flush()
        if self.writer is not None:
            self.writer.close()
        self.writer, self.shard_bytes = None, 0

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """End the last shard and name all of them with their number, unless something went wrong."""
        if error is not None:
            self.rows = []
        self.close()
        for number, path in enumerate(self.paths):
            path.rename(path.with_name(f"pictures-{number:05d}-of-{len(self.paths):05d}.parquet"))
