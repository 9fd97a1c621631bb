"""Ranks and hyperplanes of real data modulo a prime: what holds there holds exactly.

A float is m 2^e with whole m, and 2 has an inverse modulo an odd prime p, so float data map to the field of p elements by
a ring homomorphism. A determinant that is not 0 there is not 0 over the rationals: rank mod p is at most the true rank,
and a vector product that is not 0 mod p is not 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from flint import nmod_mat
from jaxtyping import Float, Int

PRIME: Final = 2_097_143
"""The largest prime below 2^21: a sum of up to 2^11 products of residues is below 2^53, exact in float64."""

_WIDEST: Final = 2**11
_ROWS: Final = 8192


def residues(x: Float[np.ndarray, "n d"]) -> Int[np.ndarray, "n d"]:
    """The images of finite floats, in 0..p-1."""
    mantissa, exponent = np.frexp(np.asarray(x, np.float64))
    whole = np.ldexp(mantissa, 53).astype(np.int64) % PRIME
    # 2^e for every exponent of a float64, less the 53 bits of the mantissa.
    powers = np.array([pow(2, int(e) - 53, PRIME) for e in range(-1080, 1030)], np.int64)
    return (whole * powers[exponent + 1080] % PRIME).astype(np.int32)


def products(x: Int[np.ndarray, "n d"], u: Int[np.ndarray, "d m"]) -> Int[np.ndarray, "n m"]:
    """x u mod p, by float64 products that are exact."""
    total = np.zeros((len(x), u.shape[1]), np.int64)
    for top in range(0, len(x), _ROWS):
        rows = slice(top, top + _ROWS)
        for start in range(0, x.shape[1], _WIDEST):
            block = slice(start, start + _WIDEST)
            part = x[rows, block].astype(np.float64) @ u[block].astype(np.float64)
            total[rows] = (total[rows] + np.rint(part).astype(np.int64)) % PRIME
    return total


def rank(x: Int[np.ndarray, "n d"]) -> int:
    """The rank mod p: at most the rank over the rationals."""
    if 0 in x.shape:
        return 0
    return int(_matrix(x).rank())


def _matrix(x: Int[np.ndarray, "n d"]) -> nmod_mat:
    rows, columns = x.shape
    return nmod_mat(rows, columns, x.ravel().tolist(), PRIME)


def normal_vector(
    differences: Int[np.ndarray, "s d"], generator: np.random.Generator
) -> Int[np.ndarray, " d"] | None:
    """A random u with differences u = 0 mod p, if their rank is full and less than d; else None."""
    s, d = differences.shape
    if s >= d:
        return None
    u = generator.integers(0, PRIME, d)
    if s == 0:
        return u
    # Some s columns are solved for, the others stay random. Columns with many entries are rarely dependent.
    columns = np.sort(np.argsort(np.count_nonzero(differences, axis=0), kind="stable")[d - s :])
    square = differences[:, columns]
    if rank(square) < s:
        reduced, found = _matrix(differences).rref()
        if int(found) < s:
            return None
        table = np.array([int(v) for v in reduced.entries()], np.int64).reshape(s, d)
        columns = (table != 0).argmax(axis=1)
        square = differences[:, columns]
    u[columns] = 0
    right = (-products(differences, u[:, None])) % PRIME
    solved = _matrix(square).solve(_matrix(right))
    u[columns] = [int(v) for v in solved.entries()]
    return u
