"""The checks in order, and what runs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ..bound import Bound
from ..errors import PluginError
from .finding import Check, CheckRecord, Finding
from .inclusion import widening_never_narrows
from .invariance import declared_invariances_hold
from .monotone import (
    falls_with_delta,
    falls_with_examples,
    falls_with_margin,
    rises_with_the_empirical_error,
)
from .operators import norms_are_those_of_the_operator
from .refusals import declares_what_its_quantities_need, refuses_what_it_must
from .simulation import covers_the_true_error, random_labels_are_not_denied
from .statement import (
    assumes_how_its_examples_were_drawn,
    example_agrees,
    names_its_source,
    statement_is_closed,
)
from .stored import same_run_same_bytes, the_run_is_left_alone, the_verdict_survives_storage

CHECKS: Final[tuple[Check, ...]] = (
    statement_is_closed,
    example_agrees,
    names_its_source,
    assumes_how_its_examples_were_drawn,
    widening_never_narrows,
    falls_with_delta,
    falls_with_examples,
    falls_with_margin,
    rises_with_the_empirical_error,
    norms_are_those_of_the_operator,
    declared_invariances_hold,
    refuses_what_it_must,
    declares_what_its_quantities_need,
    random_labels_are_not_denied,
    covers_the_true_error,
    same_run_same_bytes,
    the_run_is_left_alone,
    the_verdict_survives_storage,
)

NAMES: Final = tuple(check.__name__ for check in CHECKS)


def check_bound(bound: Bound, expected: Mapping[str, str] | None = None) -> list[CheckRecord]:
    """Every check on a bound, as records.

    **Arguments.** `expected`: by the name of a check, why it fails and the bound is right nevertheless. A check that
    passes unexpectedly has failed.

    Raises `PluginError` for the name of a check that there is not, or an expectation without a reason.
    """
    reasons = _reasons(expected)
    return [run_check(check, bound, reasons) for check in CHECKS]


def run_check(check: Check, bound: Bound, expected: Mapping[str, str] | None = None) -> CheckRecord:
    """One check on one bound. A check that raises has failed, with its message."""
    reasons = _reasons(expected)
    name = check.__name__
    try:
        finding = check(bound)
    except Exception as error:
        # A bound under test may do anything; what it does is the finding.
        finding = Finding("failed", f"{type(error).__name__}: {error}")
    status, reason = finding.status, finding.reason
    if name in reasons:
        if status == "failed":
            return CheckRecord(
                bound=bound.id, check=name, status="expected", reason=f"{reasons[name]} ({reason})"
            )
        return CheckRecord(
            bound=bound.id,
            check=name,
            status="failed",
            reason=f"it passes unexpectedly; take it out of `expected`, where it says: {reasons[name]}",
        )
    return CheckRecord(bound=bound.id, check=name, status=status, reason=reason)


def cases(bounds: Iterable[Bound] | Mapping[str, Bound]) -> Iterator[tuple[Bound, Check]]:
    """(bound, check) pairs, for `pytest.mark.parametrize`."""
    for bound in bounds.values() if isinstance(bounds, Mapping) else bounds:
        for check in CHECKS:
            yield bound, check


def conformance(*bounds: Bound, expected: Mapping[str, str] | None = None) -> Any:
    """A pytest test with one case for each bound and check, in one line: `test_my_bound = conformance(my_bound)`.

    Raises what `check_bound` raises.
    """
    import pytest  # the program itself does without it

    reasons, pairs = _reasons(expected), list(cases(bounds))

    @pytest.mark.parametrize(("bound", "check"), pairs, ids=[f"{b.id}-{c.__name__}" for b, c in pairs])
    def conforms(bound: Bound, check: Check) -> None:
        record = run_check(check, bound, reasons)
        if record.status == "skipped":
            pytest.skip(record.reason)
        if record.status == "expected":
            pytest.xfail(record.reason)
        assert record.status == "passed", record.reason

    return conforms


def _reasons(expected: Mapping[str, str] | None) -> dict[str, str]:
    reasons = dict(expected or {})
    for name, reason in reasons.items():
        if name not in NAMES:
            raise PluginError(f"`expected` names the check {name!r}; there are {', '.join(NAMES)}.")
        if not reason.strip():
            raise PluginError(
                f"`expected` gives no reason for {name}; say why the bound is right and the check fails."
            )
    return reasons
