"""The laws of the labels: true, random, or partly corrupted (Zhang et al. 2017, arXiv:1611.03530, section 2).

The test labels follow the same law as the training labels. A theorem speaks of the distribution that the
training set was drawn from; when its labels are corrupted, so are those of the test set that the theorem is
compared with.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Int64

from .streams import words

LAWS: Final = ("true", "random")


def corrupt(
    labels: Int64[np.ndarray, " n"], *, classes: int, probability: float, seed: int, stream: int
) -> Int64[np.ndarray, " n"]:
    """Each label replaced, independently and with this probability, by one of the classes.

    The class is uniform over all of them, the old one included, up to a bias below classes/2^64. For one seed
    and stream, what is replaced at a smaller probability is also replaced, by the same class, at a larger
    one.
    """
    draws = words(2 * len(labels), seed=seed, stream=stream)
    chance, choice = draws[: len(labels)], draws[len(labels) :]
    replaced = (chance >> np.uint64(11)).astype(np.float64) * 2.0**-53 < probability
    return np.where(replaced, (choice % np.uint64(classes)).astype(np.int64), labels)


def draw_labels(
    train: Int64[np.ndarray, " n"],
    test: Int64[np.ndarray, " m"],
    *,
    classes: int,
    law: str,
    corruption: float,
    seed: int,
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " m"]]:
    """The training and test labels of a run, drawn from its seed by independent streams.

    `law`: `true`, with each label corrupted with probability `corruption`, or `random`, which is corruption
    1: every label independent and uniform. Raises `ValueError` for another law or a corruption outside [0,
    1].
    """
    if law not in LAWS or not 0 <= corruption <= 1:
        raise ValueError(
            f"law {law!r} with corruption {corruption}; one of {LAWS} and a number in [0, 1] are needed"
        )
    probability = 1.0 if law == "random" else corruption
    first, second = (
        corrupt(labels, classes=classes, probability=probability, seed=seed, stream=stream)
        for stream, labels in enumerate((train, test))
    )
    return first, second
