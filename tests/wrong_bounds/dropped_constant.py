"""A dropped constant: the empirical Bernstein bound without its second term.

Maurer and Pontil 2009, Theorem 4, on a test set whose sample variance is E(1-E)m/(m-1). Where no error is observed the
variance is 0, and the wrong form promises that there is none.
"""

from sympy import log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Reference, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

CAUGHT_BY = "covers_the_true_error"

m, E, delta = symbols("m E delta", positive=True)
MAURER_2009 = Reference(
    key="maurer2009",
    authors="A. Maurer and M. Pontil",
    year=2009,
    title="Empirical Bernstein bounds and sample variance penalization",
    venue="COLT 2009",
    identifier="arXiv:0907.3740",
)
deviation = sqrt(2 * E * (1 - E) * log(2 / delta) / (m - 1))
second = 7 * log(2 / delta) / (3 * (m - 1))


def bernstein(value, printed):
    return Bound(
        id="maurer2009-test-set",
        title="Test-set bound: empirical Bernstein",
        family="test-set",
        theorem=Theorem(
            value=value,
            assumptions=(a.iid, a.fresh_test_set),
            citation=Citation(MAURER_2009, theorem="Theorem 4"),
        ),
        symbols={m: q.test_size, E: q.test_error, delta: q.delta},
        example=Example({m: 1001, E: "1/10", delta: "1/20"}, printed),
    )


bound = bernstein(E + deviation, "0.1257681645")
honest = bernstein(E + deviation + second, "0.1343755499")
