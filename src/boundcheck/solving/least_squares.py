"""Least squares of least norm in feature space, for more examples than features: no interpolant, and no n x n matrix."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float64

from ..interval import Interval
from ..network.rounding import gam
from .kernels import Gram
from .problem import centred
from .solution import Solution, Solved

_U = 2.0**-53


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """`weight`: float64 [k, d]. `rank`: of the features, directions below `cutoff` times the largest singular value being left out; `kept`, `dropped`: the
    least singular value that counts and the largest that does not, relative to the largest. `gradient`: |Phi^T (V - Phi w)|_F / |Phi|_2 |V|_F, which is 0
    at an exact solution. `residual`: |V - Phi w|_F / |V|_F.
    """

    weight: Float64[np.ndarray, "k d"]
    rank: int
    cutoff: float
    kept: float
    dropped: float
    gradient: float
    residual: float


def least_squares(rows: Float64[Array, "n d"], targets: Float64[Array, "n k"]) -> LeastSquares:
    """The minimizer of |Phi w - V|_F that has the least norm, by a singular value decomposition of Phi [n, d]."""
    with jax.enable_x64(True):
        n, d = rows.shape
        # n >= d: the triangular factor has the singular values of the whole, and is small.
        q, r = jnp.linalg.qr(rows)
        u, s, vt = (np.asarray(part) for part in jnp.linalg.svd(r))
        relative = s / s[0] if s[0] > 0 else s
        cutoff = max(n, d) * 2 * _U
        rank = int(np.count_nonzero(relative > cutoff))
        inner = u.T[:rank] @ np.asarray(q.T @ targets)
        weight = (vt[:rank].T @ (inner / s[:rank, None])).T
        left = targets - rows @ weight.T
        length = float(jnp.sqrt(jnp.square(targets).sum()))
        return LeastSquares(
            weight=weight,
            rank=rank,
            cutoff=cutoff,
            kept=float(relative[rank - 1]) if rank else 0.0,
            dropped=float(relative[rank]) if rank < len(s) else 0.0,
            gradient=float(jnp.sqrt(jnp.square(rows.T @ left).sum())) / max(float(s[0]) * length, 1e-300),
            residual=float(jnp.sqrt(jnp.square(left).sum())) / length,
        )


def solve_features(
    gram: Gram, labels: np.ndarray, classes: int, bound: Interval | None, fixed: bool
) -> Solved:
    """The predictor with weights on the features of `gram`, where there are fewer features than examples."""
    n, d = gram.rows.shape
    found = least_squares(gram.rows, centred(labels, classes))
    squares = float((gram.rows**2).sum())
    rounding = gam(n * d + 8)
    solution = Solution(
        method=f"singular value decomposition, {found.rank} of {d} directions",
        size=n,
        shift=Interval(0),
        ridge=Interval(0),
        residual=Interval(0, found.residual * (1 + 1e-6)),
        diagonal=Interval(squares) * Interval(1 - rounding, 1 + rounding) / n,
        kernel_bound=bound,
        stored_norm_squared=Interval(0),
        features_fixed=fixed,
        rank=found.rank,
    )
    fitted = np.asarray(gram.rows @ found.weight.T)
    return Solved(None, fitted, solution, weight=found.weight)
