"""Hoeffding 1963: the mean of a test set."""

from sympy import log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .references import HOEFFDING_1963

m, E, delta = symbols("m E delta", positive=True)

bound = Bound(
    id="hoeffding1963-test-set",
    title="Test-set bound, Hoeffding form",
    aliases=("test-hoeffding",),
    family="test-set",
    theorem=Theorem(
        value=E + sqrt(log(1 / delta) / (2 * m)),
        assumptions=(a.iid, a.fresh_test_set),
        citation=Citation(
            HOEFFDING_1963,
            derivation="docs/theory/test-set.md",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={m: q.test_size, E: q.test_error, delta: q.delta},
    example=Example({m: 10_000, E: "1425/10000", delta: "1/20"}, "0.1547387342"),
)
