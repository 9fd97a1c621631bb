"""Delta is spent once, and the ledger says where."""

from fractions import Fraction

import pytest

import boundcheck as bc
from boundcheck import BoundcheckError, Interval
from boundcheck.confidence import best_of, level, share


def test_delta_is_the_decimal_that_was_written():
    assert level(0.05) == Fraction(1, 20)
    assert level(1e-9) == Fraction(1, 10**9)
    for wrong in (0, 1, -1, 1.5, float("nan"), float("inf")):
        with pytest.raises(BoundcheckError, match="strictly between 0 and 1"):
            level(wrong)


def test_a_sampled_quantity_takes_its_part_and_the_theorem_keeps_both_readings():
    theorem = share(Fraction(1, 20), Fraction(1, 40))
    assert theorem.contains(Fraction(1, 40))
    assert theorem.contains(Fraction(1, 20))
    assert share(Fraction(1, 20), Fraction(0)) == Interval(Fraction(1, 20))


def test_sampled_quantities_that_spend_everything_are_refused():
    with pytest.raises(BoundcheckError, match="less is needed"):
        share(Fraction(1, 20), Fraction(1, 20))


def test_the_best_of_several_bounds_costs_all_their_deltas():
    assert best_of(Fraction(1, 20), 12).delta == pytest.approx(0.6)
    assert best_of(Fraction(1, 2), 5).delta == 1.0


def test_the_ledger_of_an_evaluation_has_one_entry_for_each_expense(small_run):
    evaluation = bc.evaluate(small_run, delta=0.01)
    judged = [o for o in evaluation.outcomes if o.value is not None and o.guarantee == "HP"]
    entries = evaluation.to_json()["confidence"]
    # The test interval of the network, that of the network with rounded weights, each bound, and the choice of one.
    assert len(entries) == 2 + len(judged) + 1
    assert any(o.value is not None and o.guarantee != "HP" for o in evaluation.outcomes)
    assert all(entry["delta"] == 0.01 for entry in entries[:-1])
    assert entries[-1]["delta"] == pytest.approx(0.01 * len(judged))
