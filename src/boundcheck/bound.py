"""`Bound`: a plugin. A theorem, and which measured quantity fills which symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal, get_args

import sympy

from .errors import PluginError
from .extension import enclose
from .interval import Interval
from .quantities.quantity import Measurement
from .theorem import Citation, Theorem

Family = Literal[
    "test-set", "counting", "vc", "rademacher", "norm", "margin", "pac-bayes", "compression", "stability"
]
Guarantee = Literal["HP", "EXP", "EST", "LOWER", "unconfirmed", "comparator"]
Object = Literal["det", "compressed", "gibbs", "single-draw", "vote", "online-avg", "online-late"]
Invariance = Literal["relabelling", "reordering", "rescaling"]
"""What leaves a bound as it is: other names for the classes, another order of the examples, a factor moved from one layer
of a ReLU chain to the next."""


@dataclass(frozen=True, slots=True)
class Example:
    """An instance of the theorem worked out exactly.

    `values`: for each symbol an exact SymPy number, for each family a tuple of them. `value`: the bound there, as printed
    decimals; every printed digit is checked.
    """

    values: Mapping[Any, Any]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A theorem with the measurements that fill its symbols.

    **Arguments.** `id`: author, year and subject, with hyphens. `title`: one line. `family`, `object` (which classifier
    the theorem speaks of), `guarantee` (`HP`: with probability 1 - delta; `comparator`: a form as published, for norms and a
    margin fixed in advance, shown beside its repair; `unconfirmed`: its constants could not be confirmed). `symbols`: the measurement of each symbol or
    family. `best_over`: a symbol filled by the margin that the theorem lets one choose after seeing the data. `example`:
    one exact instance. `aliases`: other names. `invariances`: what leaves its value as it is; the conformance kit tries
    them.

    Raises `PluginError` when the symbols of the statement and those that are filled differ, or a name is not one.
    """

    kind: ClassVar = "bound"

    id: str
    title: str
    family: Family
    theorem: Theorem
    symbols: Mapping[Any, Measurement]
    example: Example
    aliases: tuple[str, ...] = ()
    object: Object = "det"
    guarantee: Guarantee = "HP"
    best_over: sympy.Symbol | None = None
    invariances: tuple[Invariance, ...] = ()

    def __post_init__(self) -> None:
        proper_names("bound", self.id, *self.aliases)
        declared = [(self.family, Family), (self.guarantee, Guarantee), (self.object, Object)]
        for value, kind in (*declared, *((i, Invariance) for i in self.invariances)):
            if value not in get_args(kind):
                raise PluginError(
                    f"bound `{self.id}` declares {value!r}; one of {', '.join(get_args(kind))} is needed."
                )
        needed, filled = self.theorem.symbols, frozenset(self.symbols)
        if needed != filled:
            missing = ", ".join(sorted(map(str, needed - filled))) or "none"
            unused = ", ".join(sorted(map(str, filled - needed))) or "none"
            raise PluginError(
                f"bound `{self.id}`: the statement and `symbols` differ (not filled: {missing}; not in the statement: {unused})."
            )
        margins = [s for s, m in self.symbols.items() if m.role == "margin"]
        if margins != ([] if self.best_over is None else [self.best_over]):
            raise PluginError(
                f"bound `{self.id}`: exactly the symbol filled by `margin` must be named in `best_over`."
            )

    @property
    def citation(self) -> Citation:
        """Where its theorem is proved."""
        return self.theorem.citation

    def example_value(self) -> Interval:
        """The bound at its own example."""
        return self.theorem.enclose(exact_values(self.example.values))


def proper_names(kind: str, *names: str) -> None:
    """Raises `PluginError` for an id or alias that is not made of lower-case words and hyphens."""
    for name in names:
        if not name or not all(part.isalnum() and part == part.lower() for part in name.split("-")):
            raise PluginError(
                f"{kind} id {name!r} is not made of lower-case words and hyphens, such as author2024-subject."
            )


def exact_values(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """The exact numbers of an example as intervals (a tuple of them for a family)."""
    return {symbol: _exact(value) for symbol, value in values.items()}


def _exact(value: Any) -> Interval | tuple[Interval, ...]:
    if isinstance(value, tuple):
        return tuple(_point(v) for v in value)
    return _point(value)


def _point(value: Any) -> Interval:
    if isinstance(value, (Fraction, int)):
        return Interval(value)
    return enclose(sympy.sympify(value), {})
