"""The seven verdicts, each by the rule that defines it and at its edge."""

import math

import pytest

from boundcheck import Interval, Resolution, Verdict
from boundcheck.verdict import judge

PROVEN = ("a", Resolution(status="proven", reason=""))
UNDECIDED = ("b", Resolution(status="undecided", reason="nobody knows"))
REFUTED = ("c", Resolution(status="refuted", reason="layer 3 has a bias"))


def verdict(value, *, floor=None, observed=(0.05, 0.07), classes=10, resolutions=(PROVEN,)):
    return judge(
        value, floor=floor, observed=Interval(*observed), classes=classes, resolutions=list(resolutions)
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Interval(0.01, 0.02), Verdict.VIOLATED),
        (Interval(0.01, 0.06), Verdict.NON_VACUOUS),
        (Interval(0.2, 0.3), Verdict.NON_VACUOUS),
        (Interval(0.2, 0.95), Verdict.INCONCLUSIVE),
        (Interval(0.9000001, 0.95), Verdict.UNINFORMATIVE),
        (Interval(0.91, 7), Verdict.UNINFORMATIVE),
        (Interval(1), Verdict.VACUOUS),
        (Interval(1, math.inf), Verdict.VACUOUS),
        (Interval(0.5, math.inf), Verdict.INCONCLUSIVE),
    ],
)
def test_by_the_value(value, expected):
    assert verdict(value)[0] is expected


def test_nine_tenths_as_a_double_is_not_certainly_the_error_of_guessing():
    """0.9 in binary is above 9/10; its predecessor is below."""
    assert verdict(Interval(0.9))[0] is Verdict.UNINFORMATIVE
    assert verdict(Interval(math.nextafter(0.9, 0)))[0] is Verdict.NON_VACUOUS


def test_a_refuted_assumption_comes_first_and_every_reason_is_kept():
    outcome, reasons = verdict(Interval(2), resolutions=(REFUTED, UNDECIDED, REFUTED))
    assert outcome is Verdict.NOT_APPLICABLE
    assert reasons == ("c: layer 3 has a bias",) * 2


def test_an_undecided_assumption_stops_a_guarantee_and_not_a_vacuity():
    assert verdict(Interval(2), resolutions=(UNDECIDED,))[0] is Verdict.VACUOUS
    outcome, reasons = verdict(Interval(0.2), resolutions=(UNDECIDED,))
    assert outcome is Verdict.INCONCLUSIVE
    assert reasons == ("b: nobody knows",)


def test_vacuity_must_hold_at_every_margin():
    assert verdict(Interval(3, 4), floor=Interval(1.01, math.inf))[0] is Verdict.VACUOUS
    outcome, reasons = verdict(Interval(3, 4), floor=Interval(0.5, math.inf))
    assert outcome is Verdict.INCONCLUSIVE
    assert any("finer search" in reason for reason in reasons)
