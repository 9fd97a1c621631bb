"""The growth function of the k-class 0-1 loss class of a piecewise linear network, from both sides.

Upper end: sign patterns of polynomials, round by round (after Bartlett, Harvey, Liaw and Mehrabian 2019, Theorem 7;
docs/theory/growth-function.md), and the Sauer sum of the graph dimension. Lower end: as many points as the class surely
shatters (docs/theory/shattering.md).
"""

import sympy
from sympy import LessThan, Min, Piecewise, Sum, log, symbols

from boundcheck import quantities as q
from boundcheck.functions import Between, LogSauer, families

n, E, delta = symbols("n E delta", positive=True)
L = symbols("L", integer=True, positive=True)
d = symbols("d", nonnegative=True)
T, V, D = families("T V D")
r = symbols("r", integer=True, positive=True)
Lam = symbols("Lambda", nonnegative=True)

symbols_of_growth = {
    L: q.rounds,
    d: q.graph_dimension,
    T: q.tests_by_round,
    V: q.parameters_by_round,
    D: q.degrees_by_round,
}

symbols_of_error = {n: q.sample_size, E: q.train_error, delta: q.delta}

saturated = {
    L: 3,
    d: 266_560,
    T: (512, 512, 9),
    V: (401_920, 664_576, 669_706),
    D: (1, 2, 3),
}
"""784-512-512-10 on 60,000 examples: too few points to leave the range where ln Pi(m) = m ln 2."""


def log_patterns(m):
    """ln of the number of sign patterns on m points: the sum over the rounds, not yet capped by m ln 2."""
    few = m * T[r] * log(2)
    many = Min(few, log(2) + V[r] * log(2 * sympy.E * m * T[r] * D[r] / V[r]))
    return Sum(Piecewise((many, LessThan(V[r], m * T[r])), (few, True)), (r, 1, L))


def log_growth(m):
    """ln Pi(m), between ln 2 for each point surely shattered and the number of patterns."""
    return Between(Min(m, d) * log(2), Min(m * log(2), log_patterns(m), LogSauer(m, d, 1)))
