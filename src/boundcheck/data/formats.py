"""Readers of the two file formats, which trust nothing that a file says about itself.

IDX (LeCun, Cortes and Burges, "The MNIST database"): a big-endian magic number, whose third byte is the type
(8 for unsigned bytes) and whose fourth the number of dimensions, then the dimensions, then the values.
CIFAR-10's binary version (Krizhevsky 2009): records of one label byte and 3,072 pixel bytes, the red plane
first, each plane by rows.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib

import numpy as np
from jaxtyping import Int64, UInt8

from ..errors import DataError

REMEDY = "Supply the file as its authors distribute it."


def read_idx(file: io.BufferedIOBase, name: str, shape: tuple[int, ...]) -> UInt8[np.ndarray, "*shape"]:
    """The unsigned bytes of a gzipped IDX file of exactly this shape; `name` is what errors call the file.

    Raises `DataError` for a file that is not gzip, is truncated, or holds another type, shape or number of
    bytes.
    """
    magic = 0x0800 + len(shape)
    header = 4 * (1 + len(shape))
    needed = header + math.prod(shape)
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            content = stream.read(needed + 1)  # one byte more, so that a file that goes on is noticed
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{name} is not a whole gzip file ({error}); an IDX file of shape {list(shape)} in gzip is "
            f"needed. {REMEDY}"
        ) from None
    found = struct.unpack(">I", content[:4])[0] if len(content) >= 4 else None
    if found != magic:
        received = f"{len(content)} bytes" if found is None else f"magic number 0x{found:08x}"
        raise DataError(f"{name} begins with {received}; magic number 0x{magic:08x} is needed. {REMEDY}")
    if len(content) >= header:
        dimensions = struct.unpack(f">{len(shape)}I", content[4:header])
        if dimensions != shape:
            raise DataError(f"{name} has dimensions {list(dimensions)}; {list(shape)} are needed. {REMEDY}")
    if len(content) != needed:
        received = f"more than {needed}" if len(content) > needed else f"{len(content)}"
        raise DataError(f"{name} holds {received} bytes; exactly {needed} are needed. {REMEDY}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_cifar(
    file: io.BufferedIOBase, name: str, records: int
) -> tuple[UInt8[np.ndarray, "n 32 32 3"], UInt8[np.ndarray, " n"]]:
    """Images, channels last, and labels of a batch file of exactly this many records.

    Raises `DataError` for another number of bytes.
    """
    record = 1 + 3 * 32 * 32
    content = file.read(records * record + 1)
    if len(content) != records * record:
        received = "more" if len(content) > records * record else f"{len(content)} bytes"
        raise DataError(
            f"{name} holds {received}; exactly {records * record} bytes are needed, {records} records of "
            f"{record}. {REMEDY}"
        )
    rows = np.frombuffer(content, np.uint8).reshape(records, record)
    images = rows[:, 1:].reshape(records, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), rows[:, 0].copy()


def check_classes(labels: UInt8[np.ndarray, " n"], name: str, classes: int) -> Int64[np.ndarray, " n"]:
    """The labels of a file as int64. Raises `DataError` for a label out of range."""
    if labels.max(initial=0) >= classes:
        where = int(np.argmax(labels >= classes))
        raise DataError(
            f"{name} gives example {where} the label {labels[where]}; labels 0..{classes - 1} are needed. "
            f"{REMEDY}"
        )
    return labels.astype(np.int64)
