"""`Verdict`: what a bound says about a run, by the first rule that matches.

| verdict | when |
| --- | --- |
| `failed` | the plugin raised |
| `not-applicable` | an assumption is refuted, or the network cannot be expressed |
| `violated` | hi < e-: the bound lies below the confidence interval of the observed error |
| `vacuous` | lo >= 1 |
| `uninformative` | lo >= 1 - 1/k, the error of guessing |
| `non-vacuous` | hi < 1 - 1/k and no assumption is undecided |
| `inconclusive` | anything else |
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from .interval import Interval
from .theorem import Resolution


class Verdict(StrEnum):
    """The seven outcomes, in the order in which they are tried."""

    FAILED = "failed"
    NOT_APPLICABLE = "not-applicable"
    VIOLATED = "violated"
    VACUOUS = "vacuous"
    UNINFORMATIVE = "uninformative"
    NON_VACUOUS = "non-vacuous"
    INCONCLUSIVE = "inconclusive"


def guessing_error(classes: int) -> Interval:
    """1 - 1/k: the error of a uniformly random label, under every distribution."""
    return 1 - Interval(1) / classes


def judge(
    value: Interval,
    *,
    floor: Interval | None,
    observed: Interval,
    classes: int,
    resolutions: Sequence[tuple[str, Resolution]],
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on a bound that was evaluated, and its reasons.

    **Arguments.** `value`: the bound. `floor`: a lower bound on the bound over every choice it leaves open (every
    margin), where the value was computed for a declared set of them. `observed`: the confidence interval of the test
    error. `resolutions`: name and outcome of each assumption.
    """
    guess = guessing_error(classes)
    lower = value if floor is None else value.minimum(floor)
    refuted = tuple(f"{name}: {r.reason}" for name, r in resolutions if r.status == "refuted")
    undecided = tuple(f"{name}: {r.reason}" for name, r in resolutions if r.status == "undecided")
    if refuted:
        return Verdict.NOT_APPLICABLE, refuted
    if value < observed.lo:
        return Verdict.VIOLATED, (
            f"the bound is at most {float(value.hi):.6g}, below the interval of the observed test error "
            f"[{float(observed.lo):.6g}, {float(observed.hi):.6g}]: the theorem, an assumption or the code is wrong.",
            *undecided,
        )
    if lower >= 1:
        return Verdict.VACUOUS, ()
    if lower >= guess:
        return Verdict.UNINFORMATIVE, ()
    if value < guess and not undecided:
        return Verdict.NON_VACUOUS, ()
    return Verdict.INCONCLUSIVE, _open_questions(value, lower, guess, undecided)


def _open_questions(
    value: Interval, lower: Interval, guess: Interval, undecided: tuple[str, ...]
) -> tuple[str, ...]:
    """Which interval or assumption would settle an inconclusive verdict."""
    questions = list(undecided)
    if not value < guess:
        questions.append(
            f"the value lies in [{_short(value.lo)}, {_short(value.hi)}], which contains the error of guessing "
            f"{_short(guess.lo)}; narrower quantities or a larger sample would settle it."
        )
    if value >= guess and not lower >= guess:
        questions.append(
            f"some choice left open by the theorem may reach {_short(lower.lo)}; a finer search over it would settle it."
        )
    return tuple(questions)


def _short(x: object) -> str:
    return f"{float(x):.6g}"  # type: ignore[arg-type]
