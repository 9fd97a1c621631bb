"""`Theorem`: a statement with all its constants, its assumptions and its source, as data.

The statement is a SymPy expression for the right-hand side of `error <= ...`. What a symbol *is* (which measurement
fills it) belongs to the `Bound`; here it only has a name and a range. By convention every symbol that grows with the
sample is written per example (an error *rate*, a root mean square norm), so that the sample size `n` can be moved
alone.

    >>> n, delta, E = sympy.symbols("n delta E", positive=True)
    >>> work = Reference(
    ...     key="hoeffding1963", authors="W. Hoeffding", year=1963, venue="JASA 58:13-30",
    ...     title="Probability inequalities for sums of bounded random variables",
    ... )
    >>> theorem = Theorem(value=E + sympy.sqrt(sympy.log(1 / delta) / (2 * n)), citation=Citation(work))
    >>> theorem.enclose({E: Interval(0), n: Interval(200), delta: 1 / Interval(20)})
    Interval(0.08654090978, 0.08654090978)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import sympy

from .extension import Assignment, enclose, enclose_slack
from .interval import Interval

if TYPE_CHECKING:
    from .quantities.study import Study

Status = Literal["proven", "enclosed", "asserted", "undecided", "refuted"]

Parts = Interval | tuple[Interval, ...]

ORDERS_OF_N = 400
"""The search for a sufficient sample size ends at 10^400 examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What became of an assumption on one run."""

    status: Status
    reason: str


@runtime_checkable
class Check(Protocol):
    """Decides an assumption on a run."""

    def __call__(self, study: Study, /) -> Resolution: ...


@dataclass(frozen=True, slots=True)
class Assumption:
    """A hypothesis of a theorem, in words, with the function that decides it on a run."""

    name: str
    statement: str
    check: Check


Kind = Literal["article", "inproceedings", "book", "misc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A published work.

    **Arguments.** `key`: first author and year. `authors`: as in "A. Author, B. Writer and C. Third". `venue`: the journal
    as in "Journal 24(6):377-380", the proceedings, or the publisher. `identifier`: a DOI, an arXiv number or an address,
    where there is one. `kind`: what BibTeX calls it; by default an article where the venue ends with volume and pages.
    """

    key: str
    authors: str
    year: int
    title: str
    venue: str
    identifier: str = ""
    kind: Kind | None = None

    def __str__(self) -> str:
        parts = [f"{self.authors} ({self.year}). {self.title}. {self.venue}", self.identifier]
        return ". ".join(part for part in parts if part) + "."


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a theorem is proved, and what was done to it.

    **Arguments.** `theorem`: its number in the work. `derivation`: the page with our derivation of the form used here.
    `changes`: one line that says how the form differs from the printed one; empty where it does not. `verified`: one line
    that says how the constants were confirmed.
    """

    reference: Reference
    theorem: str = ""
    derivation: str = ""
    changes: str = ""
    verified: str = ""

    @property
    def printed(self) -> str:
        """The work and the number in it, as in `golowich2018, Theorem 1`."""
        return f"{self.reference.key}, {self.theorem}" if self.theorem else self.reference.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Theorem:
    """`error <= value` with probability at least 1 - delta, under the assumptions.

    **Arguments.** `value`: a SymPy expression in scalar symbols and `IndexedBase` families. `assumptions`: what must
    hold. `citation`: where it is proved. `where`: names for sub-expressions that the value or an earlier entry uses, so
    that the printed formula stays short: a symbol, or an entry `Q[i]` of a family with its value as a function of i. They
    are written out before anything is evaluated.
    """

    value: Any
    citation: Citation
    assumptions: tuple[Assumption, ...] = ()
    where: Mapping[Any, Any] = field(default_factory=dict)
    closed_form: Any = field(init=False, repr=False)
    """The value with every named sub-expression written out."""
    _spelled: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "closed_form", self._spell(self.value))

    @property
    def symbols(self) -> frozenset[sympy.Basic]:
        """The scalar symbols and families that must be filled."""
        return closed_symbols(self.closed_form)

    def enclose(self, values: Assignment) -> Interval:
        """The bound as an interval. Raises what `boundcheck.extension.enclose` raises."""
        return enclose(self.closed_form, values)

    def enclose_slack(self, values: Assignment) -> Interval:
        """One minus the bound, with relative accuracy for bounds that approach 1 and never reach it."""
        return enclose_slack(self.closed_form, values)

    def enclose_terms(self, values: Assignment) -> tuple[tuple[sympy.Expr, Interval], ...]:
        """Each printed summand with its value."""
        return tuple((term, enclose(self._spell(term), values)) for term in sympy.Add.make_args(self.value))

    def enclose_where(self, values: Assignment) -> tuple[tuple[sympy.Expr, sympy.Expr, Parts], ...]:
        """Each named sub-expression with its value; of a named family one value a layer."""
        return tuple(
            (name, part, self._enclose_part(name, part, values)) for name, part in self.where.items()
        )

    def _enclose_part(self, name: sympy.Expr, part: sympy.Expr, values: Assignment) -> Parts:
        spelled = self._spell(part)
        if not isinstance(name, sympy.Indexed):
            return enclose(spelled, values)
        layers = next(len(v) for v in values.values() if isinstance(v, tuple))
        (index,) = name.indices
        return tuple(enclose(spelled, {**values, index: Interval(i)}) for i in range(1, layers + 1))

    def _spell(self, expression: Any) -> Any:
        """The expression with every named part written out; names may use names."""
        if expression not in self._spelled:
            self._spelled[expression] = self._written_out(expression)
        return self._spelled[expression]

    def _written_out(self, expression: Any) -> Any:
        for _ in self.where:
            before = expression
            for name, part in self.where.items():
                if isinstance(name, sympy.Indexed):
                    expression = expression.replace(_entry_of(name.base), _with_index(part, name.indices[0]))
                else:
                    expression = expression.subs(name, part)
            if expression == before:
                break
        return expression

    def latex(self, names: Mapping[sympy.Basic, str] | None = None) -> str:
        """The statement, typeset; `names` replaces symbols, by numbers for instance."""
        return sympy.latex(self.value, symbol_names=dict(names or {}), mul_symbol="times" if names else None)


def _entry_of(family: Any) -> Callable[[Any], bool]:
    return lambda x: isinstance(x, sympy.Indexed) and x.base == family


def _with_index(part: Any, index: Any) -> Callable[[Any], Any]:
    return lambda x: part.xreplace({index: x.indices[0]})


def closed_symbols(expression: sympy.Expr) -> frozenset[sympy.Basic]:
    """The free symbols of an expression; a family counts once, its entries and summation indices do not."""
    families: set[Any] = {x.base for x in expression.atoms(sympy.Indexed)}
    labels = {family.label for family in families}
    bound = {limit[0] for x in expression.atoms(sympy.Sum, sympy.Product) for limit in x.limits}
    scalars = {
        s
        for s in expression.free_symbols
        if isinstance(s, sympy.Symbol) and s not in labels and s not in bound
    }
    return frozenset(scalars | families)
