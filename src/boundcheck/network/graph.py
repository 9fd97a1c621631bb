"""`Network`, a classifier as theory sees it: a graph of affine pieces, nonlinearities, sums and concatenations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int, Shaped

from ..interval import Interval
from .affine import Affine, spectral_norms
from .forward import enclose
from .nonlinear import Nonlinearity

if TYPE_CHECKING:
    from .chain import Chain
    from .path import PathNorms


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The input of a network; its one example has shape `shape`."""

    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers an example has."""
        return int(np.prod(self.shape))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Join:
    """The sum of values, each put into its places of a vector of `size`; 0 elsewhere.

    `places[i][e]` is where entry e of input i goes (`None`: in order). A residual sum has inputs that all fill the
    vector; a concatenation has inputs that fill disjoint parts of it. Placing is an isometry.
    """

    label: str
    source: str
    size: int
    places: tuple[Int[np.ndarray, " _"] | None, ...]
    disjoint: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One step of a network; `inputs` are positions in `Network.nodes`, all before its own."""

    operation: Input | Affine | Nonlinearity | Join
    inputs: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it returns."""
        return self.operation.out_size if isinstance(self.operation, Affine) else self.operation.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why something cannot be had, one reason each; it is false where the thing would be true."""

    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A classifier from inputs of shape `in_shape` to `classes` logits.

    It is the function in real arithmetic with the stored weights. `nodes` are in topological order, the input
    first and the logits last; values are flat. `parameters` counts the floating-point entries of the parameters
    it was traced with.
    """

    in_shape: tuple[int, ...]
    classes: int
    nodes: tuple[Node, ...]
    parameters: int

    @property
    def affine(self) -> tuple[Affine, ...]:
        """The affine pieces, in order."""
        return tuple(node.operation for node in self.nodes if isinstance(node.operation, Affine))

    @property
    def nonlinear(self) -> tuple[Nonlinearity, ...]:
        """The nonlinearities, in order."""
        return tuple(node.operation for node in self.nodes if isinstance(node.operation, Nonlinearity))

    def spectral_norms(self, gap: float | None = None) -> tuple[Interval, ...]:
        """The spectral norms of the affine pieces, in order, found on all cores; see `Affine.spectral_norm`."""
        return spectral_norms(self.affine, gap)

    def chain(self, biases: bool = False) -> Chain | Refusal:
        """The network as layers, a linear map and then a Lipschitz map each, or every reason why it is none.

        Without `biases`, a piece that adds a constant is a reason, even if the constant is zero today: theorems
        without biases speak of a class of functions that has none.
        """
        from .chain import chain

        return chain(self, biases)

    def path_norms(self) -> PathNorms | Refusal:
        """The l1 and l2 path norms, or every reason why there are none."""
        from .path import path_norms

        return path_norms(self)

    def enclose(
        self, x: Shaped[np.ndarray, "batch ..."]
    ) -> tuple[Float64[np.ndarray, "batch k"], Float64[np.ndarray, "batch k"]]:
        """Logits in float64, and radii with |exact logit - logit| <= radius for every entry.

        "Exact" is the real-arithmetic network on `x` as given. A radius is infinite where float64 overflows.
        Raises `NetworkError` if `x` has another shape than `(batch, *in_shape)` or entries that are not
        finite numbers.
        """
        return enclose(self, x)
