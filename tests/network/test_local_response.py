"""Local response normalization is one nonlinearity, however it is written, with a constant that holds everywhere."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.optimize
from jax import lax

from boundcheck.errors import NetworkError
from boundcheck.network import trace
from boundcheck.network.nonlinear import LocalResponse, Tanh

C, N, K, ALPHA, BETA = 6, 5, 2.0, 0.25, 0.75
BAND = (np.abs(np.subtract.outer(range(C), range(C))) <= N // 2).astype(np.float32)
RNG = np.random.default_rng(3)


def padded(squares):
    wide = jnp.pad(squares, [(0, 0)] * (squares.ndim - 1) + [(2, 2)])
    return sum(wide[..., i : i + C] for i in range(N))


def concatenated(squares):
    zeros = jnp.zeros((*squares.shape[:-1], 2))
    wide = jnp.concatenate([zeros, squares, zeros], -1)
    total = 0
    for i in range(N):
        total = total + lax.dynamic_slice_in_dim(wide, i, C, axis=-1)
    return total


def reduced(squares):
    sizes = (1,) * (squares.ndim - 1) + (N,)
    return lax.reduce_window(squares, 0.0, lax.add, sizes, (1,) * squares.ndim, "SAME")


def band(squares):
    return squares @ BAND


def band_first(squares):
    return jnp.moveaxis(jnp.einsum("dc,...c->d...", BAND, squares), 0, -1)


def convolved(squares):
    rows = squares.reshape(-1, 1, C)
    return lax.conv_general_dilated(rows, jnp.ones((1, 1, N)), (1,), "SAME").reshape(squares.shape)


def pointwise(squares):
    image = squares.reshape(1, -1, 1, C)
    kernel, layout = jnp.asarray(BAND)[None, None], ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(image, kernel, (1, 1), "SAME", dimension_numbers=layout).reshape(
        squares.shape
    )


def planar(squares):
    image = squares.reshape(1, -1, C, 1)
    kernel, layout = jnp.ones((1, N, 1, 1)), ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(image, kernel, (1, 1), "SAME", dimension_numbers=layout).reshape(
        squares.shape
    )


def accumulated(squares):
    sums = jnp.cumsum(jnp.pad(squares, [(0, 0)] * (squares.ndim - 1) + [(3, 2)]), -1)
    return sums[..., N:] - sums[..., :-N]


def gathered(squares):
    wide = jnp.pad(squares, [(0, 0)] * (squares.ndim - 1) + [(2, 2)])
    return wide[..., np.arange(C)[:, None] + np.arange(N)].sum(-1)


SUMS = [padded, concatenated, reduced, band, band_first, convolved, pointwise, planar, accumulated, gathered]
QUOTIENTS = {
    "power": lambda x, d: x / d**BETA,
    "inverse": lambda x, d: x * d**-BETA,
    "reciprocal": lambda x, d: x * (1 / d**BETA),
    "roots": lambda x, d: x / (jnp.sqrt(d) * jnp.sqrt(jnp.sqrt(d))),
    "rsqrt": lambda x, d: lax.rsqrt(d) * x * 1.0 if BETA == 0.5 else (lax.rsqrt(d) * d**-0.25) * x,
}
HEAD = RNG.normal(size=(3, 12)).astype(np.float32)


def traced(f, x=None):
    x = np.ones((1, 2, C), np.float32) if x is None else x
    return trace(lambda p, x: p @ f(x).reshape(-1), jnp.asarray(HEAD), x)


def response(f, x=None):
    (found,) = traced(f, x).nonlinear
    assert isinstance(found, LocalResponse)
    return found


def same(a, b):
    assert (a.offset, a.exponent, a.error) == (b.offset, b.exponent, b.error)
    np.testing.assert_array_equal(a.reads, b.reads)
    np.testing.assert_array_equal(a.weights, b.weights)


def usual(x):
    return x / (K + ALPHA * padded(x**2)) ** BETA


@pytest.mark.parametrize("total", SUMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "square", [lambda x: x**2, jnp.square, lambda x: x * x], ids=["power", "square", "product"]
)
def test_every_spelling_of_the_sum_is_the_same_node(total, square):
    def f(x):
        return x / (K + ALPHA * total(square(x))) ** BETA

    expected = response(usual)
    assert (expected.offset, expected.exponent) == (K, BETA)
    assert sorted(np.unique(expected.weights)) == [0, ALPHA]
    assert sorted(np.count_nonzero(expected.weights, axis=0)) == [3] * 4 + [4] * 4 + [5] * 4
    same(response(f), expected)
    same(response(jax.jit(f)), expected)


@pytest.mark.parametrize("quotient", QUOTIENTS.values(), ids=QUOTIENTS)
def test_every_spelling_of_the_power_is_the_same_node(quotient):
    same(response(lambda x: quotient(x, K + ALPHA * reduced(x**2))), response(usual))


@pytest.mark.parametrize(
    ("power", "exponent"),
    [
        (lambda x, d: x / jnp.sqrt(d), 0.5),
        (lambda x, d: x * lax.rsqrt(d), 0.5),
        (lambda x, d: x / d**2, 2),
        (lambda x, d: x / d, 1),
        (lambda x, d: x * d**-3, 3),
    ],
)
def test_roots_and_whole_powers_are_exponents(power, exponent):
    assert response(lambda x: power(x, K + reduced(x**2))).exponent == exponent


def test_channels_may_come_first_or_behind_a_batch_axis():
    def first(x):
        squares = jnp.pad(x**2, ((2, 2), (0, 0), (0, 0)))
        return x / (K + ALPHA * sum(squares[i : i + C] for i in range(N))) ** BETA

    def moved(x):
        return jnp.moveaxis(first(jnp.moveaxis(x, -1, 0)), 0, -1)

    def batched(x):
        return usual(x[None])[0]

    same(response(moved), response(usual))
    same(response(batched), response(usual))
    # Entry (c, i) of the first is entry (i, c) of the second.
    ours, theirs = response(first, np.ones((C, 2, 1), np.float32)), response(usual)
    order = np.arange(12).reshape(2, C).T.reshape(-1)
    x = RNG.normal(size=(4, 12))
    np.testing.assert_allclose(ours.apply(x[:, order]), theirs.apply(x)[:, order], rtol=1e-14)


def test_the_order_of_the_node_before_is_followed():
    """A transposed value keeps its node, in whose order the reads are."""

    def f(x):
        h = jnp.tanh(x)
        return usual(h.transpose(1, 0)[None]).sum(0)

    x = RNG.normal(size=(C, 2)).astype(np.float32)
    network = traced(f, x)
    assert [type(n) for n in network.nonlinear] == [Tanh, LocalResponse]
    logits, _ = network.enclose(x[None])
    want = HEAD.astype(np.float64) @ np.asarray(f(x), np.float64).reshape(-1)
    np.testing.assert_allclose(logits[0], want, rtol=1e-4)


def test_a_mean_over_all_channels_is_a_group_with_the_exact_constant():
    """Root mean square normalization: k^-1/2."""
    found = response(lambda x: x * lax.rsqrt(jnp.mean(x**2, -1, keepdims=True) + 0.25))
    assert found.lipschitz.contains(2)
    assert found.lipschitz.hi <= 2 * (1 + 1e-14)


def test_centred_values_are_normalized_after_the_centring():
    def f(x):
        centred = x - x.mean(-1, keepdims=True)
        return centred / jnp.sqrt(jnp.mean(centred**2, -1, keepdims=True) + 1)

    assert response(f).lipschitz.contains(1)


def random_response(k, beta, reads, weights, error=0.0):
    return LocalResponse(
        label="a",
        source="b",
        size=reads.shape[1],
        offset=k,
        exponent=beta,
        reads=reads,
        weights=weights,
        error=error,
    )


def of_matrix(W, beta, k=1.0):
    reads = np.where(W > 0, np.arange(len(W)), -1).T
    return random_response(k, beta, np.ascontiguousarray(reads), np.ascontiguousarray(W.T))


def jacobian(W, beta, k, x):
    D = k + W @ (x * x)
    return jnp.diag(D**-beta) - 2 * beta * (x * D ** (-beta - 1))[:, None] * W * x


def steepest(W, beta, k, rng, starts):
    """The largest Jacobian norm that gradient ascent finds."""
    norm = jax.jit(jax.value_and_grad(lambda x: -jnp.linalg.norm(jacobian(W, beta, k, x), 2)))
    best = 0.0
    for _ in range(starts):
        x = rng.normal(size=len(W)) * np.exp(rng.normal(scale=1.5)) * np.sqrt(k / W.max())

        def value(x):
            f, slope = norm(x)
            return float(f), np.nan_to_num(np.asarray(slope))

        best = max(best, -scipy.optimize.minimize(value, x, jac=True, method="L-BFGS-B").fun)
    return best


def windows(size, n):
    apart = np.subtract.outer(np.arange(size), np.arange(size))
    return ((apart <= (n - 1) // 2) & (-apart <= n // 2)).astype(np.float64)


def kinds(rng):
    """Windows with one weight, with several, of neighbours and of anything, and a hub that all others read."""
    size = int(rng.integers(3, 10))
    W = windows(size, int(rng.integers(1, 7))) * np.exp(rng.normal(scale=3))
    yield "neighbours", W
    yield "weighted neighbours", W * rng.uniform(0.3, 1, W.shape)
    yield "anything", np.where(rng.random(W.shape) < 0.5, 1.0, 0) + np.eye(size)
    yield "hub", np.eye(size) + np.where(np.arange(size) == 0, rng.uniform(0.1, 9), 0) * (1 - np.eye(size))


@pytest.mark.parametrize("seed", range(6))
def test_no_jacobian_is_larger_than_the_constant(seed):
    rng = np.random.default_rng(seed)
    with jax.enable_x64(True):
        for kind, W in kinds(rng):
            k, beta = float(np.exp(rng.normal(scale=2))), float(rng.choice([0.25, 0.5, 0.75, 1, 2, 5]))
            bound = of_matrix(W, beta, k).lipschitz
            found = steepest(W, beta, k, rng, 4)
            assert found <= float(bound.hi) * (1 + 1e-12), kind
            assert k**-beta <= float(bound.hi) * (1 + 1e-12)
            assert float(bound.lo) <= k**-beta * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_absolute_sums_of_rows_and_columns_are_bounded(seed):
    """The two numbers whose product is used, against many points at all scales."""
    from boundcheck.network.response_norm import _column_sum, _row_sum

    rng = np.random.default_rng(seed)
    for n, beta in ((3, 0.75), (5, 0.75), (5, 2.0), (7, 0.5), (9, 5.0)):
        W = windows(2 * n, n)
        row = float(_row_sum(beta, n - 1.0).hi)
        column = float(_column_sum(beta, n - 1, 0.0, True).hi)
        x = rng.normal(size=(20000, 2 * n)) * np.exp(rng.normal(size=(20000, 1)))
        D = 1 + (x * x) @ W.T
        J = (
            np.abs(np.eye(2 * n) - 2 * beta * W * (x / D)[:, :, None] * x[:, None, :])
            * D[:, :, None] ** -beta
        )
        assert J.sum(2).max() <= row
        assert J.sum(1).max() <= column
        assert J.sum(2).max() >= 0.9
        assert column <= J.sum(1).max() * (1.5 if n < 9 else 2.5)


@pytest.mark.parametrize(("n", "ratio"), [(1, 1), (3, 1.00001), (5, 1.128), (7, 1.318), (9, 1.511)])
def test_constants_of_neighbours_are_near_the_derivative_at_zero(n, ratio):
    """Gradient ascent finds nothing above 1 for these: the ratios are what is lost."""
    bound = of_matrix(windows(3 * n, n), 0.75).lipschitz
    with jax.enable_x64(True):
        found = steepest(windows(n + 2, n), 0.75, 1.0, np.random.default_rng(n), 3)
    assert found <= 1 + 1e-9
    assert 1 <= float(bound.hi) <= ratio


def test_alexnet_constant():
    W = 1e-4 * windows(96, 5)
    bound = of_matrix(W, 0.75, 2.0).lipschitz
    assert float(bound.lo) <= 2**-0.75 <= 0.6705 <= float(bound.hi) <= 0.6707


def test_an_unknown_offset_widens_the_constant():
    W = windows(9, 5)
    reads = np.where(W > 0, np.arange(9), -1).T
    exact, loose = (random_response(1.0, 0.75, reads, W.T.copy(), error) for error in (0.0, 1e-6))
    assert loose.lipschitz.lo < exact.lipschitz.lo
    assert exact.lipschitz.hi < loose.lipschitz.hi < exact.lipschitz.hi * (1 + 1e-5)
    assert loose.rounding > exact.rounding + 0.7e-6


@pytest.mark.parametrize(
    ("k", "alpha", "beta"), [(2.0, 1e-4, 0.75), (1.0, 0.3, 0.5), (1e-5, 1.0, 0.7), (1.0, 2.0, 3.0)]
)
def test_logits_lie_within_the_radius_at_fifty_digits(k, alpha, beta):
    def f(p, x):
        h = p["a"] @ x
        h = h / (k + alpha / N * padded(h**2)) ** beta
        return p["b"] @ h

    params = {
        "a": RNG.normal(size=(C, 4)).astype(np.float32),
        "b": RNG.normal(size=(3, C)).astype(np.float32),
    }
    x = (RNG.normal(size=(20, 4)) * np.exp(RNG.normal(scale=3, size=(20, 1)))).astype(np.float32)
    logits, radii = trace(f, params, x[0]).enclose(x)
    assert (radii.max(axis=1) <= 1e-10 * k**-beta * (1 + np.linalg.norm(x, axis=1))).all()
    k, slope, beta = (mpmath.mpf(float(np.float32(v))) for v in (k, alpha / N, beta))
    with mpmath.workdps(50):
        a, b = (mpmath.matrix(params[i].astype(np.float64).tolist()) for i in "ab")
        for row, y, r in zip(x, logits, radii, strict=True):
            h = a * mpmath.matrix(row.astype(np.float64).tolist())
            sums = [mpmath.fsum(h[j] ** 2 for j in range(max(0, i - 2), min(C, i + 3))) for i in range(C)]
            z = b * mpmath.matrix([h[i] / (k + slope * sums[i]) ** beta for i in range(C)])
            for c in range(3):
                assert abs(z[c] - mpmath.mpf(float(y[c]))) <= mpmath.mpf(float(r[c]))


@pytest.mark.parametrize("scale", [1e200, 1e-320])
def test_what_over_or_underflows_is_unknown_and_not_zero(scale):
    network = traced(usual)
    x = np.full((2, 1, 2, C), scale)
    x[1] = 1.0
    _, radii = network.enclose(x)
    assert np.isinf(radii[0]).all()
    assert np.isfinite(radii[1]).all()


def reason(f, params=HEAD, x=None):
    x = np.ones((1, 2, C), np.float32) if x is None else x
    with pytest.raises(NetworkError) as caught:
        trace(lambda p, x: jnp.asarray(HEAD) @ f(p, x).reshape(-1), params, x)
    return caught.value.reasons


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda p, x: x / padded(x**2) ** BETA, "k = 0"),
        (lambda p, x: x / (-1 + padded(x**2)) ** BETA, "k = -1"),
        (lambda p, x: x / jnp.linalg.norm(x, axis=-1, keepdims=True), "k = 0"),
        (lambda p, x: x / (K - ALPHA * padded(x**2)) ** BETA, "weights are negative"),
        (lambda p, x: x / (K + padded(x**2) - 2 * x**2) ** BETA, "weights are negative"),
        (lambda p, x: x / (K + padded(x**2) - x**2) ** BETA, "lacks the square of the entry divided"),
        (lambda p, x: x / (K + jnp.arange(C) + padded(x**2)) ** BETA, "k differs between entries"),
        (lambda p, x: x / (K + p[0, 0] * padded(x**2)) ** BETA, "parameters"),
        (lambda p, x: x * (K + padded(x**2)) ** BETA, "growing power"),
    ],
)
def test_a_normalization_without_a_constant_is_refused_with_the_reason(f, words):
    (why,) = reason(f)
    assert words in why
    assert "test_local_response.py:" in why


@pytest.mark.parametrize(
    "f",
    [
        lambda p, x: x * x / jnp.sum(x * x),
        lambda p, x: x / (K + padded((2 * x) ** 2)) ** BETA,
        lambda p, x: x / (K + padded(x**4)) ** BETA,
        lambda p, x: x / (K + jnp.abs(padded(x**2))) ** BETA,
        lambda p, x: x / (K + x.astype(jnp.bfloat16).astype(jnp.float32) ** 2),
        lambda p, x: x * (1 + x**2),
        lambda p, x: x / (K + padded(x**2)) ** x,
    ],
)
def test_what_is_no_local_response_stays_an_ordinary_refusal(f):
    assert any(f"depend{s} on the input" in why for why in reason(f) for s in ("", "s"))
    assert not any("local response" in why for why in reason(f))
