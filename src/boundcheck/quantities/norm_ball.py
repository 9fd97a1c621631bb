"""The Rademacher complexity of margins on a norm ball, from below, by training on random signs inside it.

The class: networks of the run's architecture whose arrays of weights and biases have Frobenius norm at most c times that of
the trained network, array by array, under the ramp loss g = min(1, max(0, 1 - m/gamma)) of the margin m. A network trained
inside the ball on the targets of signs sigma shows, by its soft miss

    e = (1/n) sum_i (1 - g_i where sigma_i = +1, g_i where sigma_i = -1),

that the class correlates with sigma, as in `rademacher.py`: with probability at least 1 - delta' over m draws fixed in
advance, Rad_S >= 1/2 - mean_j e_j - sqrt(ln(1/delta') / (2 n m)). A network of a smaller ball is one of every larger ball,
so each ball takes the best fit of the same signs in those inside it.

Source: docs/theory/rademacher.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import jax
import numpy as np
from jaxtyping import Bool

from ..interval import Interval
from ..models import statistics
from ..network.rounding import U, gam
from ..training import Ball
from .margins import Margins
from .norms import sum_of_squares
from .quantity import UnavailableError
from .rademacher import lower_end, signs_and_targets, training_seed
from .retraining import Attempt, Outcome, Retrained, described, retrain
from .study import Study

WITHIN: Final = 1 - 1e-5
"""Of the radius, so that float32 projections end inside the ball."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What one training inside a ball showed.

    `soft_miss`: upper end of e; 1 where the training diverged or ended outside the ball. `fitted`: how many examples certainly
    have loss 0 where sigma = -1 (a margin of gamma or more) and loss 1 where sigma = +1 (a margin of at most 0). `inside`:
    whether every norm is certified to be in the ball.
    """

    soft_miss: float
    fitted: int
    inside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BallComplexity:
    """A ball: its radius c, the fit of each draw, the upper ends of the soft misses in it or in a smaller ball, and Rad_S >= lower."""

    radius: Fraction
    fits: tuple[Fit, ...]
    misses: tuple[float, ...]
    lower: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class NormBalls:
    """The margin gamma of the ramp loss, and a ball for each radius, the largest first."""

    gamma: float
    balls: tuple[BallComplexity, ...]


def margin_quantile(study: Study, quantile: Fraction) -> float:
    """gamma: the ceil(quantile n)-th smallest training margin, rounded up.

    Raises `UnavailableError` where it is not positive.
    """
    margins = study.margins("train")
    k = max(1, -(-quantile.numerator * margins.size // quantile.denominator)) - 1
    # What is handed to the training is a float32; the class is defined by that number.
    gamma = float(np.nextafter(np.float32(np.partition(margins.upper, k)[k]), np.float32(np.inf)))
    if not 0 < gamma < np.inf:
        raise UnavailableError(
            f"the {float(quantile):g}-quantile of the training margins is {gamma:.4g}, and a positive margin is needed; "
            "give a larger `quantile`, or a run that fits more of its examples."
        )
    return gamma


def norm_balls(
    study: Study, radii: Sequence[Fraction], *, draws: int, epochs: int, quantile: Fraction
) -> NormBalls:
    """The lower ends for every radius, from the largest on; all trainings go together, each stops after `epochs` at most.

    Each lower end holds with probability 1 - delta of the study. Raises `UnavailableError` for a run without recipe, with a
    normalization, or without a positive margin.
    """
    spec, run = described(study), study.run
    if any(jax.tree.leaves(statistics(run.params))):
        raise UnavailableError(
            "the network has batch normalization, after which the scale of the weights before it does not matter, so that "
            "a norm ball is no smaller class; give a run without it."
        )
    gamma = margin_quantile(study, quantile)
    norms = jax.tree.map(_norm, run.params)
    floors = jax.tree.map(lambda norm: float(norm.lo), norms)
    n, ordered = run.sizes["train"], sorted(set(radii), reverse=True)

    def attempt(radius: Fraction, draw: int) -> Attempt:
        return Attempt(
            name=f"norm-ball/{_named(radius)}-at-{_named(quantile)}-in-{epochs}/{draw}",
            task=f"ball of radius {float(radius):g}, random signs {draw + 1} of {draws}",
            aim=lambda labels: signs_and_targets(labels, run.classes, spec.seed, draw),
            seed=training_seed(spec.seed, draw),
            ball=Ball.scaled(floors, float(radius) * WITHIN, gamma),
        )

    planned = {(radius, draw): attempt(radius, draw) for radius in ordered for draw in range(draws)}
    attempts = list(planned.values())
    radius_of = {a.name: radius for (radius, _), a in planned.items()}

    def judge(found: Retrained) -> Outcome:
        inside = is_inside(found.params, norms, radius_of[found.attempt.name])
        miss = soft_miss(found.margins, found.wrong, gamma) if inside else 1.0
        return {"soft_miss": miss, "fitted": fitted(found.margins, found.wrong, gamma), "inside": int(inside)}

    nothing: Outcome = {"soft_miss": 1.0, "fitted": 0, "inside": 0}
    recipe = spec.recipe.model_copy(update={"epochs": epochs})
    outcomes = retrain(study, attempts, recipe=recipe, judge=judge, nothing=nothing)
    fits = [
        Fit(soft_miss=float(o["soft_miss"]), fitted=int(o["fitted"]), inside=bool(o["inside"]))
        for o in outcomes
    ]
    found, best = [], [1.0] * draws
    for place in reversed(range(len(ordered))):
        mine = tuple(fits[place * draws : (place + 1) * draws])
        best = [min(least, fit.soft_miss) for least, fit in zip(best, mine, strict=True)]
        lower = lower_end([Fraction(miss) for miss in best], n, study.delta)
        found.append(BallComplexity(radius=ordered[place], fits=mine, misses=tuple(best), lower=lower))
    return NormBalls(gamma=gamma, balls=tuple(reversed(found)))


def _named(x: Fraction) -> str:
    return f"{x.numerator}-{x.denominator}"


def _norm(array: Any) -> Interval:
    return sum_of_squares(np.asarray(array, np.float64)).sqrt()


def is_inside(params: Any, norms: Any, radius: Fraction) -> bool:
    """Whether each array certainly has Frobenius norm at most radius times the norm given for it."""
    pairs = zip(jax.tree.leaves(params), jax.tree.leaves(norms), strict=True)
    return all(bool(np.isfinite(w).all()) and _norm(w) <= norm * radius for w, norm in pairs)


def soft_miss(margins: Margins, wrong: Bool[np.ndarray, " n"], gamma: float) -> float:
    """Upper end of (1/n) sum (1 - g where `wrong`, g elsewhere), g the ramp loss at gamma."""
    with np.errstate(over="ignore", invalid="ignore"):
        gains = np.clip(np.where(wrong, margins.upper, margins.lower) / gamma, 0, 1)
    # A margin that is no number is known to be nowhere.
    misses = np.where(np.isnan(gains), 1.0, np.where(wrong, gains, 1 - gains))
    mean = float(misses.mean())
    # A quotient and a difference round by u each, a sum of n by gam(n), the product and this sum by little more.
    return min(1.0, mean + 3 * U + gam(margins.size + 8) * mean)


def fitted(margins: Margins, wrong: Bool[np.ndarray, " n"], gamma: float) -> int:
    """How many examples certainly have the loss that is wanted: 1 where `wrong`, 0 elsewhere."""
    return int(np.count_nonzero(np.where(wrong, margins.upper <= 0, margins.lower >= gamma)))
