"""A convolution is the matrix that a loop over its definition gives, and its closed norms are that matrix's."""

from __future__ import annotations

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcheck.errors import NetworkError
from boundcheck.interval import Interval
from boundcheck.network.axis import Axis
from boundcheck.network.convolution import Convolution

_RNG = np.random.default_rng(3)
_MANY = settings(derandomize=True, deadline=None, max_examples=300, database=None)
_FEW = settings(derandomize=True, deadline=None, max_examples=6, database=None)


@st.composite
def convolutions(draw, groups=(1, 1, 2, 3), channels=3):
    """Small convolutions of every geometry, of Gaussian kernels with some zeros."""
    size = draw(st.tuples(*[st.integers(1, 6)] * 2))
    taps = draw(st.tuples(*[st.integers(1, 3)] * 2))
    stride = draw(st.tuples(*[st.integers(1, 3)] * 2))
    dilation = draw(st.tuples(*[st.integers(1, 3)] * 2))
    padding = []
    for n, k, d in zip(size, taps, dilation, strict=True):
        low = draw(st.integers(-2, 4))
        # At least as much as makes one window fit.
        least = d * (k - 1) + 1 - n - low
        padding.append((low, max(draw(st.integers(-2, 4)), least)))
    g = draw(st.sampled_from(groups))
    i, o = draw(st.integers(1, channels)), g * draw(st.integers(1, channels))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    kernel = rng.normal(size=(*taps, i, o)) * (rng.random((*taps, 1, 1)) < 0.9)
    return Convolution(
        kernel=kernel, groups=g, size=size, stride=stride, padding=tuple(padding), dilation=dilation
    )


def unrolled(c: Convolution, kernel: np.ndarray | None = None) -> np.ndarray:
    """The matrix, entry by entry from the definition."""
    kernel = c.kernel if kernel is None else kernel
    (height, width, _), (rows, columns, o) = c.in_shape, c.out_shape
    kh, kw, i, _ = kernel.shape
    matrix = np.zeros((*c.out_shape, *c.in_shape))
    for r, q, u, v in np.ndindex(rows, columns, kh, kw):
        y = r * c.stride[0] - c.padding[0][0] + u * c.dilation[0]
        x = q * c.stride[1] - c.padding[1][0] + v * c.dilation[1]
        if 0 <= y < height and 0 <= x < width:
            for k in range(o):
                g = k // (o // c.groups)
                matrix[r, q, k, y, x, g * i : (g + 1) * i] += kernel[u, v, :, k]
    return matrix.reshape(c.out_size, c.in_size)


def norms_of(a: np.ndarray) -> dict[str, np.floating]:
    """The closed norms of a dense matrix."""
    return {
        "frobenius_norm": np.linalg.norm(a),
        "row_norm_sum": np.linalg.norm(a, axis=1).sum(),
        "column_norm_sum": np.linalg.norm(a, axis=0).sum(),
        "inf_norm": np.abs(a).sum(axis=1).max(),
        "one_norm": np.abs(a).sum(axis=0).max(),
        "entry_sum": np.abs(a).sum(),
    }


