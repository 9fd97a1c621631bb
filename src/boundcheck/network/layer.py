"""`Layer`: one linear map of a chain and the Lipschitz map after it."""

from __future__ import annotations

from dataclasses import dataclass

from ..interval import Interval
from .affine import Affine
from .nonlinear import Nonlinearity
from .term import Term, joins, stacked_norm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One linear map and the Lipschitz map after it.

    - `terms`: the rows of the linear map, blocks of its output.
    - `lipschitz`: l2 constant of the map after it, together with fixed linear maps that belong to it.
    - `bends`: the nonlinearities in that map.
    - `alone`: whether it is one nonlinearity, or one after the other, with nothing carried past it.
    """

    terms: tuple[Term, ...]
    lipschitz: Interval
    bends: tuple[Nonlinearity, ...]
    alone: bool

    @property
    def homogeneous(self) -> bool:
        """Whether the map after it is positively homogeneous."""
        return all(f.homogeneous for f in self.bends)

    @property
    def elementwise(self) -> bool:
        """Whether the map after it acts on each entry by itself, and nothing is carried past it."""
        return self.alone and all(f.elementwise for f in self.bends)

    @property
    def pieces(self) -> tuple[Affine, ...]:
        """The affine pieces in it; the rest are identities."""
        return tuple(piece for piece, _ in self.reading)

    @property
    def reading(self) -> tuple[tuple[Affine, Interval], ...]:
        """The pieces, each with the norm of the fixed map that makes what it reads of the layer's input.

        1 for one value or a concatenation, the root of 2 for a sum of two.
        """
        return tuple(pair for term in self.terms for pair in term.reading())

    @property
    def learned(self) -> tuple[Affine, ...]:
        """The pieces with parameters."""
        return tuple(piece for piece in self.pieces if piece.learned)

    @property
    def plain(self) -> Affine | None:
        """The one piece that the linear map is, if it is nothing else."""
        if len(self.terms) != 1 or self.terms[0].piece is None or not self.elementwise:
            return None
        (inner,) = self.terms[0].parts
        whole = inner.is_onto and not inner.pieces and all(j.disjoint for j in joins(inner))
        return self.terms[0].piece if whole else None

    @property
    def has_bias(self) -> bool:
        """Whether a piece adds a constant."""
        return any(piece.has_bias for piece in self.pieces)

    @property
    def why_not_plain(self) -> str:
        """What stands in the way of `plain`, naming a layer; empty if nothing does."""
        if self.plain is not None:
            return ""
        for f in self.bends:
            if not f.elementwise:
                return f"layer `{f.label}` is not elementwise (`{type(f).__name__}`, {f.source})"
        for where in (*(j for term in self.terms for j in joins(term)), *self.pieces):
            return f"layer `{where.label}` has values beside it that go on by another way ({where.source})"
        return "a value skips a layer"

    def spectral_norm(self, gap: float | None = None) -> Interval:
        """The norm of the whole linear map, carried values included."""
        return stacked_norm([row for term in self.terms for row in term.rows()], gap)

    @property
    def method(self) -> str:
        """How the norms of its pieces were found."""
        return ", ".join(dict.fromkeys(piece.method for piece in self.pieces if piece.method))
