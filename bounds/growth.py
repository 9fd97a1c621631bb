"""The growth function of the k-class 0-1 loss class of a piecewise linear network, from both sides.

Upper end: sign patterns of polynomials, round by round (after Bartlett, Harvey, Liaw and Mehrabian 2019, Theorem 7;
docs/theory/growth-function.md). Lower end: as many points as the class surely shatters (docs/theory/shattering.md).
"""

import sympy
from sympy import LessThan, Min, Piecewise, Sum, log, symbols

from boundcheck import quantities as q
from boundcheck.functions import Between, families

L = symbols("L", integer=True, positive=True)
d = symbols("d_0", integer=True, nonnegative=True)
T, V, D = families("T V D")
r = symbols("r", integer=True, positive=True)

symbols_of_growth = {
    L: q.rounds,
    d: q.shattered_points,
    T: q.tests_by_round,
    V: q.parameters_by_round,
    D: q.degrees_by_round,
}


def log_patterns(m):
    """ln of the number of sign patterns on m points: the sum over the rounds, not yet capped by m ln 2."""
    few = m * T[r] * log(2)
    many = Min(few, log(2) + V[r] * log(2 * sympy.E * m * T[r] * D[r] / V[r]))
    return Sum(Piecewise((many, LessThan(V[r], m * T[r])), (few, True)), (r, 1, L))


def log_growth(m):
    """ln Pi(m), between ln 2 for each point surely shattered and the number of sign patterns."""
    return Between(Min(m, d) * log(2), Min(m * log(2), log_patterns(m)))
