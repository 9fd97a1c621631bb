"""Mohri, Rostamizadeh and Talwalkar 2018: the Rademacher complexity of the loss class, measured on random signs."""

from sympy import log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .references import MOHRI_2018

n, E, delta = symbols("n E delta", positive=True)
Rad = symbols("Rad", nonnegative=True)

bound = Bound(
    id="mohri2018-rademacher",
    title="Rademacher complexity of the 0-1 loss class, from below by training on random signs",
    aliases=("rad-bound-2",),
    family="rademacher",
    theorem=Theorem(
        value=E + 2 * Rad + 2 * sqrt(log(1 / delta) / (2 * n)),
        assumptions=(a.iid, a.fixed_in_advance, a.draws_fixed),
        citation=Citation(
            MOHRI_2018,
            theorem="Theorem 3.3",
            derivation="docs/theory/rademacher.md",
            changes="one deviation for error and complexity together: ln(1/delta) and 2 in place of ln(2/delta) and 3",
            verified="proved in full; check values to ten digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={n: q.sample_size, E: q.train_error, Rad: q.rademacher_complexity, delta: q.delta},
    example=Example({n: 1000, E: "1/10", Rad: "1/4", delta: "1/20"}, "0.6774045512"),
)
