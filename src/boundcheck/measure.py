"""`Measure`: a plugin without a complete statement. It is ranked across runs, never judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import sympy

from .bound import Example, exact_values, proper_names
from .errors import PluginError
from .extension import enclose
from .interval import Interval
from .quantities.quantity import Measurement
from .theorem import Citation, closed_symbols


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A complexity measure: a formula without the constants, or the proof, that would make it a bound.

    **Arguments.** `id`: author, year and subject, with hyphens. `title`: one line. `value`: a SymPy expression in scalar
    symbols and families, larger for networks that are expected to generalize worse. `symbols`: the measurement of each.
    `citation`: where it is defined. `example`: one exact instance. `aliases`: other names. `differs`: what is otherwise in
    public codes, and why; empty where nothing is.

    Raises `PluginError` when the symbols of the formula and those that are filled differ, or a name is not one.
    """

    kind: ClassVar = "measure"
    family: ClassVar = "measure"
    guarantee: ClassVar = "MEAS"
    object: ClassVar = "det"

    id: str
    title: str
    value: Any
    symbols: Mapping[Any, Measurement]
    citation: Citation
    example: Example
    aliases: tuple[str, ...] = ()
    differs: str = ""

    def __post_init__(self) -> None:
        proper_names("measure", self.id, *self.aliases)
        needed, filled = closed_symbols(self.value), frozenset(self.symbols)
        if needed != filled:
            missing = ", ".join(sorted(map(str, needed - filled))) or "none"
            unused = ", ".join(sorted(map(str, filled - needed))) or "none"
            raise PluginError(
                f"measure `{self.id}`: the formula and `symbols` differ (not filled: {missing}; not in the formula: {unused})."
            )
        if any(m.role != "measured" for m in self.symbols.values()):
            raise PluginError(
                f"measure `{self.id}` is filled by delta or a margin to choose; only measured quantities have a place in it."
            )

    @property
    def latex(self) -> str:
        """The formula, typeset."""
        return str(sympy.latex(self.value))

    def enclose(self, values: Mapping[Any, Any]) -> Interval:
        """The measure as an interval. Raises what `boundcheck.extension.enclose` raises."""
        return enclose(self.value, values)

    def example_value(self) -> Interval:
        """The measure at its own example."""
        return self.enclose(exact_values(self.example.values))
