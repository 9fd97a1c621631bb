"""What is counted or fixed: sample sizes, classes, errors, parameters."""

from __future__ import annotations

from fractions import Fraction

from ..functions import BinomialInverse
from ..interval import Interval
from .margins import MarginError, Margins
from .quantity import Evidence, Measurement, Quantity, measurement
from .study import Study


@measurement("number of training examples", whole=True)
def sample_size(study: Study) -> Quantity:
    """n."""
    return Quantity(value=Interval(study.run.sizes["train"]), evidence=Evidence.EXACT, method="counted")


@measurement("number of test examples", whole=True)
def test_size(study: Study) -> Quantity:
    """m."""
    return Quantity(value=Interval(study.run.sizes["test"]), evidence=Evidence.EXACT, method="counted")


@measurement("number of classes", whole=True)
def classes(study: Study) -> Quantity:
    """k."""
    return Quantity(value=Interval(study.run.classes), evidence=Evidence.EXACT, method="counted")


@measurement("number of parameters", whole=True)
def parameters(study: Study) -> Quantity:
    """P."""
    return Quantity(value=Interval(study.run.parameters), evidence=Evidence.EXACT, method="counted")


def _rate(margins: Margins, which: str) -> Quantity:
    undecided = margins.size - margins.correct - margins.wrong
    method = (
        f"{margins.wrong} of {margins.size} {which} examples misclassified, {undecided} undecided by rounding"
        if margins.traced
        else f"{margins.wrong} of {margins.size} {which} examples misclassified by the program as it runs"
    )
    evidence = Evidence.ENCLOSED if undecided else Evidence.EXACT
    return Quantity(value=margins.errors / margins.size, evidence=evidence, method=method)


@measurement("training error", at_most=1)
def train_error(study: Study) -> Quantity:
    """The 0-1 error on the training set, with the labels that were trained on."""
    return _rate(study.margins("train"), "training")


@measurement("test error", at_most=1)
def test_error(study: Study) -> Quantity:
    """The 0-1 error on the test set, whose labels follow the law of the training labels."""
    return _rate(study.margins("test"), "test")


def clopper_pearson(errors: Interval, n: int, delta: Fraction) -> Interval:
    """The two-sided confidence interval of a binomial proportion: delta/2 on each side.

    Clopper and Pearson 1934. An interval of counts (ties that rounding leaves open) widens it.
    """
    c = -Interval(delta / 2).log()
    fewest, most = errors.integers()
    upper = BinomialInverse.enclose(Interval(most), Interval(n), c)
    # The lower limit is the upper one for the number of successes, mirrored.
    lower = BinomialInverse.enclose_slack(Interval(n - fewest), Interval(n), c)
    return Interval(lower.lo, upper.hi)


@measurement("confidence interval of the test error", at_most=1)
def test_error_interval(study: Study) -> Quantity:
    """The Clopper-Pearson interval at confidence 1 - delta: what a bound on this classifier is set against."""
    test = study.margins("test")
    return Quantity(
        value=clopper_pearson(test.errors, test.size, study.delta),
        evidence=Evidence.SAMPLED,
        method="Clopper and Pearson, two-sided",
        failure=study.delta,
    )


@measurement("ramp risk at the margin", at_most=1)
def ramp_risk(study: Study) -> Quantity:
    """(1/n) sum_i min(1, max(0, 1 - m_i/gamma)), a function of gamma."""
    margins = study.margins("train")
    return Quantity(value=margins, evidence=Evidence.ENCLOSED, method="margins of all training examples")


@measurement("fraction of training margins that are at most the margin", at_most=1)
def margin_error(study: Study) -> Quantity:
    """(1/n) #{i : m_i <= gamma}, a function of gamma."""
    margins = MarginError(margins=study.margins("train"))
    return Quantity(value=margins, evidence=Evidence.ENCLOSED, method="margins of all training examples")


delta = Measurement(
    "failure-probability", "failure probability", lambda _: _never(), at_most=1 - 2**-20, role="delta"
)
"""The failure probability of the theorem: filled by the ledger, not measured."""

margin = Measurement("margin", "margin", lambda _: _never(), role="margin")
"""The margin gamma: a choice that the theorem leaves open."""


def _never() -> Quantity:
    raise RuntimeError("delta and the margin are supplied by the evaluation")
