"""Langford 2005: Occam bound over parameter bits, by inverting the binomial tail. The tightest of the five forms."""

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import BinomialInverse

from . import occam
from .occam import B, C, E, complexity, delta, n
from .references import LANGFORD_2005

bound = Bound(
    id="langford2005-occam-binomial",
    title="Occam bound over parameter bits, binomial tail inversion",
    aliases=(
        "occam-bits",
        "langford2005-occam",
    ),
    family="counting",
    theorem=Theorem(
        value=BinomialInverse(E * n, n, C),
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
    example=Example({n: 50_000, E: "1/50", B: 4000, delta: "1/20"}, "0.1046444021"),
)

quantized, file = occam.quantized(bound), occam.file(bound)
