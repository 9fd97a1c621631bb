"""Clopper and Pearson 1934: the binomial tail inverted on a test set. The yardstick for every other bound."""

from sympy import log, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import BinomialInverse

from .references import CLOPPER_1934

m, E, delta = symbols("m E delta", positive=True)

bound = Bound(
    id="clopper1934-test-set",
    title="Test-set bound: one-sided binomial tail inversion",
    aliases=("test-binom-upper",),
    family="test-set",
    invariances=("relabelling", "reordering", "rescaling"),
    theorem=Theorem(
        value=BinomialInverse(E * m, m, log(1 / delta)),
        assumptions=(a.iid, a.fresh_test_set),
        citation=Citation(
            CLOPPER_1934,
            derivation="docs/theory/test-set.md",
            changes="one-sided, read as a bound on the error of a classifier",
            verified="proved in full; check values to ten digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={m: q.test_size, E: q.test_error, delta: q.delta},
    example=Example({m: 10_000, E: "1425/10000", delta: "1/20"}, "0.1483767872"),
)
