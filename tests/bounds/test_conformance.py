"""The conformance kit on every registered bound, and on wrong ones that it must catch."""

import dataclasses
from fractions import Fraction
from pathlib import Path

import pytest
import sympy

from boundcheck import Bound, Example, Interval, Theorem
from boundcheck.functions import IntervalFunction
from boundcheck.registry import installed
from boundcheck.testing import CHECKS, cases, check_bound

ROOT = Path(__file__).parents[2]
REGISTRY = installed()
CASES = list(cases(REGISTRY.bounds))


def test_nothing_failed_to_load():
    assert REGISTRY.failures == ()
    assert len(REGISTRY.bounds) >= 12


@pytest.mark.parametrize(("bound", "check"), CASES, ids=[f"{b.id}-{c.__name__}" for b, c in CASES])
def test_conforms(bound, check):
    assert check(bound) == ""


def file_of(bound):
    """The theorem file: the longest of the names in `bounds/` that the id starts with."""
    names = [p.stem for p in (ROOT / "bounds").glob("*.py")]
    mine = [name for name in names if bound.id.startswith(name.replace("_", "-"))]
    return max(mine, key=len, default=None)


@pytest.mark.parametrize("bound", REGISTRY.bounds.values(), ids=lambda b: b.id)
def test_the_derivation_has_a_page_that_names_the_theorem(bound):
    page = ROOT / bound.theorem.citation.derivation
    assert page.is_file()
    assert file_of(bound).replace("_", "-") in page.read_text()


@pytest.mark.parametrize("bound", REGISTRY.bounds.values(), ids=lambda b: b.id)
def test_file_and_id_have_one_name(bound):
    assert file_of(bound) is not None


def wrong(identifier, change):
    """A registered bound with its statement changed, its example kept."""
    right = REGISTRY.bounds[identifier]
    theorem = dataclasses.replace(right.theorem, value=change(right.theorem.value))
    return dataclasses.replace(right, theorem=theorem)


def failed(bound):
    return {record.check for record in check_bound(bound) if record.status == "failed"}


def test_a_dropped_constant_is_caught():
    assert "example_agrees" in failed(
        wrong(
            "mohri2018-rademacher",
            lambda v: (
                v.subs(sympy.Symbol("Rad", nonnegative=True), 0) + sympy.Symbol("Rad", nonnegative=True)
            ),
        )
    )


def test_a_wrong_exponent_is_caught():
    n = sympy.Symbol("n", positive=True)
    assert "example_agrees" in failed(wrong("langford2005-occam-hoeffding", lambda v: v.subs(n, n**2)))


def test_a_wrong_sign_of_the_confidence_term_is_caught():
    delta = sympy.Symbol("delta", positive=True)
    assert "grows_with_confidence" in failed(
        wrong("mohri2018-rademacher", lambda v: v.subs(delta, 1 - delta))
    )


def test_a_bound_below_its_training_error_is_caught():
    E = sympy.Symbol("E", positive=True)
    assert "is_above_the_training_error" in failed(
        wrong("mohri2018-rademacher", lambda v: v - 5 * E - sympy.Symbol("Rad", nonnegative=True) * 3)
    )


class RoundedToItsMiddle(IntervalFunction):
    """The identity, wrongly: of a wide argument only the middle."""

    nargs = (1,)
    tex = "{}"

    @classmethod
    def enclose(cls, x):
        radius = (Fraction(1, 10**15) - (Interval(x.hi) - Interval(x.lo))).maximum(0)
        return x.midpoint() + Interval.hull(-radius, radius)


class Unchanged(IntervalFunction):
    """The identity, rightly."""

    nargs = (1,)
    tex = "{}"

    @classmethod
    def enclose(cls, x):
        return x


@pytest.mark.parametrize(
    ("function", "caught"), [(RoundedToItsMiddle, {"widening_never_narrows"}), (Unchanged, set())]
)
def test_a_function_that_narrows_when_its_input_widens_is_caught(function, caught):
    E = sympy.Symbol("E", positive=True)
    bound = wrong("mohri2018-rademacher", lambda v: v.subs(E, function(E)))
    narrow, wide = function.enclose(Interval(Fraction(1, 10))), function.enclose(Interval(0.09, 0.11))
    assert (wide.hi - wide.lo < narrow.hi - narrow.lo) is bool(caught)
    assert failed(bound) == caught
    reasons = [record.reason for record in check_bound(bound) if record.reason]
    assert all(reason.startswith("widening E moved the value") for reason in reasons)


def test_binary_for_natural_logarithm_is_caught():
    assert "example_agrees" in failed(
        wrong("golowich2018-frobenius", lambda v: v.replace(sympy.log, lambda a: sympy.log(a) / sympy.log(2)))
    )


def test_symbols_that_are_not_filled_are_refused():
    right = REGISTRY.bounds["clopper1934-test-set"]
    extra = sympy.Symbol("unfilled", positive=True)
    theorem = dataclasses.replace(right.theorem, value=right.theorem.value + extra)
    with pytest.raises(Exception, match="not filled: unfilled"):
        dataclasses.replace(right, theorem=theorem)


def test_every_check_has_a_bound_that_fails_it():
    """No check of the kit is one that cannot fail."""
    right = REGISTRY.bounds["mohri2018-rademacher"]
    unsourced = dataclasses.replace(right, theorem=dataclasses.replace(right.theorem, assumptions=()))
    assert failed(unsourced) == {"names_its_source"}

    class Narrowing(sympy.Function):
        pass

    raising = Bound(
        id="wrong2020-undefined",
        title="a statement with an undefined function",
        family="vc",
        theorem=Theorem(
            value=Narrowing(sympy.Symbol("E", positive=True)) + sympy.Symbol("delta", positive=True),
            citation=right.theorem.citation,
        ),
        symbols={s: m for s, m in right.symbols.items() if str(s) in ("E", "delta")},
        example=Example(
            {sympy.Symbol("E", positive=True): 0, sympy.Symbol("delta", positive=True): "1/20"}, "0.5"
        ),
    )
    records = check_bound(raising)
    assert {r.check for r in records if r.status == "failed"} >= {c.__name__ for c in CHECKS[:2]}
    assert any("no interval extension" in r.reason for r in records)
