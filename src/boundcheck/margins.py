"""Margins of every example, enclosed: what risk, ramp loss and counts are read from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .interval import Interval
from .network.rounding import U, gam


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Enclosures [lower_i, upper_i] of f(x_i)_{y_i} - max_{j != y_i} f(x_i)_j, float64.

    Without a traced network they are those of the program as it runs, and `traced` is false.
    """

    lower: Float[np.ndarray, " n"]
    upper: Float[np.ndarray, " n"]
    traced: bool

    @property
    def size(self) -> int:
        return len(self.lower)

    @property
    def correct(self) -> int:
        """How many examples are certainly classified correctly, whatever the tie rule."""
        return int(np.count_nonzero(self.lower > 0))

    @property
    def wrong(self) -> int:
        """How many examples are certainly misclassified, whatever the tie rule."""
        return int(np.count_nonzero(self.upper < 0))

    @property
    def errors(self) -> Interval:
        """The number of errors; an example whose margin is not certified to have a sign counts either way."""
        return Interval(self.wrong, self.size - self.correct)

    @property
    def largest(self) -> float:
        """The largest margin, rounded up."""
        return float(self.upper.max())

    def at(self, gamma: Interval) -> Interval:
        """The ramp risk (1/n) sum_i min(1, max(0, 1 - m_i/gamma)) for every gamma > 0 of the interval.

        Nondecreasing in gamma and nonincreasing in each margin. The limit at gamma = 0 is the fraction of margins
        that are at most 0.
        """
        return Interval.hull(
            self._ramp(self.upper, float(gamma.lo), -1), self._ramp(self.lower, float(gamma.hi), 1)
        )

    def _ramp(self, margins: Float[np.ndarray, " n"], gamma: float, direction: int) -> Interval:
        """The mean, moved outward by its rounding: 2u an example (one quotient, one difference), gam(n) for the sum."""
        if gamma <= 0:
            return Interval(int(np.count_nonzero(margins <= 0))) / self.size
        with np.errstate(over="ignore", invalid="ignore"):
            losses = np.clip(1 - margins / gamma, 0, 1)
        # A margin beyond float64 is only known to be somewhere: the end that stays true.
        losses = np.where(np.isfinite(margins), losses, 1.0 if direction > 0 else 0.0)
        mean = float(losses.mean())
        slack = 3 * U + gam(self.size + 8) * mean
        return (Interval(mean) + Interval(direction) * slack).maximum(0).minimum(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginError:
    """The fraction of examples whose margin is at most gamma, a function of gamma."""

    margins: Margins

    def at(self, gamma: Interval) -> Interval:
        """For every gamma >= 0 of the interval. Nondecreasing in gamma and nonincreasing in each margin.

        An example counts in the lower end if its margin is certainly at most the smallest gamma, in the upper end unless
        it is certainly above the largest.
        """
        certain = int(np.count_nonzero(self.margins.upper <= float(gamma.lo)))
        possible = int(np.count_nonzero(~(self.margins.lower > float(gamma.hi))))
        return Interval(certain, possible) / self.margins.size


def margin_ends(
    logits: Float[np.ndarray, "n k"], radius: Float[np.ndarray, "n k"], labels: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Lower and upper ends of the margins of enclosed logits; each difference is moved outward by one float."""
    rows = np.arange(len(labels))
    low, high = np.nextafter(logits - radius, -np.inf), np.nextafter(logits + radius, np.inf)
    own_low, own_high = low[rows, labels], high[rows, labels]
    low[rows, labels] = high[rows, labels] = -np.inf
    return (
        np.nextafter(own_low - high.max(axis=1), -np.inf),
        np.nextafter(own_high - low.max(axis=1), np.inf),
    )
