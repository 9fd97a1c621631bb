"""delta spent twice: the smaller of two bounds, one for each half of the test set, each at delta.

Each fails with probability delta, and the smaller one as often as either.
"""

from fractions import Fraction

from boundcheck_bounds.references import CLOPPER_1934
from sympy import Min, log, symbols

from boundcheck import Bound, Citation, Example, Interval, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import BinomialInverse

CAUGHT_BY = "covers_the_true_error"

h, K, J, delta = symbols("h K J delta", positive=True)


def half_of(study):
    return study.margins("test").size // 2


def errors(study, start):
    """The number of errors on half of the test set, by its lower margins."""
    half = half_of(study)
    count = int((study.margins("test").lower[start * half : (start + 1) * half] <= 0).sum())
    return q.Quantity(value=Interval(count), evidence=q.Evidence.EXACT, method="counted")


@q.measurement("size of half the test set", whole=True)
def half_size(study):
    return q.Quantity(value=Interval(half_of(study)), evidence=q.Evidence.EXACT, method="counted")


@q.measurement("errors in the first half", whole=True)
def first_errors(study):
    return errors(study, 0)


@q.measurement("errors in the second half", whole=True)
def second_errors(study):
    return errors(study, 1)


def halves(share, printed):
    c = log(1 / (share * delta))
    return Bound(
        id="clopper1934-halves",
        title="Test-set bound: the smaller of two halves",
        family="test-set",
        theorem=Theorem(
            value=Min(BinomialInverse(K, h, c), BinomialInverse(J, h, c)),
            assumptions=(a.iid, a.fresh_test_set),
            citation=Citation(CLOPPER_1934, theorem="the limit"),
        ),
        symbols={h: half_size, K: first_errors, J: second_errors, delta: q.delta},
        example=Example({h: 100, K: 10, J: 12, delta: "1/20"}, printed),
    )


bound = halves(1, "0.1637176233")
honest = halves(Fraction(1, 2), "0.1762225977")
