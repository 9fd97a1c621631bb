"""Haussler and Long 1995: the label vectors of a class of bounded Natarajan dimension, through Massart's lemma."""

from sympy import Min, Rational, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import LogSauer

from .growth import E, delta, n, symbols_of_error
from .references import HAUSSLER_1995

k = symbols("k", integer=True, positive=True)
d, S = symbols("d_N S", nonnegative=True)

bound = Bound(
    id="haussler1995-natarajan",
    title="Rademacher bound by the finite class lemma over the Natarajan dimension",
    aliases=("natarajan",),
    family="rademacher",
    theorem=Theorem(
        value=E + 2 * Min(Rational(1, 2), sqrt(S / (2 * n))) + 2 * sqrt(log(1 / delta) / (2 * n)),
        where={S: LogSauer(n, d, k * (k - 1) / 2)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear),
        citation=Citation(
            HAUSSLER_1995,
            derivation="docs/theory/rademacher.md",
            changes="through Massart's lemma; one deviation for error and complexity together",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={**symbols_of_error, k: q.classes, d: q.natarajan_dimension},
    example=Example({n: 60_000, E: "1/50", delta: "1/100", k: 10, d: 50}, "0.1728579987"),
)
