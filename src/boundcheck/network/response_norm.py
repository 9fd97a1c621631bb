"""The l2 Lipschitz constant of local response normalization, for k = 1, from above.

The constant of x / (k + W x^2)^beta is k^-beta times that for k = 1, whatever the scale of W: put x = k^(1/2) y. The
proofs of what is computed here are in docs/theory/local-response.md, whose names these are.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import scipy.sparse
from jaxtyping import Float64, Int

from ..interval import Interval
from .rounding import gam

_CELLS: Final = 1024
"""Cells on each axis of the maximization of a column sum: its excess is a few tenths of a per cent."""


def response_norm(
    reads: Int[np.ndarray, "taps size"], weights: Float64[np.ndarray, "taps size"], beta: float
) -> Interval:
    """An interval that contains the constant; its lower end is 1, the derivative at 0."""
    if beta == 0 or _grouped(reads, weights):
        return Interval(1)
    used = weights > 0
    size = reads.shape[1]
    rows = np.nonzero(used)[1]
    W = scipy.sparse.csr_array((weights[used], (rows, reads[used])), shape=(size, size))
    own = W.diagonal()
    c, p = W.nonzero()
    c, p = c[c != p], p[c != p]
    if (own[c] == 0).any() or (own[p] == 0).any():
        return Interval(1, np.inf)
    there, back = np.asarray(W[c, p]).reshape(-1), np.asarray(W[p, c]).reshape(-1)
    mutual = (there == back) & (there == own[c]) & (there == own[p])
    slack = 1 + 2 * gam(size + 8)
    m = np.bincount(c, there / own[c], size).max(initial=0) * slack
    partners = int(np.bincount(p[mutual], minlength=size).max(initial=0))
    others = np.bincount(p[~mutual], np.sqrt(there / own[c])[~mutual], size).max(initial=0) * slack
    column = _column_sum(beta, partners, float(others), bool(mutual.all()))
    return Interval.hull(1, (_row_sum(beta, float(m)) * column).sqrt())


def _grouped(reads: np.ndarray, weights: np.ndarray) -> bool:
    """Whether the windows are disjoint groups, each with one weight: the Jacobian is symmetric then."""
    marked = np.where(weights > 0, reads, -1)
    order = np.argsort(marked, axis=0, kind="stable")
    marked, weights = np.take_along_axis(marked, order, 0), np.take_along_axis(weights, order, 0)
    size = marked.shape[1]
    for tap in range(len(marked)):
        at = np.where(marked[tap] >= 0, marked[tap], np.arange(size))
        if (marked[:, at] != marked).any() or (weights[:, at] != weights).any():
            return False
        if ((weights[tap] != weights[-1]) & (marked[tap] >= 0)).any():
            return False
    return bool(((marked == np.arange(size)).any(axis=0) | (marked < 0).all(axis=0)).all())


def _row_sum(beta: float, m: float) -> Interval:
    """R(m), at least 1."""
    b, top = Interval(beta), Interval(1)
    root = (1 + Interval(m)).sqrt()
    for sign, q in ((1, Interval((root - 1).hi)), (-1, Interval((root + 1).hi))):
        if (q > 1) and (b * q + sign > 0):
            top = top.maximum(((b * q + sign) / (1 + b)) ** (b + 1) / q**b)
    return Interval(top.hi)


def _column_sum(beta: float, partners: int, others: float, closed: bool) -> Interval:
    """C, at least 1: the maximum over cells, each bounded by the corners where its parts are largest."""
    r = np.linspace(0, 1, _CELLS + 1)[:, None]
    eta = np.linspace(0, 1, _CELLS + 1) ** 2 / (2 * beta + 1)
    low = 2 * beta * r[:-1] ** 2 / (1 + partners * eta[1:])
    # More than the partners' squares may stand below: anything for the last cells, and where windows are not mutual.
    low[:, -1 if closed else slice(None)] = 0.0
    high = 2 * beta * r[1:] ** 2 / (1 + partners * eta[:-1])
    diagonal = (1 + partners * eta[:-1]) ** -beta * np.maximum(1 - low, high - 1)
    beside = 2 * beta * partners * r[1:] * np.sqrt(eta[1:]) * (1 + eta[1:]) ** (-beta - 1)
    top = float(((1 - r[:-1] ** 2) ** beta * (diagonal + beside)).max())
    b = Interval(beta)
    rest = others * (b / (1 + b)) ** (b + 1)
    return Interval(((top * (1 + Interval(2) ** -30)) + rest).maximum(1).hi)
