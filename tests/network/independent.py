"""The nodes of a network, and the function that it was traced from, evaluated once more by other means."""

# Arrays of fractions have no types, and the generator defines one function a branch.
# pyright: reportRedeclaration=false, reportCallIssue=false, reportAssignmentType=false

from __future__ import annotations

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from boundcheck.network import Affine, Join, Network, Relu, trace
from boundcheck.network.nonlinear import Clip, Maximum, MaxPool, Nonlinearity, Sigmoid, Slopes, Tanh

_RNG = np.random.default_rng(5)


def normal(*shape, seed=None):
    """Weights of about unit gain, in float32."""
    rng = _RNG if seed is None else np.random.default_rng(seed)
    scale = max(1.0, np.prod(shape[:-1])) ** -0.5
    return jnp.asarray(rng.normal(size=shape) * scale, jnp.float32)


# The reference: the nodes once more, and the function in float64 -----------------------------------------------


def evaluate(network, x):
    """The network node by node, from unrolled matrices, windows and places alone."""
    values = [np.asarray(x, np.float64).reshape(len(x), -1)]
    for node in network.nodes[1:]:
        f, (h, *others) = node.operation, [values[i] for i in node.inputs]
        match f:
            case Affine():
                assert f.matrix.shape == (f.out_size, h.shape[1])
                y = h @ f.matrix.T + f.bias
            case Relu():
                y = np.where(h > 0, h, 0)
            case Slopes():
                y = np.where(h > 0, f.above * h, f.below * h)
            case Clip():
                y = np.minimum(np.maximum(h, f.low), f.high) - np.minimum(max(0.0, f.low), f.high)
            case Tanh():
                y = np.tanh(h)
            case Sigmoid():
                y = 1 / (1 + np.exp(-h)) - 0.5
            case MaxPool():
                wide = np.concatenate([h, np.full((len(h), 1), -np.inf)], axis=1)
                y = wide[:, f.windows].max(axis=2)
            case Maximum():
                y = np.maximum(h, *others)
            case Join():
                y = np.zeros((len(h), f.size))
                for part, places in zip([h, *others], f.places, strict=True):
                    y[:, np.arange(f.size) if places is None else places] += part
            case _:
                raise AssertionError(f)
        assert y.shape == (len(x), node.size)
        values.append(y)
    return values[-1]


QUICK = {"xla_backend_optimization_level": 0}


def in_float64(f, params, x):
    """The function's own program in float64, on a batch."""

    def wide(a):
        return np.asarray(a, np.float64) if np.issubdtype(np.asarray(a).dtype, np.floating) else np.asarray(a)

    with jax.enable_x64(True):
        batched = jax.jit(jax.vmap(f, (None, 0)), compiler_options=QUICK)
        return np.asarray(batched(jax.tree.map(wide, params), np.asarray(x, np.float64)))


def assert_same_function(f, params, example, seed=0):
    """The traced network, of the plain and of the jitted function, has the values of the function; the network.

    Constants in `f` other than parameters must be the same in float32 and in float64.
    """
    example = np.asarray(example)
    network, jitted = trace(f, params, example), trace(jax.jit(f), params, example)
    assert kinds(network) == kinds(jitted)
    assert [node.inputs for node in network.nodes] == [node.inputs for node in jitted.nodes]
    x = np.random.default_rng(seed).normal(size=(5, *example.shape)).astype(np.float32)
    truth = in_float64(f, params, x)
    scale = 1e-12 * max(1.0, np.abs(truth).max())
    logits, radius = network.enclose(x)
    assert (np.abs(logits - truth) <= radius + scale).all()
    assert radius.max() <= 1e-9 * max(1.0, np.abs(truth).max())
    for one in (network, jitted):
        np.testing.assert_allclose(evaluate(one, x), truth, rtol=0, atol=scale)
    assert_well_formed(network)
    return network


def assert_well_formed(network):
    """Positions, sizes, and of each piece: products, transposes and the l2 norm against the unrolled matrix."""
    assert isinstance(network, Network)
    assert network.nodes[0].size == np.prod(network.in_shape)
    read = {i for node in network.nodes for i in node.inputs}
    assert read >= set(range(len(network.nodes) - 1)) - {0}
    rng = np.random.default_rng(1)
    for position, node in enumerate(network.nodes[1:], 1):
        assert all(i < position for i in node.inputs)
        piece = node.operation
        if isinstance(piece, Join):
            filled = np.zeros(piece.size, int)
            for i, places in zip(node.inputs, piece.places, strict=True):
                spots = np.arange(piece.size) if places is None else places
                assert len(spots) == network.nodes[i].size
                assert len(set(spots.tolist())) == len(spots)
                filled[spots] += 1
            assert (filled <= 1).all() if piece.disjoint else (filled == len(node.inputs)).all()
        if not isinstance(piece, Affine):
            assert isinstance(piece, Join | Nonlinearity)
            continue
        matrix = piece.matrix
        x, y = rng.normal(size=piece.in_shape), rng.normal(size=piece.out_shape)
        np.testing.assert_allclose(piece.mv(x).ravel(), matrix @ x.ravel(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(piece.transpose(y).ravel(), y.ravel() @ matrix, rtol=0, atol=1e-12)
        assert piece.has_bias or not piece.bias.any()
        assert piece.label
        if matrix.size < 10_000:
            norm, svd = piece.spectral_norm(), np.linalg.norm(matrix, 2)
            assert norm.lo <= svd * (1 + 1e-12) + 1e-300
            assert norm.hi >= svd * (1 - 1e-12)
            rows = np.linalg.norm(matrix, axis=1).sum()
            assert piece.row_norm_sum().lo <= rows * (1 + 1e-12) + 1e-300
            assert piece.row_norm_sum().hi >= rows * (1 - 1e-12)


def kinds(network):
    return [type(node.operation).__name__ for node in network.nodes[1:]]


def conv(x, kernel, stride=1, groups=1, dilation=1, padding="SAME", layout="NHWC"):
    """A convolution of one map (height, width, channel)."""
    return lax.conv_general_dilated(
        x[None],
        kernel,
        (stride, stride),
        padding,
        rhs_dilation=(dilation, dilation),
        feature_group_count=groups,
        dimension_numbers=(layout, "HWIO", layout),
    )[0]


def max_pool(x, size, stride, padding="SAME", dilation=1):
    window = (size, size, 1), (stride, stride, 1)
    if not isinstance(padding, str):
        padding = (*padding, (0, 0))
    return lax.reduce_window(x, -jnp.inf, lax.max, *window, padding, None, (dilation, dilation, 1))


def sum_pool(x, size, stride, padding="VALID"):
    return lax.reduce_window(x, 0.0, lax.add, (size, size, 1), (stride, stride, 1), padding)


def rational(a):
    return np.vectorize(Fraction, otypes=[object])(np.asarray(a, np.float64))


def rational_conv(x, kernel):
    """3x3, stride 1, zeros around, in rational numbers."""
    wide = np.full((x.shape[0] + 2, x.shape[1] + 2, x.shape[2]), Fraction(0), object)
    wide[1:-1, 1:-1] = x
    y = np.full((*x.shape[:2], kernel.shape[3]), Fraction(0), object)
    for u, v in np.ndindex(3, 3):
        y = y + wide[u : u + x.shape[0], v : v + x.shape[1]] @ kernel[u, v]
    return y
