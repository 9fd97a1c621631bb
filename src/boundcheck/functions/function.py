"""`IntervalFunction`: a SymPy function that knows its own interval extension.

Each has `enclose`, which maps intervals of the arguments to an interval of the value, and LaTeX. Those whose value
lies below 1 by less than any fixed precision shows (the inverse of a kl or of a binomial tail at 10^7 parameter bits
is 1 - 10^-100,000) also have `enclose_slack`, which encloses one minus the value with relative accuracy.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sympy

from ..interval import Interval


class IntervalFunction(sympy.Function):
    """A function that SymPy keeps unevaluated and that knows its own interval extension."""

    tex: ClassVar[str]
    """LaTeX with one `{}` an argument."""

    @classmethod
    def enclose(cls, *arguments: Interval) -> Interval:
        """Every value that the function takes when its arguments range over the intervals."""
        raise NotImplementedError

    @classmethod
    def enclose_slack(cls, *arguments: Interval) -> Interval:
        """One minus the value."""
        return 1 - cls.enclose(*arguments)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = self.tex.format(*(printer.doprint(a) for a in self.args))
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"


def families(names: str) -> tuple[Any, ...]:
    """Nonnegative families of symbols, one entry a layer: `s, b = families("s b")`; `s[i]` is the entry of layer i."""
    return tuple(sympy.IndexedBase(name, nonnegative=True) for name in names.split())


def index_families(names: str) -> tuple[Any, ...]:
    """Families of whole numbers that may be negative, such as indices of a two-sided grid.

    SymPy takes the absolute value of what it holds for nonnegative to be the thing itself.
    """
    return tuple(sympy.IndexedBase(name, integer=True) for name in names.split())


class Between(IntervalFunction):
    """A number of which only a lower and an upper bound are known (a growth function, say)."""

    nargs = (2,)
    tex = r"\left[{},\; {}\right]"

    @classmethod
    def enclose(cls, lo: Interval, hi: Interval) -> Interval:
        return Interval.hull(lo.minimum(hi), hi)


class Within(IntervalFunction):
    """x, for which two bounds are known that say more of it where its symbols range over wide intervals.

    The value is x; `lo <= x <= hi` must hold at every point. It serves where x is an expression with steps, or one in
    which a symbol occurs often, and the bounds are monotone.
    """

    nargs = (3,)
    tex = r"{0}"

    @classmethod
    def enclose(cls, x: Interval, lo: Interval, hi: Interval) -> Interval:
        low, high = x.maximum(lo.lo), x.minimum(hi.hi)
        # At a point all three may agree up to their rounding.
        return Interval(low.lo, high.hi) if low.lo <= high.hi else Interval(high.hi, low.lo)


class Larger(IntervalFunction):
    """max(a, b), into which SymPy does not look: it would spend long on comparing sums of families."""

    nargs = (2,)
    tex = r"\max\!\left({},\, {}\right)"

    @classmethod
    def enclose(cls, a: Interval, b: Interval) -> Interval:
        return a.maximum(b)
