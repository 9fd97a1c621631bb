"""Graf, Zeng, Rieck, Niethammer and Kwitt 2022, Theorem 3.5, first bound: kernels in place of unrolled matrices, one class of networks."""

from sympy import Product, Rational, Sum, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import Ceil, Harmonic, families

from .references import GRAF_2022

n, delta, gamma, R, x = symbols("n delta gamma R x", positive=True)
L, W = symbols("L W", integer=True, positive=True)
i, j = symbols("i j", integer=True, positive=True)
s, b = families("s b")
Rad = symbols(r"\mathrm{Rad}", positive=True)
(C,) = families("C")

bound = Bound(
    id="graf2022-convolutional-published",
    title="Spectral norms and (2,1) norms of kernels minus their initialization, as published",
    aliases=("graf-published",),
    family="margin",
    guarantee="comparator",
    theorem=Theorem(
        value=R + 2 * Rad + 3 * sqrt(log(2 / delta) / (2 * n)),
        where={
            Rad: 4 / n
            + 12
            * Harmonic(n - 1)
            / sqrt(n)
            * sqrt(log(2 * W))
            * Sum(Ceil(C[i] ** Rational(2, 3)), (i, 1, L)) ** Rational(3, 2),
            C[i]: 4 / gamma * x * Product(s[j], (j, 1, L)) * b[i] / s[i],
        },
        assumptions=(
            a.iid,
            a.fixed_in_advance,
            a.chain_without_biases,
            a.homogeneous,
            a.recorded_initialization,
        ),
        citation=Citation(
            GRAF_2022,
            theorem="Theorem 3.5",
            derivation="docs/theory/spectral-cover.md",
            verified="constants as in the documentation of the authors' code; check values to ten digits",
        ),
    ),
    symbols={
        n: q.sample_size,
        delta: q.delta,
        gamma: q.margin,
        R: q.ramp_risk,
        x: q.rms_input_norm,
        L: q.depth,
        W: q.most_parameters,
        s: q.spectral_norms,
        b: q.covering_masses_from_initial,
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
            W: 200_704,
            s: (2, 3, "3/2"),
            b: (10, 12, 4),
        },
        "2911.264499",
    ),
)
