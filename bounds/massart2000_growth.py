"""Massart 2000: the Rademacher complexity of a finite set of loss vectors, with one deviation for both."""

from sympy import Min, Rational, log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a

from .growth import E, Lam, delta, log_growth, n, saturated, symbols_of_error, symbols_of_growth
from .references import MASSART_2000

bound = Bound(
    id="massart2000-growth",
    title="Rademacher bound by the finite class lemma over the k-class growth function",
    aliases=("massart",),
    family="rademacher",
    theorem=Theorem(
        value=E + 2 * Min(Rational(1, 2), sqrt(Lam / (2 * n))) + 2 * sqrt(log(1 / delta) / (2 * n)),
        where={Lam: log_growth(n)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear),
        citation=Citation(
            MASSART_2000,
            derivation="docs/theory/rademacher.md",
            changes="one deviation for error and complexity together, 2 in place of 3",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={**symbols_of_error, **symbols_of_growth},
    example=Example({n: 60_000, E: 0, delta: "1/100", **saturated}, "1.012389741"),
)
