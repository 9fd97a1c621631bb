"""Golowich, Rakhlin and Shamir 2018: Frobenius norms, square root of the depth; k classes, all norms and margins at once."""

from sympy import Product, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families, grid_price, grid_up

from .references import GOLOWICH_2018

n, k, delta, gamma, R, x, w = symbols("n k delta gamma R x w", positive=True)
L = symbols("L", integer=True, positive=True)
i = symbols("i", integer=True, positive=True)
(F,) = families("F")
c, tau = symbols("c tau", positive=True)

bound = Bound(
    id="golowich2018-frobenius",
    title="Product of Frobenius norms over the margin",
    aliases=("golowich-fro",),
    family="norm",
    theorem=Theorem(
        value=R + 4 * c * grid_up(tau) + 3 * sqrt((log(2 / delta) + grid_price(tau)) / (2 * n)),
        where={
            c: x / sqrt(n) * (1 + sqrt(2 * ((L - 1) * log(2) + log(k)))),
            tau: w * Product(F[i], (i, 1, L - 1)) / gamma,
        },
        assumptions=(a.iid, a.fixed_in_advance, a.chain_without_biases, a.homogeneous),
        citation=Citation(GOLOWICH_2018, theorem="Theorem 1", derivation="docs/theory/golowich.md"),
    ),
    symbols={
        n: q.sample_size,
        k: q.classes,
        delta: q.delta,
        gamma: q.margin,
        R: q.ramp_risk,
        x: q.rms_input_norm,
        w: q.output_row_norms,
        F: q.frobenius_norms,
        L: q.depth,
    },
    best_over=gamma,
    # |X|_F = 2000 on 50,000 examples, T / gamma = 1000.
    example=Example(
        {
            n: 50_000,
            k: 10,
            delta: "1/20",
            gamma: 1,
            R: "1/100",
            x: "2000/sqrt(50000)",
            w: 10,
            F: (10, 10, 7),
            L: 3,
        },
        "608.9080205",
    ),
)
