"""What a check of the kit finds on a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..bound import Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecord:
    """The outcome of one check on one bound.

    `expected`: it failed, and the author said why it would. `skipped`: it does not apply to this bound. `reason` is empty
    for `passed` unless there is something to say.
    """

    bound: str
    check: str
    status: Literal["passed", "failed", "expected", "skipped"]
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's own answer, before what the author expects is taken into account."""

    status: Literal["passed", "failed", "skipped"]
    reason: str = ""


Check = Callable[[Bound], Finding]

PASSED = Finding("passed")


def failed(reason: str) -> Finding:
    """The bound is wrong, or declares something that is."""
    return Finding("failed", reason)


def skipped(reason: str) -> Finding:
    """The check has nothing to say about this bound."""
    return Finding("skipped", reason)
