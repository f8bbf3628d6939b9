"""Records of TensorFlow Datasets' shards without TensorFlow, which takes seconds and gigabytes to load."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from glasshouse.sources.example import SourceError

# Every record: length (uint64), checksum of the length, the bytes, checksum of the bytes; little endian.
HEADER = struct.Struct("<QI")
CHECKSUM_BYTES = 4


def read_tfrecords(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, one by one in their order.

    The checksum of every length is verified, so a file that is cut, or damaged between records, is found out.
    The checksums of the contents are not: that would take longer in Python than all the rest, and a damaged
    picture shows when it is decoded.
    Format: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details

    Raises:
        SourceError: the file is cut off or damaged; the message names file and record.
    """
    with path.open("rb") as stream:
        number = 0
        while header := stream.read(HEADER.size):
            if len(header) < HEADER.size:
                raise SourceError(_say(path, number, "is cut off"))
            length, checksum = HEADER.unpack(header)
            if mask(crc32c(header[:8])) != checksum:
                raise SourceError(_say(path, number, "is damaged (checksum of its length)"))
            record = stream.read(length)
            if len(record) < length or len(stream.read(CHECKSUM_BYTES)) < CHECKSUM_BYTES:
                raise SourceError(_say(path, number, "is cut off"))
            yield record
            number += 1


def read_parquet_records(path: Path) -> Iterator[bytes]:
    """The records of a Parquet shard: its only column, a few rows in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as shard:
            for batch in shard.iter_batches(batch_size=64):
                yield from batch.column(0).to_pylist()
    except pa.ArrowInvalid as error:
        raise SourceError(f"{path}: the shard is cut off or damaged ({error}); prepare it again.") from error


def crc32c(data: bytes) -> int:
    """CRC-32 with Castagnoli's polynomial (RFC 3720, B.4): 0xE3069283 for b"123456789"."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def mask(checksum: int) -> int:
    """The checksum as TFRecord stores it: turned by 15 bits and moved, lest records inside records match."""
    return (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _say(path: Path, number: int, what: str) -> str:
    return f"{path}: record {number} {what}; delete the folder {path.parent} and prepare the set again."


def _make_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _make_table()
