"""`Quantity`: a measurement on a run; `Measurement`: the definition of one, by name.

An interval says where a number lies; its evidence says why one may believe it. The two kinds of doubt are never
merged: rounding is inside the interval, chance is in `failure`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from ..interval import Interval

if TYPE_CHECKING:
    from .study import Study


class Evidence(StrEnum):
    """How a number was obtained."""

    EXACT = "exact"
    """Counted or defined."""
    ENCLOSED = "enclosed"
    """Computed, with all rounding inside the interval."""
    SAMPLED = "sampled"
    """Holds except with the stated failure probability over draws of our own."""
    ESTIMATED = "estimated"
    """A search or a mean over draws, to rank by; nothing is certified with it."""


@runtime_checkable
class Curve(Protocol):
    """A quantity that depends on the margin at which it is asked."""

    def at(self, gamma: Interval) -> Interval:
        """The values for every margin in `gamma`."""
        ...


Value = Interval | tuple[Interval, ...] | Curve

Norm = Literal["spectral", "frobenius", "inf"]
"""Norms of a layer's operator at its real input shape: l2 to l2, root of the sum of squares, largest l1 norm of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number, one number a layer, or a function of the margin, with its evidence and the method in a few words."""

    value: Value
    evidence: Evidence
    method: str
    failure: Fraction = Fraction(0)


class UnavailableError(Exception):
    """A quantity that this run cannot supply; `reasons` are what a verdict prints."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))


@dataclass(frozen=True, slots=True)
class Measurement:
    """The definition of a quantity: what it is called, what it means, and how it is measured on a run.

    `whole`: the quantity is a whole number and stays one when it is varied. `at_most`: its largest meaningful value
    (1 for a rate). `norm`: which norm of each layer of a plain chain it claims to be; the conformance kit compares it with
    the operator's. `role`: whether it is measured, delta itself, or the margin.
    """

    name: str
    title: str
    measure: Callable[[Study], Quantity]
    whole: bool = False
    at_most: float | None = None
    role: Literal["measured", "delta", "margin"] = "measured"
    norm: Norm | None = None


def measurement(
    title: str, *, whole: bool = False, at_most: float | None = None, norm: Norm | None = None
) -> Callable[[Callable[[Study], Quantity]], Measurement]:
    """Make a `Measurement` of a function; its name is the function's, with hyphens."""

    def define(measure: Callable[[Study], Quantity]) -> Measurement:
        name = measure.__name__.replace("_", "-")
        return Measurement(name, title, measure, whole, at_most, norm=norm)

    return define
