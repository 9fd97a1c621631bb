"""Bartlett, Foster and Telgarsky 2017, Lemma A.8: the spectral complexity with its constants as published, one class of networks."""

from sympy import Product, Rational, Sum, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .references import BARTLETT_2017

n, delta, gamma, R, x = symbols("n delta gamma R x", positive=True)
L, W = symbols("L W", integer=True, positive=True)
i = symbols("i", integer=True, positive=True)
s, b, rho = families("s b rho")
RA = symbols("R_A", positive=True)

bound = Bound(
    id="bartlett2017-spectral-published",
    title="Spectrally normalized margin bound, as published",
    aliases=("bft-published",),
    family="margin",
    guarantee="comparator",
    theorem=Theorem(
        value=R
        + 8 / n
        + 72 * sqrt(n) * x * log(2 * W) * log(n) / (gamma * n) * RA
        + 3 * sqrt(log(1 / delta) / (2 * n)),
        where={
            RA: Product(rho[i] * s[i], (i, 1, L))
            * Sum((b[i] / s[i]) ** Rational(2, 3), (i, 1, L)) ** Rational(3, 2)
        },
        assumptions=(a.iid, a.fixed_in_advance, a.chain_without_biases),
        citation=Citation(
            BARTLETT_2017,
            theorem="Lemma A.8",
            derivation="docs/theory/spectral-cover.md",
            verified="constants re-derived from Lemma 3.1 and Theorem 3.3; check values to ten digits",
        ),
    ),
    symbols={
        n: q.sample_size,
        delta: q.delta,
        gamma: q.margin,
        R: q.ramp_risk,
        x: q.rms_input_norm,
        L: q.depth,
        W: q.largest_width,
        rho: q.lipschitz_constants,
        s: q.spectral_norms,
        b: q.row_norm_sums,
    },
    best_over=gamma,
    # |X|_F = 2000.
    example=Example(
        {
            n: 50_000,
            delta: "1/20",
            gamma: 10,
            R: "1/100",
            x: "2000/sqrt(50000)",
            L: 3,
            W: 1024,
            rho: (1, 1, 1),
            s: (2, 3, "3/2"),
            b: (10, 12, 4),
        },
        "4275.606854",
    ),
)
