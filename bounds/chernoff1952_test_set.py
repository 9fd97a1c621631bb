"""Chernoff 1952: the relative entropy inverted on a test set."""

from sympy import log, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import KlInverse

from .references import CHERNOFF_1952

m, E, delta = symbols("m E delta", positive=True)

bound = Bound(
    id="chernoff1952-test-set",
    title="Test-set bound, kl form",
    aliases=("test-kl",),
    family="test-set",
    theorem=Theorem(
        value=KlInverse(E, log(1 / delta) / m),
        assumptions=(a.iid, a.fresh_test_set),
        citation=Citation(
            CHERNOFF_1952,
            derivation="docs/theory/test-set.md",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={m: q.test_size, E: q.test_error, delta: q.delta},
    example=Example({m: 10_000, E: "1425/10000", delta: "1/20"}, "0.1511984795"),
)
