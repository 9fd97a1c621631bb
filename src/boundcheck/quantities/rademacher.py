"""The Rademacher complexity of the loss class, from below, by training on random signs.

For signs sigma the target of example i stays y_i where sigma_i = -1 and becomes another label where sigma_i = +1; a
trained network that misses a fraction e of these targets shows that the class correlates with sigma. Over m draws
fixed in advance, with probability at least 1 - delta' over the draws (McDiarmid, differences 1/(nm)),

    Rad_S(G) >= 1/2 - mean_j e_j - sqrt(ln(1/delta') / (2 n m)).

Source: docs/theory/rademacher.md. However badly the trainings go this stays true: it can certify that a bound is
vacuous, never the opposite.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Int

from ..interval import Interval
from .quantity import Evidence, Quantity, measurement
from .retraining import Attempt, missed, recipe_of
from .study import Study

_STREAM = 0x5164
"""Keeps the sign draws apart from every other use of the run's seed."""


def signs_and_targets(
    labels: Int[np.ndarray, " n"], classes: int, seed: int, draw: int
) -> tuple[Bool[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """(sigma_i = +1, targets) of one draw: where sigma_i = +1 the target is uniform among the other labels."""
    generator = np.random.Generator(np.random.Philox(key=[seed, (_STREAM << 32) + draw]))
    plus = generator.integers(0, 2, len(labels)).astype(bool)
    shift = generator.integers(1, classes, len(labels))
    return plus, np.where(plus, (labels + shift) % classes, labels)


def lower_end(missed: list[Fraction], n: int, delta: Fraction) -> Interval:
    """1/2 - mean e_j - sqrt(ln(1/delta)/(2 n m)), at least 0."""
    m = len(missed)
    deviation = ((1 / Interval(delta)).log() / (2 * n * m)).sqrt()
    return (Interval(Fraction(1, 2) - sum(missed, Fraction(0)) / m) - deviation).maximum(0)


@measurement("empirical Rademacher complexity of the 0-1 loss class", at_most=0.5)
def rademacher_complexity(study: Study) -> Quantity:
    """Rad_S(G) in [lower end by training, 1/2]; the lower end fails with probability delta/2 over the draws."""
    n, failure = study.run.sizes["train"], study.delta / 2
    counts = missed_targets(study)
    low = lower_end([Fraction(count, n) for count in counts], n, failure)
    shown = ", ".join(str(count) for count in counts)
    return Quantity(
        value=Interval.hull(low.minimum(Fraction(1, 2)), Fraction(1, 2)),
        evidence=Evidence.SAMPLED,
        method=f"{len(counts)} random sign draws fixed in advance, retrained by the run's recipe; of {n} targets missed: {shown}",
        failure=failure,
    )


def missed_targets(study: Study) -> list[int]:
    """The number of missed targets of every draw; all draws train together.

    Raises `UnavailableError` for a run without recipe or without a number of draws fixed in advance.
    """
    spec = recipe_of(study)
    assert spec.rademacher is not None
    draws, classes = spec.rademacher.draws, study.run.classes

    def attempt(draw: int) -> Attempt:
        return Attempt(
            name=f"rademacher/{draw}",
            task=f"random signs {draw + 1} of {draws}",
            aim=lambda labels: signs_and_targets(labels, classes, spec.seed, draw),
            seed=training_seed(spec.seed, draw),
        )

    return missed(study, [attempt(draw) for draw in range(draws)])


def training_seed(seed: int, draw: int) -> int:
    """The seed of the training of one draw, apart from the run's own."""
    return seed * 1009 + 1 + draw
