"""Blumer, Ehrenfeucht, Haussler and Warmuth 1987: Occam's razor for a classifier without training errors."""

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from . import occam
from .occam import B, C, complexity, delta, n
from .references import BLUMER_1987

bound = Bound(
    id="blumer1987-realizable-linear",
    title="Occam bound over parameter bits, training error 0",
    aliases=("occam-realizable-linear",),
    family="counting",
    theorem=Theorem(
        value=C / n,
        where={C: complexity},
        assumptions=(a.iid, a.fixed_in_advance, a.finite_description, a.interpolation),
        citation=Citation(
            BLUMER_1987,
            derivation="docs/theory/occam.md",
            changes="solved for the error, for 2^B classifiers",
            verified="proved in full; check values to ten digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={n: q.sample_size, B: q.parameter_bits, delta: q.delta},
    example=Example({n: 60_000, B: 32_000, delta: "1/100"}, "0.3697552491"),
)

quantized, file = occam.quantized(bound), occam.file(bound)
