"""Neyshabur, Bhojanapalli and Srebro 2018, Theorem 1 with the constants of its proof: one grid point, no union over the norms."""

import sympy
from sympy import Product, Rational, Sum, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .references import NEYSHABUR_2018

n, delta, gamma, R, B = symbols("n delta gamma R B", positive=True)
L, h = symbols("L h", integer=True, positive=True)
i = symbols("i", integer=True, positive=True)
s, F = families("s F")
K = symbols("K", positive=True)

bound = Bound(
    id="neyshabur2018-pac-bayes-published",
    title="Gaussian noise against spectral norms and margin, as published",
    aliases=("nbs-pacbayes-published",),
    family="pac-bayes",
    guarantee="comparator",
    theorem=Theorem(
        value=R + 4 * sqrt((K + log(6 * n / delta)) / (n - 1)),
        where={
            K: Rational(42**2, 2)
            * (sympy.E * L * B) ** 2
            * h
            * log(4 * h * L)
            * Product(s[i] ** 2, (i, 1, L))
            / gamma**2
            * Sum((F[i] / s[i]) ** 2, (i, 1, L))
        },
        assumptions=(a.iid, a.fixed_in_advance, a.bounded_inputs, a.chain_without_biases, a.homogeneous),
        citation=Citation(
            NEYSHABUR_2018,
            theorem="Theorem 1",
            derivation="docs/theory/pac-bayes-spectral.md",
            verified="constants re-derived from the steps of the proof; check values to ten digits",
        ),
    ),
    symbols={
        n: q.sample_size,
        delta: q.delta,
        gamma: q.margin,
        R: q.margin_error,
        B: q.input_norm_bound,
        L: q.depth,
        h: q.largest_width,
        s: q.spectral_norms,
        F: q.frobenius_norms,
    },
    best_over=gamma,
    example=Example(
        {
            n: 50_000,
            delta: "1/20",
            gamma: 10,
            R: "1/100",
            B: 9,
            L: 3,
            h: 784,
            s: (2, 3, "3/2"),
            F: (5, 6, 2),
        },
        "10307.65411",
    ),
)
