"""Blumer, Ehrenfeucht, Haussler and Warmuth 1987: Occam's razor for a classifier without training errors, exactly."""

from sympy import exp

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from . import occam
from .occam import B, C, complexity, delta, n
from .references import BLUMER_1987

bound = Bound(
    id="blumer1987-realizable-exact",
    title="Occam bound over parameter bits, training error 0, exact form",
    aliases=("occam-realizable-exact",),
    family="counting",
    theorem=Theorem(
        value=1 - exp(-C / n),
        where={C: complexity},
        assumptions=(a.iid, a.fixed_in_advance, a.finite_description, a.interpolation),
        citation=Citation(
            BLUMER_1987,
            derivation="docs/theory/occam.md",
            changes="solved for the error; the step before 1 - p <= exp(-p)",
            verified="proved in full; check values to ten digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={n: q.sample_size, B: q.parameter_bits, delta: q.delta},
    example=Example({n: 60_000, B: 32_000, delta: "1/100"}, "0.3090965908"),
)

quantized, file = occam.quantized(bound), occam.file(bound)
