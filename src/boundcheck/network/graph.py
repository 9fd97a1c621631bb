"""`Network`, a classifier as theory sees it, and `Chain`, the layered form that most theorems need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Shaped

from ..errors import NetworkError
from .affine import Affine
from .forward import Forward, relu

_BATCH = 8192
"""Rows that `Network.enclose` works on at once: a few tens of MB at the widths of ordinary networks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The input of a network; its one example has shape `shape`."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu:
    """max(x, 0), elementwise on `shape`: 1-Lipschitz in every l_p norm, positively homogeneous, 0 at 0."""

    label: str
    source: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One step of a network; `inputs` are positions in `Network.nodes`, all before its own."""

    operation: Input | Affine | Relu
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why something cannot be had, one reason each; it is false where the thing would be true."""

    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    r"""$A_L\, s(A_{L-1} \cdots s(A_1 x))$, with a bias in each piece that has one.

    `lipschitz[i]` is the l2 Lipschitz constant of the nonlinearity after piece i, 1 after the last, which has
    none. `homogeneous` says whether every nonlinearity is positively homogeneous. `widths` are the input
    dimension, the hidden widths, and the number of classes.
    """

    affine: tuple[Affine, ...]
    lipschitz: tuple[float, ...]
    homogeneous: bool
    widths: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A classifier from inputs of shape `in_shape` to `classes` logits, as affine pieces and nonlinearities.

    It is the function in real arithmetic with the stored weights. `nodes` are in topological order, the input
    first and the logits last. `parameters` counts the floating-point entries of the parameters it was traced
    with.
    """

    in_shape: tuple[int, ...]
    classes: int
    nodes: tuple[Node, ...]
    parameters: int

    @property
    def affine(self) -> tuple[Affine, ...]:
        """The affine pieces, in order."""
        return tuple(node.operation for node in self.nodes if isinstance(node.operation, Affine))

    def chain(self, biases: bool = False) -> Chain | Refusal:
        """The network as a chain, pieces with a nonlinearity between any two, or every reason it is none.

        Without `biases`, a piece that adds a constant is a reason, even if the constant is zero today:
        theorems without biases speak of a class of functions that has none.
        """
        operations = [node.operation for node in self.nodes[1:]]
        reasons = []
        if not operations or not isinstance(operations[0], Affine):
            reasons.append("the network starts with a nonlinearity; a chain starts with an affine layer")
        if not operations or not isinstance(operations[-1], Affine):
            reasons.append("the network ends with a nonlinearity; a chain ends with an affine layer")
        if not biases:
            reasons += [
                f"layer `{piece.label}` has a bias ({piece.source}); "
                "train it without biases, or use a bound that admits them"
                for piece in self.affine
                if piece.has_bias
            ]
        if reasons:
            return Refusal(reasons=tuple(reasons))
        pieces = self.affine
        return Chain(
            affine=pieces,
            lipschitz=(1.0,) * len(pieces),
            homogeneous=True,
            widths=(pieces[0].matrix.shape[1], *(piece.matrix.shape[0] for piece in pieces)),
        )

    def enclose(
        self, x: Shaped[np.ndarray, "batch ..."]
    ) -> tuple[Float64[np.ndarray, "batch k"], Float64[np.ndarray, "batch k"]]:
        """Logits in float64, and radii with |exact logit - logit| <= radius for every entry.

        "Exact" is the real-arithmetic network on `x` as given. A radius is infinite where float64 overflows.
        Raises `NetworkError` if `x` has another shape than `(batch, *in_shape)` or entries that are not
        finite numbers.
        """
        x = np.asarray(x)
        if x.shape[1:] != self.in_shape or x.ndim != len(self.in_shape) + 1:
            raise NetworkError([f"inputs have shape {x.shape}; the network takes (batch, *{self.in_shape})"])
        if not np.can_cast(x.dtype, np.float64):
            raise NetworkError([f"inputs have dtype {x.dtype}; give float32 or float64"])
        steps = [
            Forward(node.operation) if isinstance(node.operation, Affine) else relu for node in self.nodes[1:]
        ]
        logits, radii = (np.zeros((len(x), self.classes)) for _ in range(2))
        for start in range(0, len(x), _BATCH):
            rows = slice(start, start + _BATCH)
            h, r = x[rows].reshape(len(x[rows]), -1).astype(np.float64), None
            if not np.isfinite(h).all():
                raise NetworkError(["inputs have entries that are not finite; remove these examples"])
            with np.errstate(all="ignore"):
                for step in steps:
                    h, r = step(h, r)
            r = np.zeros_like(h) if r is None else r
            known = np.isfinite(h) & np.isfinite(r)
            logits[rows], radii[rows] = np.where(known, h, 0.0), np.where(known, r, np.inf)
        return logits, radii
