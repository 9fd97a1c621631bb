"""`Dataset`: labelled images in memory, as their authors distribute them, with a digest of every byte."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64, UInt8

from ..errors import DataError
from ..storage import digest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Images with labels in 0..classes-1, split into training and test examples.

    **Fields.** `train_images`, `test_images`: uint8 [n, height, width, channels], channels last, 1 for grey
    images. `train_labels`, `test_labels`: int64 [n]. `preparation`: the name of the map to network inputs
    that is used unless an experiment names another. `source`: where the files came from, in words; never a
    path. `digest`: sha256 over the four arrays with their dtypes and shapes, hex.

    The arrays are made read-only: a data set is loaded once and shared. Raises `DataError` when they do not
    fit together.
    """

    name: str
    classes: int
    train_images: UInt8[np.ndarray, "n h w c"]
    train_labels: Int64[np.ndarray, " n"]
    test_images: UInt8[np.ndarray, "m h w c"]
    test_labels: Int64[np.ndarray, " m"]
    preparation: str
    source: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
            if (
                images.dtype != np.uint8
                or images.ndim != 4
                or images.shape[1:] != self.train_images.shape[1:]
            ):
                raise DataError(
                    f"{self.name}: the {split} images are {images.dtype} {images.shape}; uint8 [n, height, "
                    "width, channels] is needed, the same size for training and test. Supply the data set "
                    "as distributed."
                )
            if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
                raise DataError(
                    f"{self.name}: the {split} labels are {labels.dtype} {labels.shape}; int64 "
                    f"[{len(images)}] is needed, one an image. Supply the data set as distributed."
                )
            if labels.min(initial=0) < 0 or labels.max(initial=0) >= self.classes:
                raise DataError(
                    f"{self.name}: the {split} labels lie in {labels.min()}..{labels.max()}; "
                    f"0..{self.classes - 1} is needed. Supply the data set as distributed."
                )
            for array in (images, labels):
                array.setflags(write=False)
        arrays = (self.train_images, self.train_labels, self.test_images, self.test_labels)
        object.__setattr__(self, "digest", digest(*arrays))
