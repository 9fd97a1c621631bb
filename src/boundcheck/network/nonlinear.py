"""The nonlinearities of a network: what each does, and its Lipschitz constant in l2, certified.

All of them map 0 to 0; what an activation is at 0 is moved into the layer after it. `lipschitz` is for the map
from all inputs, stacked, to the output. `homogeneous`: f(t x) = t f(x) for t >= 0. `breakpoints`: for a piecewise
linear activation, how many; `None` for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from ..interval import Interval
from .rounding import U

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
class Tanh(Nonlinearity):
    """tanh x."""

    rounding: ClassVar[float] = LIBRARY

    @property
    def homogeneous(self) -> bool:
        """No."""
        return False

    @property
    def breakpoints(self) -> int | None:
        """Not piecewise linear."""
        return None

    def apply(self, *h: Any) -> Any:
        """The outputs for a batch."""
        return _library(h[0]).tanh(h[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmoid(Nonlinearity):
    """1/(1 + exp(-x)) - 1/2 = tanh(x/2)/2, which is 0 at 0 and 1/4-Lipschitz."""

    rounding: ClassVar[float] = LIBRARY

    @property
    def lipschitz(self) -> Interval:
        """1/4."""
        return Interval(0.25)

    @property
    def homogeneous(self) -> bool:
        """No."""
        return False

    @property
    def breakpoints(self) -> int | None:
        """Not piecewise linear."""
        return None

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

    @property
    def overlaps(self) -> bool:
        """Whether some entry lies in two windows."""
        return bool(self.lipschitz > 1)

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
