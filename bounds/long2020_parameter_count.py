"""After Long and Sedghi 2020: a count of parameters, and how far each may move; explicit constants, all norms and margins at once."""

from sympy import Sum, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import (
    FloorIndex,
    NetIntegral,
    TwoSidedIndex,
    families,
    grid_price,
    grid_up,
    two_sided_price,
)

from .references import LONG_2020

n, delta, gamma, R = symbols("n delta gamma R", positive=True)
G = symbols("G", integer=True, positive=True)
i, k = symbols("i k", integer=True, positive=True)
w, W, s, b, Lam, a_ = families("w W s b Lambda a")

Rad, Pi, ell, gamma_down = symbols(r"\mathrm{Rad} Pi ell \bar{\gamma}", positive=True)
u, b_up, price = families(r"u \bar{b} \pi")

where = {
    Rad: 3 / sqrt(n) * sqrt(Sum(W[i] * NetIntegral(u[i]), (i, 1, G))),
    u[i]: 8 * G * sqrt(2) / gamma_down * Lam[i] * a_[i] * b_up[i],
    Pi: Sum(price[i], (i, 1, G)) + two_sided_price(FloorIndex(gamma)),
    # A layer's spectral norm has an index, its biases have none.
    price[i]: w[i] * two_sided_price(TwoSidedIndex(s[i], ell)) + grid_price(b[i]),
    b_up[i]: grid_up(b[i]),
    ell: Sum(w[k], (k, 1, G)),
    gamma_down: 2 ** (FloorIndex(gamma) / 8),
}


def theorem(*more):
    return Theorem(
        value=R + 2 * Rad + 3 * sqrt((log(2 / delta) + Pi) / (2 * n)),
        where=where,
        assumptions=(a.iid, a.fixed_in_advance, a.traced, *more),
        citation=Citation(
            LONG_2020,
            theorem="Theorem 3.1",
            derivation="docs/theory/parameter-count.md",
            changes="another proof, with explicit constants; any graph, biases; all norms and margins at once",
            verified="proved in full; check values to ten digits; simulated coverage",
        ),
    )


symbols_of_count = {
    n: q.sample_size,
    delta: q.delta,
    gamma: q.margin,
    R: q.ramp_risk,
    G: q.parameter_groups,
    w: q.group_weight_flags,
    W: q.group_sizes,
    s: q.group_spectral_norms,
    Lam: q.group_rounded_effects,
}

# A 3x3 kernel of 20 entries and a matrix of 10, at powers of the grids.
example = Example(
    {
        n: 10**6,
        delta: "1/100",
        gamma: 1,
        R: 0,
        G: 2,
        w: (1, 1),
        W: (20, 10),
        s: (1, 1),
        b: ("1/64", "1/32"),
        Lam: ("1/10", 1),
        a_: (3, "1/10"),
    },
    "0.02877348772",
)

bound = Bound(
    id="long2020-parameter-count",
    title="Count of parameters and their norms along the graph, norms rounded up to their grids, reference zero",
    aliases=("param-count-cover",),
    family="margin",
    invariances=("relabelling", "reordering"),
    theorem=theorem(),
    symbols={**symbols_of_count, b: q.group_norms, a_: q.group_reaches},
    best_over=gamma,
    example=example,
)

initial = Bound(
    id="long2020-parameter-count-initial",
    title="Count of parameters and their distance from initialization along the graph, norms rounded up to their grids",
    aliases=("param-count-cover-initial",),
    family="margin",
    invariances=("relabelling", "reordering"),
    theorem=theorem(a.recorded_initialization),
    symbols={**symbols_of_count, b: q.group_distances, a_: q.group_reaches_from_initial},
    best_over=gamma,
    example=example,
)
