"""What the bounds on the average prefix predictor share."""

from sympy import Min, Rational, exp, log, sqrt, symbols

from boundcheck import Bound
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .kernel import FIXED

n, delta, N, kappa = symbols("n delta N kappa", positive=True)
M, mu = symbols("M mu", nonnegative=True)

ONLINE = (*FIXED, a.order_fixed)

RATES = (*(Rational(1, 4**i) for i in (3, 2, 1, 0)), 4)
"""The values of C in the sharper form, fixed before any data were seen."""

azuma = M + sqrt(log(1 / delta) / (2 * n))
"""Cesa-Bianchi, Conconi and Gentile 2004, with the martingale inequality of Azuma."""


def exponential_at(rate, rates):
    """At one of `rates` values of C fixed in advance."""
    return (1 - exp(-rate * M - log(rates / delta) / n)) / (1 - exp(-rate))


exponential = Min(*(exponential_at(c, len(RATES)) for c in RATES))
"""The product of exp(-C 1{mistake})/(1 - (1 - e^-C) R_t) is a supermartingale; the best of five C."""

symbols_of_all = {n: q.sample_size, delta: q.delta, M: q.progressive_error}
symbols_of_late = {n: q.late_size, delta: q.delta, M: q.late_progressive_error}


def late(bound: Bound) -> Bound:
    """The same statement for the average predictor on the later half of the prefixes, with examples and mistakes of its own."""
    return Bound(
        id=f"{bound.id}-late",
        title=bound.title.replace(
            "the average prefix predictor", "the average predictor on the later half of the prefixes"
        ),
        family=bound.family,
        object="online-late",
        theorem=bound.theorem,
        symbols=symbols_of_late,
        example=bound.example,
    )
