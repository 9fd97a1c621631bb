"""`Law`: which examples of a data set a run sees, and what is done to their labels and pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8

from ..errors import DataError
from . import pixels
from .dataset import Dataset
from .definitions import DATASETS
from .preparation import PREPARATIONS
from .randomization import draw_labels
from .streams import permutation

_SUBSET: Final = 0x737562
"""Which examples a subset holds depends on their number alone: runs with other seeds see the same."""

_SHUFFLE, _EACH, _NORMAL = 2, (3, 4), (16, 32)
"""Streams of the run's seed; 0 and 1 are those of the labels."""


class Part(NamedTuple):
    """`images`: uint8 [n, h, w, c], as stored. `labels`: int64 [n], of the law. `clean`: int64 [n], of the data set."""

    images: UInt8[np.ndarray, "n h w c"]
    labels: Int64[np.ndarray, " n"]
    clean: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The law of a run's data: training and test examples follow the same.

    **Fields.** `labels`, `corruption`: see `draw_labels`. `pixels`: `true`; `shuffled`, by one permutation of the positions for all
    images; `random`, by one for each image; `gaussian`, normal noise with the mean and variance of each channel of the
    training images. `examples`, `test_examples`: how many of each split, None for all; a uniformly random subset, of which
    a smaller one is a part. `seed`: of everything random but the subsets.
    """

    labels: str = "true"
    corruption: float = 0.0
    pixels: str = "true"
    examples: int | None = None
    test_examples: int | None = None
    seed: int = 0

    def draw(self, dataset: Dataset, preparation: str) -> tuple[Part, Part]:
        """The training and the test part. Where pixels are not true, images are cut to what the preparation reads.

        Raises `DataError` when more examples are asked for than there are.
        """
        train_rows = _subset(dataset.name, "training", len(dataset.train_labels), self.examples)
        test_rows = _subset(dataset.name, "test", len(dataset.test_labels), self.test_examples)
        clean = (dataset.train_labels[train_rows], dataset.test_labels[test_rows])
        images = (dataset.train_images[train_rows], dataset.test_images[test_rows])
        labels = draw_labels(
            *clean, classes=dataset.classes, law=self.labels, corruption=self.corruption, seed=self.seed
        )
        if self.pixels != "true":
            read = PREPARATIONS[preparation].read
            images = self._changed((read(images[0]), read(images[1])), read(dataset.train_images), dataset)
        train, test = (Part(*part) for part in zip(images, labels, clean, strict=True))
        return train, test

    def _changed(
        self, images: tuple[np.ndarray, np.ndarray], source: np.ndarray, dataset: Dataset
    ) -> tuple[np.ndarray, np.ndarray]:
        match self.pixels:
            case "shuffled":
                first, second = (pixels.shuffled(x, seed=self.seed, stream=_SHUFFLE) for x in images)
            case "random":
                first, second = (
                    pixels.permuted_each(x, seed=self.seed, stream=stream)
                    for x, stream in zip(images, _EACH, strict=True)
                )
            case "gaussian":
                brightest = DATASETS[dataset.name].brightest if dataset.name in DATASETS else 255
                first, second = (
                    pixels.gaussian(source, len(x), brightest=brightest, seed=self.seed, stream=stream)
                    for x, stream in zip(images, _NORMAL, strict=True)
                )
            case other:
                raise ValueError(f"pixels {other!r}; one of {pixels.LAWS} is needed")
        return first, second


def _subset(name: str, split: str, size: int, wanted: int | None) -> slice | Int64[np.ndarray, " n"]:
    """Which examples to keep; all of them, in their order, where nothing is asked for."""
    if wanted is None:
        return slice(None)
    if wanted > size:
        raise DataError(f"{name} has {size:,} {split} examples and {wanted:,} are asked for. Ask for fewer.")
    return permutation(size, seed=_SUBSET)[:wanted]