@_MANY
@given(convolutions())
def test_operator_adjoint_and_matrix_follow_the_definition(c):
    a = unrolled(c)
    np.testing.assert_array_equal(c.matrix(), a)
    assert c.matrix_radius() is None
    x, y = _RNG.normal(size=(2, *c.in_shape)), _RNG.normal(size=(2, *c.out_shape))
    image, back = c.apply(x), c.adjoint(y)
    assert image.shape == (2, *c.out_shape)
    assert back.shape == (2, *c.in_shape)
    # The promised error: m u times the same sum of absolute values.
    taps = c.kernel.shape[0] * c.kernel.shape[1]
    flat, m = x.reshape(2, -1), taps * max(c.kernel.shape[2], c.kernel.shape[3] // c.groups)
    assert (
        np.abs(image.reshape(2, -1) - flat @ a.T) <= 3 * m * 2.0**-53 * (np.abs(flat) @ np.abs(a.T))
    ).all()
    flat = y.reshape(2, -1)
    assert (np.abs(back.reshape(2, -1) - flat @ a) <= 3 * m * 2.0**-53 * (np.abs(flat) @ np.abs(a))).all()


@_MANY
@given(convolutions())
def test_closed_norms_are_those_of_the_matrix(c):
    a = unrolled(c)
    for name, truth in norms_of(a).items():
        norm = getattr(c, name)()
        assert norm.lo <= truth * (1 + 1e-12), name
        assert norm.hi >= truth * (1 - 1e-12), name
        assert norm.hi <= (norm.lo * (1 + Interval(1e-12))).hi, name
    norm, truth = c.kernel_norm_sum(), np.linalg.norm(c.kernel, axis=2).sum()
    assert norm.lo <= truth * (1 + 1e-12)
    assert norm.hi >= truth * (1 - 1e-12)


@_MANY
@given(convolutions())
def test_compact_operators_keep_the_singular_values(c):
    compact, a = c.compact(), unrolled(c)
    if compact is None:
        assert not a.any()
        return
    assert compact.in_size <= c.in_size
    assert compact.out_size <= c.out_size
    assert min(*compact.padding[0], *compact.padding[1]) >= 0
    whole, part = (np.linalg.svd(m, compute_uv=False) for m in (a, unrolled(compact)))
    rank = min(len(whole), len(part))
    np.testing.assert_allclose(part[:rank], whole[:rank], atol=1e-12)
    np.testing.assert_allclose(whole[rank:], 0, atol=1e-12)


@_FEW
@given(convolutions(groups=(1, 2)))
def test_jax_computes_the_same_convolution(c):
    x = _RNG.normal(size=(2, *c.in_shape))
    with jax.enable_x64(True):
        by_xla = jax.lax.conv_general_dilated(
            jnp.asarray(x),
            jnp.asarray(c.kernel),
            c.stride,
            c.padding,
            rhs_dilation=c.dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=c.groups,
        )
        image = c.apply(jnp.asarray(x))
        back = c.adjoint(image)
    assert isinstance(image, jax.Array)
    assert isinstance(back, jax.Array)
    assert image.dtype == back.dtype == np.float64
    np.testing.assert_allclose(c.apply(x), by_xla, atol=1e-12)
    np.testing.assert_allclose(image, by_xla, atol=1e-12)
    np.testing.assert_allclose(back, c.adjoint(c.apply(x)), atol=1e-11)


def convolution(kernel, **fields):
    fields = {"size": (5, 4), "padding": ((1, 1), (1, 1))} | fields
    return Convolution(kernel=np.asarray(kernel, np.float64), **fields)


@pytest.mark.parametrize("scale", [1e-310, 1e-170, 1.0, 1e150, 1e306])
def test_closed_norms_hold_at_every_scale(scale):
    kernel = _RNG.normal(size=(3, 3, 2, 3))
    c = convolution(kernel * scale)
    for name, truth in norms_of(unrolled(convolution(kernel))).items():
        norm, exact = getattr(c, name)(), Interval(float(truth)) * scale
        # Subnormal entries have few digits.
        slack = 1e-4 if scale < 1e-307 else 1e-12
        assert norm.lo <= (exact * (1 + slack)).hi, name
        assert norm.hi >= (exact * (1 - slack)).lo, name


def test_taps_that_meet_only_padding_do_not_count():
    kernel = np.zeros((3, 1, 1, 1))
    kernel[0] = kernel[2] = 1e300
    kernel[1] = 1e-30
    c = convolution(kernel, size=(1, 1), padding=((1, 1), (0, 0)))
    for name in norms_of(np.eye(1)):
        assert getattr(c, name)().contains(1e-30), name
    assert c.kernel_norm_sum().hi > 1e300
    kernel[1] = 0
    c = convolution(kernel, size=(1, 1), padding=((1, 1), (0, 0)))
    for name in norms_of(np.eye(1)):
        assert getattr(c, name)() == Interval(0), name
    assert c.compact() is None


def test_norms_of_a_ball_contain_those_of_its_members():
    kernel = _RNG.normal(size=(3, 2, 2, 4))
    radius = np.abs(_RNG.normal(size=kernel.shape)) * 1e-3
    radius[0] = 10
    c = convolution(kernel, radius=radius, groups=2, stride=(2, 1))
    assert c.radius is not None
    np.testing.assert_array_equal(c.matrix_radius(), unrolled(c, radius))
    for _ in range(20):
        member = kernel + radius * _RNG.uniform(-1, 1, size=kernel.shape)
        a = unrolled(c, member)
        for name, truth in norms_of(a).items():
            norm = getattr(c, name)()
            assert norm.lo <= truth * (1 + 1e-12), name
            assert norm.hi >= truth * (1 - 1e-12), name


def test_differences_account_for_their_rounding():
    a, b = _RNG.normal(size=(2, 2, 1, 3)), _RNG.normal(size=(2, 2, 1, 3)) * 1e-7
    difference = convolution(a) - convolution(b)
    assert difference.radius is not None
    for at in np.ndindex(a.shape):
        exact = Fraction(float(a[at])) - Fraction(float(b[at]))
        assert abs(exact - Fraction(float(difference.kernel[at]))) <= Fraction(float(difference.radius[at]))
    same = convolution(a) - convolution(a)
    assert same.radius is None
    assert same.frobenius_norm() == Interval(0)
    loose = convolution(a, radius=np.full(a.shape, 0.25)) - convolution(a)
    assert loose.radius is not None
    assert (np.abs(loose.radius - 0.25) <= 1e-15).all()
    assert (loose.radius >= 0.25).all()
    with pytest.raises(NetworkError, match="geometry"):
        _ = convolution(a) - convolution(a, stride=(2, 2))


def test_impossible_geometries_are_refused():
    with pytest.raises(ValueError, match="fit into"):
        Axis(size=2, taps=4)
    with pytest.raises(ValueError, match="at least 1"):
        Axis(size=2, taps=2, stride=0)
    with pytest.raises(ValueError, match="do not split"):
        convolution(np.ones((1, 1, 1, 3)), groups=2)
