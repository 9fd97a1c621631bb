"""The nonlinearities of a network: what each does, and its Lipschitz constant in l2, certified.

All of them map 0 to 0; what an activation is at 0 is moved into the layer after it. `lipschitz` is for the map
from all inputs, stacked, to the output. `homogeneous`: f(t x) = t f(x) for t >= 0. `breakpoints`: for a piecewise
linear activation, how many; `None` for others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int

from ..interval import Interval
from .response_norm import response_norm
from .rounding import TINY, U, gam

LIBRARY: float = 2.0**-44
"""More than the relative error of tanh and exp in any mathematical library, whose own bounds are a few units of 2^-53."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nonlinearity:
    """A map without parameters; `label` and `source` say where it stands, `size` how many numbers it returns."""

    label: str
    source: str
    size: int

    elementwise: ClassVar[bool] = True
    rounding: ClassVar[float] = 0.0
    """The relative error of each output, as computed by `apply`, in units of itself."""

    @property
    def lipschitz(self) -> Interval:
        """The constant in l2."""
        return Interval(1)

    @property
    def homogeneous(self) -> bool:
        """Whether f(t x) = t f(x) for every t >= 0."""
        return True

    @property
    def breakpoints(self) -> int | None:
        """How many, for a piecewise linear activation."""
        return 1

    def apply(self, *h: Any) -> Any:
        """The outputs for batches of flat inputs [b, n]."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu(Nonlinearity):
    """max(x, 0)."""

    def apply(self, *h: Any) -> Any:
        """The outputs for a batch."""
        return _library(h[0]).maximum(h[0], 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes(Nonlinearity):
    """below * x for x < 0 and above * x for x > 0: leaky ReLU (above 1), |x| (below -1, above 1)."""

    below: float
    above: float

    rounding: ClassVar[float] = 2 * U

    @property
    def lipschitz(self) -> Interval:
        """The larger slope."""
        return Interval(max(abs(self.below), abs(self.above)))

    def apply(self, *h: Any) -> Any:
        """The outputs for a batch."""
        return h[0] * (self.below * (h[0] < 0) + self.above * (h[0] > 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip(Nonlinearity):
    """min(max(x, low), high) less its value at 0, which is `at_zero`; the ends may be infinite."""

    low: float
    high: float

    rounding: ClassVar[float] = 2 * U

    @property
    def at_zero(self) -> float:
        """The value at 0 that is moved on."""
        return min(max(0.0, self.low), self.high)

    @property
    def homogeneous(self) -> bool:
        """Only if both ends are 0 or infinite."""
        return {abs(self.low), abs(self.high)} <= {0.0, float("inf")}

    @property
    def breakpoints(self) -> int | None:
        """One for each finite end."""
        return int(np.isfinite(self.low)) + int(np.isfinite(self.high))

    def apply(self, *h: Any) -> Any:
        """The outputs for a batch."""
        return h[0].clip(self.low, self.high) - self.at_zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Curved(Nonlinearity):
    """A nonlinearity that is neither positively homogeneous nor piecewise linear."""

    @property
    def homogeneous(self) -> bool:
        """No."""
        return False

    @property
    def breakpoints(self) -> int | None:
        """Not piecewise linear."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tanh(Curved):
    """tanh x."""

    rounding: ClassVar[float] = LIBRARY

    def apply(self, *h: Any) -> Any:
        """The outputs for a batch."""
        return _library(h[0]).tanh(h[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmoid(Curved):
    """1/(1 + exp(-x)) - 1/2 = tanh(x/2)/2, which is 0 at 0 and 1/4-Lipschitz."""

    rounding: ClassVar[float] = LIBRARY

    @property
    def lipschitz(self) -> Interval:
        """1/4."""
        return Interval(0.25)

    def apply(self, *h: Any) -> Any:
        """The outputs for a batch."""
        return _library(h[0]).tanh(h[0] / 2) / 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaxPool(Nonlinearity):
    """The maximum over windows of entries: `windows[o]` holds the positions read by output o, -1 for none.

    In l2 the constant is the root of the largest number of windows that read one entry: |max_W x - max_W y| is at
    most the l2 norm of x - y on W; the squares are summed over the windows. It is attained for ordinary windows.
    """

    windows: Int[np.ndarray, "out q"]

    elementwise: ClassVar[bool] = False

    @property
    def lipschitz(self) -> Interval:
        """The root of how often an entry is read."""
        return Interval(int(np.bincount(self.windows[self.windows >= 0]).max(initial=0))).sqrt()

    def apply(self, *h: Any) -> Any:
        """The outputs for a batch."""
        xp = _library(h[0])
        top = None
        for positions in self.windows.T:
            part = h[0][:, positions]
            if (positions < 0).any():
                part = xp.where(positions >= 0, part, -np.inf)
            top = part if top is None else xp.maximum(top, part)
        return top


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalResponse(Curved):
    r"""Local response normalization (Krizhevsky et al. 2012): $y_c = x_c (k + \sum_t w_{tc} x_{r_{tc}}^2)^{-\beta}$.

    `reads` holds the positions r, -1 for none, `weights` w >= 0; k = `offset` > 0 and beta = `exponent` >= 0. `error`
    bounds the relative error of k and of every weight. An entry that reads others reads its own square.

    In l2 the constant is at least k^-beta, the derivative at 0, and at most k^-beta (R C)^(1/2), where R and C bound the
    absolute sums of a row and of a column of the Jacobian for k = 1: on the diagonal D^-beta (1 - 2 beta u), u < 1 the
    share of the entry's own square in D; beside it products of two entries, whose squares are shares of D too. Where the
    windows are disjoint groups with one weight each the Jacobian is symmetric, and the constant is k^-beta. Proofs:
    docs/theory/local-response.md.
    """

    offset: float
    exponent: float
    reads: Int[np.ndarray, "taps size"]
    weights: Float64[np.ndarray, "taps size"]
    error: float = 0.0
    _for_one: Interval = field(init=False, repr=False)
    """The constant for k = 1, as if the weights were exact."""

    elementwise: ClassVar[bool] = False

    def __post_init__(self) -> None:
        norm = response_norm(self.reads, self.weights, self.exponent)
        object.__setattr__(self, "_for_one", norm)

    @property
    def lipschitz(self) -> Interval:
        """Its enclosure, for every k and all weights within their error."""
        beta, error = Interval(self.exponent), Interval(self.error)
        center = Interval(self.offset) ** -beta
        least = center * (1 + error) ** -beta
        # An entry of the Jacobian moves by `change` of itself, one on the diagonal by that of both its terms.
        change = (1 + error) / (1 - error) ** (beta + 1) - 1
        factor = 1 + (2 + 2 * beta) * change
        return Interval.hull(least, self._for_one * center * factor)

    @property
    def rounding(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of a sum of nonnegative terms, raised to -beta, and of the power itself.

        A power computed as exp(-beta log D) errs by a few units in the argument of exp, which lies within +-709: less
        than 8 `LIBRARY`. What underflows in D is small beside k.
        """
        taps = len(self.reads)
        tiny = 2 * TINY * taps * (1 + float(self.weights.max(initial=0))) / self.offset
        relative = (self.error + gam(taps + 3) + tiny) * (1 + 2.0**-10)
        return math.expm1(self.exponent * -math.log1p(-relative) + 9 * LIBRARY) * (1 + 2.0**-10)

    def apply(self, *h: Any) -> Any:
        """The outputs for a batch; not a number where a relative error would not bound what over- or underflows."""
        (x,) = h
        xp = _library(x)
        squares = x * x
        total = self.offset
        for positions, weights in zip(self.reads, self.weights, strict=True):
            total = total + xp.where(positions >= 0, squares[:, positions], 0.0) * weights
        power = total**-self.exponent
        y = x * power
        known = (total < np.inf) & (power >= TINY) & ((abs(y) >= TINY) | (x == 0))
        return xp.where(known, y, np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Maximum(Nonlinearity):
    """max(a, b) of two values, entry by entry: |max(a, b) - max(a', b')| <= max(|a - a'|, |b - b'|)."""

    elementwise: ClassVar[bool] = False

    def apply(self, *h: Any) -> Any:
        """The outputs for a batch."""
        return _library(h[0]).maximum(*h)


def _library(h: Any) -> Any:
    """The module whose functions act on this array: NumPy, or JAX on an accelerator."""
    return h.__array_namespace__()
