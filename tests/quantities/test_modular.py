"""Arithmetic modulo a prime on floats, against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from boundcheck.quantities.modular import PRIME, normal_vector, products, rank, residues


def residue(x: float) -> int:
    exact = Fraction(x)
    return exact.numerator * pow(exact.denominator, -1, PRIME) % PRIME


def test_the_prime_is_one_below_two_to_the_21():
    assert sympy.isprime(PRIME)
    assert PRIME < 2**21
    assert 2**11 * (PRIME - 1) ** 2 < 2**53


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_residues_are_those_of_the_fractions(values):
    found = residues(np.array([values]))
    assert found.tolist() == [[residue(v) for v in values]]


@pytest.mark.parametrize("d", [1, 5, 3000])
def test_products_are_exact(d):
    rng = np.random.default_rng(d)
    x, u = rng.integers(0, PRIME, (4, d)), rng.integers(0, PRIME, (d, 3))
    x[0], u[:, 0] = PRIME - 1, PRIME - 1
    exact = [
        [sum(int(a) * int(b) for a, b in zip(row, col, strict=True)) % PRIME for col in u.T] for row in x
    ]
    assert products(x, u).tolist() == exact


def test_the_rank_is_never_more_than_the_true_one():
    rng = np.random.default_rng(2)
    for _ in range(50):
        n, d, r = rng.integers(1, 7, 3)
        matrix = rng.integers(-3, 4, (n, r)) @ rng.integers(-3, 4, (r, d))
        true = sympy.Matrix(matrix.tolist()).rank()
        assert rank(residues(matrix.astype(float))) <= true
        assert rank(residues(matrix.astype(float))) == true
    assert rank(np.zeros((0, 3), np.int32)) == 0


@pytest.mark.parametrize("zeros", [0, 4])
def test_a_normal_vector_is_orthogonal_and_only_there_at_full_rank(zeros):
    rng = np.random.default_rng(3)
    differences = residues(rng.normal(size=(5, 9)))
    differences[:, :zeros] = 0
    u = normal_vector(differences, rng)
    # With four zero columns five are left for five rows: of full rank, and the zero columns are free.
    assert u is not None
    assert not products(differences, u[:, None]).any()
    assert u.any()
    dependent = np.concatenate([differences, differences[:1]])
    assert normal_vector(dependent, rng) is None
    assert normal_vector(residues(rng.normal(size=(9, 9))), rng) is None
    assert normal_vector(np.zeros((0, 4), np.int32), rng).shape == (4,)


def test_columns_that_are_chosen_badly_are_replaced():
    """The columns with most entries are dependent; others are not."""
    differences = np.array([[1, 1, 0, 5], [2, 2, 3, 0]], np.int32)
    u = normal_vector(differences, np.random.default_rng(1))
    assert u is not None
    assert not products(differences, u[:, None]).any()
