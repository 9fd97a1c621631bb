"""The smallest of several bounds, each at delta: the test set in four blocks, and the luckiest one quoted."""

from boundcheck_bounds.references import CLOPPER_1934
from sympy import Min, log, symbols

from boundcheck import Bound, Citation, Example, Interval, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import BinomialInverse

CAUGHT_BY = "covers_the_true_error"

BLOCKS = 4
b, delta = symbols("b delta", positive=True)
counts = symbols(f"K1:{BLOCKS + 1}", positive=True)


@q.measurement("size of a block of the test set", whole=True)
def block_size(study):
    size = study.margins("test").size // BLOCKS
    return q.Quantity(value=Interval(size), evidence=q.Evidence.EXACT, method="counted")


def errors_in(block):
    def measure(study):
        size = study.margins("test").size // BLOCKS
        count = int((study.margins("test").lower[block * size : (block + 1) * size] <= 0).sum())
        return q.Quantity(value=Interval(count), evidence=q.Evidence.EXACT, method="counted")

    return q.Measurement(f"errors-in-block-{block}", f"errors in block {block}", measure, True)


def luckiest(price, printed):
    return Bound(
        id="clopper1934-blocks",
        title="Test-set bound: the luckiest of four blocks",
        family="test-set",
        theorem=Theorem(
            value=Min(*(BinomialInverse(K, b, log(price / delta)) for K in counts)),
            assumptions=(a.iid, a.fresh_test_set),
            citation=Citation(CLOPPER_1934, theorem="the limit"),
        ),
        symbols={b: block_size, delta: q.delta, **{K: errors_in(j) for j, K in enumerate(counts)}},
        example=Example({b: 50, delta: "1/20", **dict.fromkeys(counts, 10)}, printed),
    )


bound, honest = luckiest(1, "0.3155960614"), luckiest(BLOCKS, "0.3568081173")
