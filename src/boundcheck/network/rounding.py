"""The rounding of float64 sums and products, bounded.

`gam(m)` is the constant of Higham (2002, Accuracy and Stability of Numerical Algorithms, 2nd ed., Lemma 3.1
and section 3.1): a sum of m products, evaluated in *any* order, with or without fused multiply-add, errs by
at most `gam(m)` times the sum of the absolute products, underflow aside. Conventional matrix products
(OpenBLAS, MKL) are such sums; Strassen's are not.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Float64

U: Final = 2.0**-53
"""Unit roundoff of float64."""

TINY: Final = 2.0**-1022
"""The least normal number: more than what one operation loses by underflow, flushed to zero or not."""


def gam(m: int) -> float:
    """An upper bound of m u/(1 - m u), for 0 <= m < 2^50."""
    return m * U / (1 - m * U) * (1 + 4 * U)


def inflate(r: Float64[np.ndarray, "*s"], m: int) -> Float64[np.ndarray, "*s"]:
    """An upper bound of nonnegative numbers that `r` approximates after at most m roundings each."""
    return np.asarray(r * (1 + 2 * gam(m + 4)))


def two_sum(a: Float64[np.ndarray, "*s"], b: Float64[np.ndarray, "*s"]) -> tuple[np.ndarray, np.ndarray]:
    """`s = fl(a + b)` and |a + b - s|, which is itself a float (Knuth 1969, section 4.2.2, theorem B)."""
    s = np.asarray(a + b)
    t = s - a
    return s, np.abs(np.asarray((a - (s - t)) + (b - t)))


def _powers_of_two(a: np.ndarray) -> np.ndarray:
    """Where `a` is zero or plus or minus a power of two."""
    mantissa = np.abs(np.frexp(a)[0])
    return np.asarray((mantissa == 0.5) | (mantissa == 0))


def _in_float32(a: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(a.astype(np.float32).astype(np.float64) == a)


def product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`p = fl(a b)`, broadcast, and a bound of its absolute error: 0 where the product is known to be exact.

    Exact are products with a power of two, and of two numbers that float32 holds: 24 and 24 bits fit in 53.
    """
    p = np.asarray(a * b)
    normal = (np.abs(p) >= TINY) | (a == 0) | (b == 0)
    exact = normal & (_powers_of_two(a) | _powers_of_two(b) | (_in_float32(a) & _in_float32(b)))
    return p, np.where(exact, 0.0, np.abs(p) * U + TINY)


def quotient(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`q = fl(a/b)`, broadcast, and a bound of its absolute error: 0 where b is a power of two or a is 0."""
    q = np.asarray(a / b)
    normal = (np.abs(q) >= TINY) | (a == 0)
    exact = normal & (_powers_of_two(b) | (a == 0))
    return q, np.where(exact, 0.0, np.abs(q) * U + TINY)


def ball_product(
    a: np.ndarray, a_radius: np.ndarray | None, b: np.ndarray, b_radius: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """a b, broadcast, with a bound of everything unknown."""
    mid, error = product(a, b)
    if a_radius is not None:
        error = inflate(error + a_radius * np.abs(b) + TINY, 3)
    if b_radius is not None:
        top = np.abs(a) if a_radius is None else inflate(np.abs(a) + a_radius, 1)
        error = inflate(error + b_radius * top + TINY, 3)
    return mid, error if error.any() else None
