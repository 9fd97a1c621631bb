"""Langford 2005: Occam bound over parameter bits, by Hoeffding's inequality."""

from sympy import sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from . import occam
from .occam import B, C, E, complexity, delta, n
from .references import LANGFORD_2005

bound = Bound(
    id="langford2005-occam-hoeffding",
    title="Occam bound over parameter bits, Hoeffding form",
    aliases=("occam-hoeffding",),
    family="counting",
    theorem=Theorem(
        value=E + sqrt(C / (2 * n)),
        where={C: complexity},
        assumptions=(a.iid, a.fixed_in_advance, a.finite_description),
        citation=Citation(
            LANGFORD_2005,
            derivation="docs/theory/occam.md",
            changes="a uniform prior over 2^B codes",
            verified="proved in full; check values to ten digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={n: q.sample_size, B: q.parameter_bits, E: q.train_error, delta: q.delta},
    example=Example({n: 50_000, E: "1/50", B: 4000, delta: "1/20"}, "0.1866008540"),
)

quantized, file = occam.quantized(bound), occam.file(bound)
