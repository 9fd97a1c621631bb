"""The spectral norm of a dense matrix, with both ends certified.

The upper end is a Cholesky factorization that runs to the end: if the computed factor of `tau I - A A'`
exists, then ||A||^2 <= tau up to an explicit rounding term (Higham 2002, theorem 10.3; Rump 2006, BIT 46,
"Verification of positive definiteness", uses it the same way). The lower end is ||A v||/||v|| for the best v
known. An eigensolver only proposes tau and v: nothing is taken from it on trust.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import scipy.linalg
from jaxtyping import Float64

from ..interval import Interval
from .rounding import U, gam

_EXCESS: Final = (1e-9, 1e-8, 1e-7, 1e-6, 4e-6)
"""Relative distances above the proposed norm at which a certificate is tried, in this order."""


def power_of_two(a: Float64[np.ndarray, "*s"]) -> int:
    """The e with max|a| in [2^(e-1), 2^e); 0 for a zero array."""
    top = float(np.max(np.abs(a), initial=0.0))
    return int(np.frexp(top)[1])


def spectral_norm(a: Float64[np.ndarray, "m n"]) -> Interval:
    """The largest singular value of a finite matrix, enclosed; [0, 0] for a zero matrix.

    The relative gap is about 2e-9. Scaled by a power of two first, so that no square overflows or vanishes.
    """
    if not a.any():
        return Interval(0)
    exponent = power_of_two(a)
    a = np.ldexp(a, -exponent)
    a = a if a.shape[0] <= a.shape[1] else a.T
    m, n = a.shape
    one, inf = (_largest_sum(np.abs(a), axis) for axis in (0, 1))
    gram = a @ a.T
    gram = np.tril(gram) + np.tril(gram, -1).T
    proposed, v = _top(gram)
    scale = Interval(2) ** exponent
    return Interval(_lower(a, v, one, inf).lo, _upper(gram, proposed, m, n, one, inf).hi) * scale


def _largest_sum(absolute: np.ndarray, axis: int) -> Interval:
    """An upper bound of the largest column (axis 0) or row (axis 1) sum."""
    return Interval(float(absolute.sum(axis=axis).max())) * (1 + Interval(2) * gam(absolute.shape[axis] + 8))


def _top(gram: np.ndarray) -> tuple[float, np.ndarray]:
    """The largest eigenvalue of a Gram matrix and a unit eigenvector, as LAPACK has them."""
    last = gram.shape[0] - 1
    values, vectors = scipy.linalg.eigh(gram, subset_by_index=[last, last], check_finite=False)
    if not values.size:
        # LAPACK's bisection for one eigenvalue may come back with none.
        values, vectors = scipy.linalg.eigh(gram, check_finite=False)
    return float(values[-1]), vectors[:, -1]


def _lower(a: np.ndarray, left: np.ndarray, one: Interval, inf: Interval) -> Interval:
    """A lower bound: ||A v||/||v|| for v = A' left, less the rounding of A v and of both norms.

    The largest entry is one too, and it is exact: it stays where the eigensolver failed.
    """
    m, n = a.shape
    entry = Interval(float(np.abs(a).max()))
    v = left @ a
    length = float(np.linalg.norm(v))
    if not np.isfinite(length) or length == 0:
        return entry
    v = v / length
    image = Interval(float(np.linalg.norm(a @ v))) * (1 - Interval(gam(m + 4)))
    size = Interval(float(np.linalg.norm(v)))
    up, down = size * (1 + Interval(gam(n + 4))), size * (1 - Interval(gam(n + 4)))
    lost = gam(n + 2) * (one * inf).sqrt() * size * (1 + Interval(gam(n + 4)))
    return ((image - lost) / Interval.hull(down, up)).maximum(entry)


def _upper(gram: np.ndarray, proposed: float, m: int, n: int, one: Interval, inf: Interval) -> Interval:
    """An upper bound: the root of a tau for which tau I - A A' is certified positive semidefinite.

    With w = m - 1 and c = gam(4 (w + 8)), which covers blocked kernels,
    ||A||^2 <= tau (1 + 2u + m c/(1 - c)) + gam(n + 4) ||A||_1 ||A||_inf.
    """
    # Without a certificate, ||A||^2 <= ||A||_1 ||A||_inf always holds.
    always = (one * inf).sqrt()
    c = Interval(gam(4 * (m + 7)))
    factor = 1 + Interval(2 * U) + m * c / (1 - c)
    for excess in _EXCESS:
        tau = proposed * (1 + excess) ** 2
        shifted = -gram
        shifted[np.diag_indices(m)] += tau
        try:
            root = np.linalg.cholesky(shifted)
        except np.linalg.LinAlgError:
            continue
        if np.isfinite(root).all():
            return (tau * factor + gam(n + 4) * one * inf).sqrt().minimum(always)
    return always
