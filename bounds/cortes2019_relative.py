"""Cortes, Greenberg and Mohri 2019 (after Vapnik 1998): relative deviation over the growth function on 2n points."""

from sympy import log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .growth import D, L, T, V, d, log_growth, symbols_of_growth
from .references import CORTES_2019

n, E, delta = symbols("n E delta", positive=True)
c, Lam = symbols("c Lambda", positive=True)

bound = Bound(
    id="cortes2019-relative",
    title="VC bound over the k-class growth function, relative deviation",
    aliases=("vc-relative",),
    family="vc",
    theorem=Theorem(
        value=E + 2 * c + 2 * sqrt(c * (c + E)),
        where={c: (Lam + log(4 / delta)) / n, Lam: log_growth(2 * n)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear),
        citation=Citation(CORTES_2019, theorem="Theorem 5", derivation="docs/theory/growth-to-error.md"),
    ),
    symbols={n: q.sample_size, E: q.train_error, delta: q.delta, **symbols_of_growth},
    # Too few points to leave the saturated range: ln Pi(2n) = 2n ln 2.
    example=Example(
        {
            n: 60_000,
            E: 0,
            delta: "1/100",
            L: 3,
            d: 266_560,
            T: (512, 512, 9),
            V: (401_920, 664_576, 669_706),
            D: (1, 2, 3),
        },
        "5.545576875",
    ),
)
