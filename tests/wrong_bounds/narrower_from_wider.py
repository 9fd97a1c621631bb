"""A function whose enclosure narrows when its argument widens: of a wide argument it keeps the middle."""

import dataclasses
from fractions import Fraction

from boundcheck_bounds.mohri2018_rademacher import Rad
from boundcheck_bounds.mohri2018_rademacher import bound as registered

from boundcheck import Interval
from boundcheck.functions import IntervalFunction

CAUGHT_BY = "widening_never_narrows"


class RoundedToItsMiddle(IntervalFunction):
    """The identity, wrongly."""

    nargs = (1,)
    tex = "{}"

    @classmethod
    def enclose(cls, x):
        radius = (Fraction(1, 10**15) - (Interval(x.hi) - Interval(x.lo))).maximum(0)
        return x.midpoint() + Interval.hull(-radius, radius)


class Unchanged(IntervalFunction):
    """The identity, rightly."""

    nargs = (1,)
    tex = "{}"

    @classmethod
    def enclose(cls, x):
        return x


def through(function):
    value = registered.theorem.value.subs(Rad, function(Rad))
    return dataclasses.replace(registered, theorem=dataclasses.replace(registered.theorem, value=value))


bound, honest = through(RoundedToItsMiddle), through(Unchanged)
