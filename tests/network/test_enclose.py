"""The float64 logits and their radii contain the exact network, computed in rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.errors import NetworkError
from boundcheck.network import trace

_RNG = np.random.default_rng(2)


def rational(a):
    return np.vectorize(Fraction, otypes=[object])(np.asarray(a, np.float64))


def exact(layers, x):
    """A ReLU network in rational arithmetic, one example."""
    h = rational(x)
    for i, (w, b) in enumerate(layers):
        h = rational(w) @ h + rational(b)
        if i < len(layers) - 1:
            h = np.array([max(v, Fraction(0)) for v in h], object)
    return h


def forward(params, x):
    for w, b in params[:-1]:
        x = jax.nn.relu(w @ x + b)
    w, b = params[-1]
    return w @ x + b


def layers(widths, scale=1.0):
    return [
        (
            jnp.asarray(_RNG.normal(size=(m, n)) * scale, jnp.float32),
            jnp.asarray(_RNG.normal(size=m) * scale, jnp.float32),
        )
        for n, m in pairwise(widths)
    ]


def assert_contains(network, x, truth, tight=1e-12):
    logits, radius = network.enclose(x)
    assert logits.dtype == radius.dtype == np.float64
    for row, value in enumerate(truth):
        for j, v in enumerate(value):
            assert abs(v - Fraction(logits[row, j])) <= Fraction(radius[row, j])
    assert radius.max() <= tight * max(1.0, np.abs(logits).max())


@pytest.mark.parametrize("widths", [(4, 3), (5, 7, 3), (6, 9, 8, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_logit_lies_within_its_radius(widths, dtype):
    params = layers(widths)
    network = trace(forward, params, np.zeros(widths[0], np.float32))
    x = _RNG.normal(size=(6, widths[0])).astype(dtype)
    assert_contains(network, x, [exact(params, row) for row in x])


def test_dyadic_networks_with_cancellation_are_enclosed():
    w = jnp.asarray([[1.0, 1.0, -1.0], [2.0**20, -(2.0**20), 2.0**-20]], jnp.float32)
    v = jnp.asarray([[1.0, -1.0], [0.5, 3.0]], jnp.float32)
    params = [(w, jnp.zeros(2, dtype=jnp.float32)), (v, jnp.ones(2, dtype=jnp.float32))]
    x = np.array([[1.0, 1.0, 2.0**-40], [1 / 3, 1 / 3, 1e300], [1e-300, 0, 0], [0, 0, 0]])
    network = trace(forward, params, np.zeros(3, np.float32))
    assert_contains(network, x, [exact(params, row) for row in x])


def test_folded_layers_are_enclosed():
    """Scaled inputs, a normalization by constants and a product of two matrices in one piece."""
    (w, b), (v, c) = layers((4, 5, 3))
    s = jnp.asarray([0.3, 0.7, 1.1, 0.9, 2.3], jnp.float32)

    def f(p, x):
        w, b, v, c = p
        h = ((w @ (x / 255 - 0.1) + b) - b * 0.3) * s / 3
        return v @ jnp.maximum(v.T @ (v @ h), 0) + c

    network = trace(f, (w, b, v, c), np.zeros(4, np.float32))
    first = network.affine[0]
    assert first.radius is not None
    assert first.bias_radius is not None
    assert first.radius.max() < 1e-14
    x = _RNG.uniform(0, 255, size=(5, 4)).astype(np.float32)
    truth = []
    for row in x:
        shifted = np.array([r / 255 - Fraction(float(np.float32(0.1))) for r in rational(row)], object)
        h = rational(w) @ shifted + rational(b) - rational(b * jnp.float32(0.3))
        h = np.array([a * t / 3 for a, t in zip(h, rational(s), strict=True)], object)
        h = rational(v).T @ (rational(v) @ h)
        h = np.array([max(a, Fraction(0)) for a in h], object)
        truth.append(rational(v) @ h + rational(c))
    assert_contains(network, x, truth)
    np.testing.assert_allclose(
        network.enclose(x)[0], np.stack([f((w, b, v, c), row) for row in x]), rtol=1e-4, atol=1e-4
    )


def test_matrices_of_folded_layers_lie_within_their_radius():
    (w, _), (v, _) = layers((4, 5, 3))

    def f(p, x):
        first = p[1] @ (p[0] @ (x / 7))
        return jnp.concatenate([first[::-1], jnp.pad(x[1:3] - x[:2], (0, 1))])

    (piece,) = trace(f, (w, v), np.zeros(4, np.float32)).affine
    product = rational(v) @ rational(w) / Fraction(7)
    shift = np.array([[-1, 1, 0, 0], [0, -1, 1, 0], [0, 0, 0, 0]], float)
    truth = np.concatenate([product[::-1], rational(shift)])
    assert piece.radius is not None
    assert not piece.has_bias
    assert (piece.radius[3:] == 0).all()
    for i, j in np.ndindex(*piece.matrix.shape):
        assert abs(truth[i, j] - Fraction(float(piece.matrix[i, j]))) <= Fraction(float(piece.radius[i, j]))


def test_cancelled_entries_keep_an_absolute_radius():
    a = jnp.asarray([[1.0, 1.0]], jnp.float32)
    b = jnp.asarray([[0.1, 0.3], [-0.1, 0.7]], jnp.float32)
    params = (a, b, jnp.ones((2, 1), dtype=jnp.float32))

    def f(p, x):
        return p[2] @ jnp.maximum(p[0] @ (p[1] @ (x / 3)), 0)

    network = trace(f, params, np.zeros(2, np.float32))
    x = np.array([[1e6, 1e-3], [-4.0, 2.0]])
    truth = []
    for row in x:
        h = (rational(a) @ rational(b) @ (rational(row) / Fraction(3)))[0]
        truth.append([max(h, Fraction(0))] * 2)
    assert_contains(network, x, truth, tight=1e-8)


def test_exact_networks_have_exact_values():
    params = [(jnp.eye(3, dtype=jnp.float32), jnp.ones(3, dtype=jnp.float32))]
    logits, radius = trace(forward, params, np.zeros(3, np.float32)).enclose(np.ones((2, 3)))
    np.testing.assert_array_equal(logits, 2.0)
    assert radius.max() < 1e-14


def test_an_overflow_is_an_infinite_radius():
    params = [(jnp.full((2, 2), 1e30, jnp.float32), jnp.zeros(2, dtype=jnp.float32))] * 2
    logits, radius = trace(forward, params, np.zeros(2, np.float32)).enclose(np.full((1, 2), 1e300))
    assert np.isfinite(logits).all()
    assert np.isinf(radius).all()


def test_batches_are_split_without_a_trace():
    params = layers((3, 4, 2))
    network = trace(forward, params, np.zeros(3, np.float32))
    x = _RNG.normal(size=(8200, 3)).astype(np.float32)
    logits, radius = network.enclose(x)
    np.testing.assert_allclose(logits[-3:], network.enclose(x[-3:])[0], atol=1e-12)
    assert (radius > 0).all()
    assert network.enclose(x[:0])[0].shape == (0, 2)


def test_inputs_of_another_shape_are_refused():
    network = trace(forward, layers((3, 2)), np.zeros(3, np.float32))
    with pytest.raises(NetworkError, match=r"shape \(2, 4\)"):
        network.enclose(np.zeros((2, 4)))
    with pytest.raises(NetworkError, match="complex"):
        network.enclose(np.zeros((2, 3), complex))
    with pytest.raises(NetworkError, match="not finite"):
        network.enclose(np.array([[1.0, np.inf, 0.0]]))


def test_an_accelerator_runs_the_same_lines(monkeypatch):
    """JAX arrays in place of NumPy's, through a convolution, pooling, a skip and a dense layer."""
    params = {
        "k": jnp.asarray(_RNG.normal(size=(3, 3, 2, 2)), jnp.float32),
        "w": jnp.asarray(_RNG.normal(size=(3, 8)), jnp.float32),
    }

    def f(p, x):
        dims = ("NHWC", "HWIO", "NHWC")
        h = jax.nn.relu(jax.lax.conv_general_dilated(x[None], p["k"], (1, 1), "SAME", dimension_numbers=dims))
        h = jax.nn.leaky_relu(h + x[None])
        h = jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
        return p["w"] @ jnp.concatenate([jnp.tanh(h).reshape(-1)])

    x = _RNG.normal(size=(3, 4, 4, 2)).astype(np.float32)
    network = trace(f, params, x[0])
    logits, radius = network.enclose(x)
    monkeypatch.setattr(jax, "default_backend", lambda: "an accelerator")
    norms = [piece.spectral_norm() for piece in trace(f, params, x[0]).affine]
    again, wider = trace(f, params, x[0]).enclose(x)
    assert again.dtype == wider.dtype == np.float64
    np.testing.assert_allclose(again, logits, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(wider, radius, rtol=1e-6)
    for here, there in zip(network.affine, norms, strict=True):
        assert here.spectral_norm().intersects(there)


@pytest.mark.parametrize("weight", [1.5e20, 3e37])
def test_inputs_below_the_normal_numbers_keep_their_rounding(weight):
    w = jnp.asarray([[weight, -weight / 3], [weight / 7, weight]], jnp.float32)
    network = trace(lambda w, x: w @ x, w, np.zeros(2, np.float32))
    x = np.array([[1.1e-310, 3.3e-311], [-5e-324, 1.5e-323]])
    assert_contains(network, x, [rational(w) @ rational(row) for row in x])


def test_a_slope_that_underflows_keeps_its_rounding():
    w = jnp.asarray([[1e38, 2e38], [3e38, -1e38]], jnp.float32)
    network = trace(lambda w, x: w @ jax.nn.leaky_relu(x, 0.01), w, np.zeros(2, np.float32))
    x = np.array([[-5e-324, -1.5e-323]])
    slope = Fraction(float(np.float32(0.01)))
    assert_contains(network, x, [rational(w) @ (rational(x[0]) * slope)])


@pytest.mark.parametrize("join", ["concatenate", "maximum", "add"])
def test_radii_whose_squares_vanish_are_kept_where_values_meet(join):
    rng = np.random.default_rng(41)
    a, b = (jnp.asarray(rng.normal(size=(2, 6)), jnp.float32) for _ in range(2))
    meet = {
        "concatenate": lambda u, v: jnp.concatenate([u, v]),
        "maximum": jnp.maximum,
        "add": lambda u, v: u + v,
    }[join]
    network = trace(
        lambda p, x: meet(jnp.abs(p[0] @ x), jax.nn.relu(p[1] @ x)), (a, b), np.zeros(6, np.float32)
    )
    for scale in (1.0, 2.0**-560, 2.0**-900):
        # The last entry nearly cancels the others, so that the rounding is most of what is left.
        x = rng.normal(size=(20, 6))
        x[:, 5] = -(x[:, :5] @ np.asarray(a, float)[0, :5]) / float(a[0, 5])
        x = x * scale
        logits, radius = network.enclose(x)
        for row, values, radii in zip(x, logits, radius, strict=True):
            u = abs(rational(a) @ rational(row))
            v = np.array([max(t, Fraction(0)) for t in rational(b) @ rational(row)], object)
            exact = {
                "concatenate": [*u, *v],
                "maximum": [max(s, t) for s, t in zip(u, v, strict=True)],
                "add": list(u + v),
            }[join]
            for e, value, r in zip(exact, values, radii, strict=True):
                assert abs(e - Fraction(float(value))) <= Fraction(float(r))


def test_integers_beyond_float64_are_refused():
    network = trace(lambda w, x: w @ x, jnp.eye(2), np.zeros(2, np.float32))
    with pytest.raises(NetworkError, match="int64"):
        network.enclose(np.array([[2**53 + 1, 0]]))
    logits, _ = network.enclose(np.array([[3, 4]], np.int32))
    np.testing.assert_array_equal(logits, [[3, 4]])
