"""Bartlett, Boucheron and Lugosi 2002: the maximum discrepancy between two halves, from below by one training."""

from sympy import log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .references import BARTLETT_2002_SELECTION

n, E, delta = symbols("n E delta", positive=True)
Disc = symbols("Disc", nonnegative=True)

bound = Bound(
    id="bartlett2002-discrepancy",
    title="Maximum discrepancy of the 0-1 loss class, from below by training on opposite labels",
    aliases=("max-discrepancy",),
    family="rademacher",
    theorem=Theorem(
        value=E + Disc + 3 * sqrt(log(1 / delta) / (2 * n)),
        assumptions=(a.iid, a.fixed_in_advance),
        citation=Citation(
            BARTLETT_2002_SELECTION,
            derivation="docs/theory/rademacher.md",
            changes="for the k-class loss class; the discrepancy from below by training",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={n: q.paired_size, E: q.paired_train_error, Disc: q.discrepancy, delta: q.delta},
    example=Example({n: 50_000, E: 0, Disc: "24/25", delta: "1/100"}, "0.9803584213"),
)
