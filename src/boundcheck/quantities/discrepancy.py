"""The maximum discrepancy of the loss class between two halves of the training set, from below by one training.

    Disc = sup_g ((2/n) sum of g over the first half - (2/n) sum of g over the second) = 1 - 2 min_g (fraction missed),

where a member of the class is to err on the first half and to be right on the second. A trained network that misses a
fraction e of these targets shows Disc >= 1 - 2e: no coins are thrown, so nothing can fail.

Source: docs/theory/rademacher.md, after Bartlett, Boucheron and Lugosi 2002.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Int

from ..interval import Interval
from .quantity import Evidence, Quantity, measurement
from .retraining import Attempt, missed, recipe_of
from .study import Study

_SEED: int = 0x4A1F
"""The halves depend on the number of examples alone."""


def first_half(n: int) -> Bool[np.ndarray, " n"]:
    """The examples that are to be misclassified: n // 2 of them, by a permutation fixed once for every n.

    With n odd the last example of the permutation belongs to neither half.
    """
    order = np.random.Generator(np.random.Philox(key=[_SEED, n])).permutation(n)
    first = np.zeros(n, bool)
    first[order[: n // 2]] = True
    return first


def left_out(n: int) -> int | None:
    """The example that belongs to neither half, if n is odd."""
    order = np.random.Generator(np.random.Philox(key=[_SEED, n])).permutation(n)
    return int(order[-1]) if n % 2 else None


def targets_of(
    labels: Int[np.ndarray, " n"], classes: int
) -> tuple[Bool[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """(first half, labels to train on): another label on the first half, uniform among the others; its own elsewhere."""
    first = first_half(len(labels))
    shift = np.random.Generator(np.random.Philox(key=[_SEED + 1, len(labels)])).integers(
        1, classes, len(labels)
    )
    return first, np.where(first, (labels + shift) % classes, labels)


@measurement("number of training examples in two equal halves", whole=True)
def paired_size(study: Study) -> Quantity:
    """The largest even number of training examples."""
    n = study.run.sizes["train"]
    return Quantity(value=Interval(n - n % 2), evidence=Evidence.EXACT, method="counted")


@measurement("training error on two equal halves", at_most=1)
def paired_train_error(study: Study) -> Quantity:
    """The training error on those examples; with an odd number the one left out may have been an error or not."""
    margins = study.margins("train")
    n = margins.size - margins.size % 2
    out = left_out(margins.size)
    if out is None:
        return Quantity(value=margins.errors / n, evidence=Evidence.ENCLOSED, method="counted")
    fewest = int(np.count_nonzero(np.delete(margins.upper, out) < 0))
    most = n - int(np.count_nonzero(np.delete(margins.lower, out) > 0))
    return Quantity(
        value=Interval(fewest, most) / n,
        evidence=Evidence.ENCLOSED,
        method="counted; one example, fixed in advance, belongs to neither half",
    )


@measurement("maximum discrepancy of the 0-1 loss class between two halves", at_most=1)
def discrepancy(study: Study) -> Quantity:
    """Disc in [1 - 2e, 1], e the fraction of targets that one trained network misses."""
    spec, n = recipe_of(study), study.run.sizes["train"]
    attempt = Attempt(
        name="discrepancy/0",
        task="opposite labels on one half",
        aim=lambda labels: targets_of(labels, study.run.classes),
        seed=spec.seed * 1009 + 1 + 2**20,
    )
    (count,) = missed(study, [attempt])
    # The example left out may be one of those missed; counting it keeps the lower end a lower end.
    low = Interval(1 - 2 * Fraction(count, n - n % 2))
    return Quantity(
        value=Interval.hull(low.maximum(0).minimum(1), 1),
        evidence=Evidence.ENCLOSED,
        method=f"one network retrained by the run's recipe to err on one half; of {n} targets missed: {count}",
    )
