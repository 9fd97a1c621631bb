"""Every parameter that the network depends on is counted, wherever it stands."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.errors import NetworkError
from boundcheck.network import Relu, trace
from boundcheck.network.forward import _bend
from boundcheck.quantities.capacity import rounds_of

_RNG = np.random.default_rng(0)


def weights(*shape):
    return jnp.asarray(_RNG.normal(size=shape), jnp.float32)


def conv(x, k):
    dims = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x[None], k, (1, 1), "SAME", dimension_numbers=dims)[0]


@pytest.mark.parametrize("shape", [(2,), (4, 4, 2)])
def test_factors_and_biases_after_a_cropped_convolution_are_learned(shape):
    p = {"k": weights(3, 3, 1, 2), "s": weights(*shape), "w": weights(3, 8)}

    def f(p, x):
        y = conv(x, p["k"])
        y = y[1:3, 1:3] * p["s"] if p["s"].ndim == 1 else (y * p["s"])[1:3, 1:3]
        return p["w"] @ jax.nn.relu(y).reshape(-1)

    network = trace(f, p, np.zeros((4, 4, 1), np.float32))
    rounds = rounds_of(network)
    assert rounds[-1].parameters >= 18 + 2 + 24
    assert rounds[-1].degree == 3
    assert all(piece.learned for piece in network.affine if piece.operator.parameters)


def test_constants_joined_to_values_are_counted():
    p = {"a": weights(3, 5), "b": weights(2, 5), "c": weights(4), "w": weights(3, 9)}

    def f(p, x):
        return p["w"] @ jnp.abs(jnp.concatenate([jax.nn.relu(p["a"] @ x), jnp.abs(p["b"] @ x), p["c"]]))

    assert rounds_of(trace(f, p, np.zeros(5, np.float32)))[-1].parameters >= 15 + 10 + 4 + 27


def test_a_learned_limit_is_refused():
    p = {"a": weights(3, 5), "b": jnp.float32(-0.3)}
    with pytest.raises(NetworkError, match="limit that is a parameter"):
        trace(lambda p, x: jnp.maximum(p["a"] @ x, p["b"]), p, np.zeros(5, np.float32))


def test_an_overflow_before_relu_is_not_a_certain_zero():
    relu = Relu(label="a", source="a.py:1", size=1)
    _, radius = _bend(relu, [(np.array([[-np.inf]]), np.array([[np.inf]]))])
    assert np.isinf(radius).all()
