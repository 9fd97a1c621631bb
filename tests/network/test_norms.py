"""Both ends of every norm hold, and lie close together."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from boundcheck.errors import NetworkError
from boundcheck.interval import Interval
from boundcheck.network import Affine, Dense

_RNG = np.random.default_rng(1)


def affine(matrix, radius=None, bias=None, bias_radius=None):
    matrix = np.asarray(matrix, np.float64)
    return Affine(
        label="a",
        source="a.py:1",
        in_shape=(matrix.shape[1],),
        out_shape=(matrix.shape[0],),
        operator=Dense(matrix=matrix, radius=radius),
        bias=np.zeros(len(matrix)) if bias is None else bias,
        bias_radius=bias_radius,
        has_bias=bias is not None,
        free=False,
    )


def _rows(a):
    return [[abs(mpmath.mpf(float(x))) for x in row] for row in a]


def truth(a):
    """Each norm to 60 digits, from definitions."""
    rows = _rows(a)
    squares = [sum(x * x for x in row) for row in rows]
    wide = mpmath.matrix([[mpmath.mpf(float(x)) for x in row] for row in a])
    return {
        "spectral_norm": max(mpmath.svd_r(wide, compute_uv=False)),
        "frobenius_norm": mpmath.sqrt(sum(squares)),
        "row_norm_sum": sum(mpmath.sqrt(s) for s in squares),
        "inf_norm": max(sum(row) for row in rows),
        "one_norm": max(sum(column) for column in zip(*rows, strict=True)),
        "entry_sum": sum(sum(row) for row in rows),
    }


def _fraction(x):
    sign, man, exp, _ = x._mpf_
    man = -int(man) if sign else int(man)
    return Fraction(man) * Fraction(2) ** exp


def check(a, gap, around=None):
    """`around`: the matrix whose norms must lie inside, if it is not `a` itself."""
    with mpmath.workdps(60):
        exact = {name: _fraction(value) for name, value in truth(a if around is None else around).items()}
    piece = a if isinstance(a, Affine) else affine(a)
    for name, value in exact.items():
        got = getattr(piece, name)()
        # The truth itself is known to 50 digits, which only matters where an end is attained.
        slack = value * Fraction(1, 10**30)
        assert got.lo <= Interval(value + slack).hi, name
        assert got.hi >= Interval(value - slack).lo, name
        assert got.hi <= got.lo * (1 + gap), name
        assert getattr(piece, name)() is got


MATRICES = {
    "one": np.array([[-3.0]]),
    "wide": _RNG.normal(size=(3, 9)),
    "tall": _RNG.normal(size=(9, 3)),
    "square": _RNG.normal(size=(7, 7)),
    "rank one": np.outer(_RNG.normal(size=6), _RNG.normal(size=5)),
    "orthogonal": np.linalg.qr(_RNG.normal(size=(8, 8)))[0],
    "identity": np.eye(6),
    "ones": np.ones((5, 7)),
    "one entry": np.eye(6)[:, :1] @ np.eye(4)[:1] * -0.1,
    "row": _RNG.normal(size=(1, 12)),
    "nearly equal": np.diag([1, 1 - 1e-12, 1 - 1e-9, 0.5]),
    "graded": np.diag(10.0 ** -np.arange(0, 200, 40)) + 1e-200,
    "float32": _RNG.normal(size=(6, 6)).astype(np.float32).astype(np.float64),
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("scale", [1.0, 1e-170, 1e-308, 1e150, 1e306])
def test_norms_contain_the_truth_at_every_scale(name, scale):
    check(MATRICES[name] * scale, gap=1e-8)


def test_subnormal_matrices_have_positive_norms():
    tiny = np.full((2, 2), 5e-324)
    spectral = affine(tiny).spectral_norm()
    assert spectral.lo > 0
    assert spectral.contains(Interval(2) * 5e-324)


def test_the_zero_matrix_has_norm_zero():
    piece = affine(np.zeros((3, 4)))
    for norm in (
        piece.spectral_norm,
        piece.frobenius_norm,
        piece.row_norm_sum,
        piece.inf_norm,
        piece.one_norm,
    ):
        assert norm() == Interval(0)
    assert piece.entry_sum() == piece.bias_norm() == Interval(0)


@settings(derandomize=True, deadline=None, max_examples=40, database=None)
@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=4),
        elements=st.floats(-8, 8, width=32),
    )
)
def test_norms_contain_the_truth(a):
    if a.any():
        check(a, gap=1e-8)


def test_norms_of_a_ball_contain_the_norms_of_its_members():
    mid = _RNG.normal(size=(4, 6))
    radius = np.full_like(mid, 1e-6)
    for _ in range(4):
        check(affine(mid, radius), gap=1e-4, around=mid + radius * _RNG.choice([-1, 1], size=mid.shape))
    vague = affine(np.zeros((2, 2)), np.ones((2, 2)))
    assert vague.spectral_norm().contains(Interval(0, 2))
    assert vague.frobenius_norm().contains(Interval(0, 2))


def test_spectral_norms_of_large_layers_are_tight():
    a = _RNG.normal(size=(512, 300))
    norm, svd = affine(a).spectral_norm(), float(np.linalg.norm(a, 2))
    assert norm.lo <= svd * (1 + 1e-12)
    assert norm.hi >= svd * (1 - 1e-12)
    assert norm.hi <= Interval(norm.lo) * (1 + 1e-7)
    q = np.linalg.qr(_RNG.normal(size=(200, 200)))[0]
    assert affine(q).spectral_norm().hi <= 1 + 1e-7


def test_differences_account_for_their_rounding():
    a, b = _RNG.normal(size=(3, 4)), _RNG.normal(size=(3, 4)) * 1e-7
    difference = affine(a, bias=a[:, 0]) - affine(b, bias=b[:, 0])
    assert difference.radius is not None
    for i, j in np.ndindex(3, 4):
        exact = Fraction(float(a[i, j])) - Fraction(float(b[i, j]))
        assert abs(exact - Fraction(float(difference.matrix[i, j]))) <= Fraction(
            float(difference.radius[i, j])
        )
    assert difference.radius.max() <= 2.0**-52
    assert difference.has_bias
    assert not difference.free
    narrow = affine(a.astype(np.float32)) - affine(a.astype(np.float32) + np.float32(0.125))
    assert narrow.is_exact
    same = affine(a) - affine(a)
    assert same.spectral_norm() == Interval(0)
    with pytest.raises(NetworkError, match="one shape"):
        _ = affine(a) - affine(a.T)


def test_bias_norms():
    piece = affine(np.eye(3), bias=np.array([3.0, -4.0, 0.0]))
    assert piece.bias_norm(1).contains(7)
    assert piece.bias_norm(2).contains(5)
    assert piece.bias_norm(1).hi < 7 + 1e-12
    loose = affine(np.eye(1), bias=np.array([1.0]), bias_radius=np.array([0.5]))
    assert loose.bias_norm(2).contains(Interval(0.5, 1.5))
    with pytest.raises(ValueError, match="order 1 and 2"):
        piece.bias_norm(3)


def test_operators_are_transposes_of_each_other():
    piece = affine(_RNG.normal(size=(3, 5)))
    x, y = _RNG.normal(size=5), _RNG.normal(size=3)
    assert np.isclose(piece.mv(x) @ y, x @ piece.transpose(y))


def test_lower_ends_of_a_ball_hold_where_its_low_ends_nearly_vanish():
    x = np.sqrt(0.51) * 2.0**-535
    ball = affine(np.array([[1.0, x]]), np.array([[1.0, 0.0]]))
    for norm in (ball.frobenius_norm, ball.row_norm_sum, ball.spectral_norm):
        assert norm().lo <= Interval(x)
