"""Each operation of an image classifier is traced to the same function, with its norms and constants."""

# Arrays of fractions have no types, and the generator defines one function a branch.
# pyright: reportRedeclaration=false, reportCallIssue=false, reportAssignmentType=false

from __future__ import annotations

import flax.linen
import flax.nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from independent import _RNG, assert_same_function, conv, kinds, max_pool, normal, sum_pool
from jax import lax

from boundcheck.interval import Interval
from boundcheck.network import Convolution, Network, Selection, trace
from boundcheck.network.nonlinear import MaxPool

# Normalizations -------------------------------------------------------------------------------------------------

K1, K2, K3 = normal(3, 3, 3, 4), normal(3, 3, 4, 4), normal(3, 3, 4, 4)
SCALE, SHIFT = normal(1, 4)[0] + 1, normal(1, 4)[0]
SMALL = np.zeros((6, 5, 3), np.float32)
relu = jax.nn.relu


def flat(f):
    """A function of maps with flat logits."""
    return lambda p, x: f(p, x).reshape(-1)


def test_a_normalization_after_relu_folds_into_the_next_convolution_except_at_the_border():
    params = (K1, K2, SCALE, SHIFT)

    def f(p, x):
        h = relu(conv(x, p[0])) * p[2] + p[3]
        return conv(h, p[1]).reshape(-1)

    network = assert_same_function(f, params, SMALL)
    assert kinds(network) == ["Affine", "Relu", "Affine"]
    last = network.affine[1]
    assert isinstance(last.operator, Convolution)
    scale, kernel = np.asarray(SCALE, np.float64), np.asarray(K2, np.float64)
    # Products of two float32 numbers are exact.
    np.testing.assert_array_equal(last.operator.kernel, kernel * scale[:, None])
    assert last.operator.radius is None
    assert not last.free
    # The padding is put around after the shift, so that what the shift adds is less at the border.
    bias = last.bias.reshape(6, 5, 4)
    inside = np.einsum("uvio,i->o", kernel, np.asarray(SHIFT, np.float64))
    np.testing.assert_allclose(bias[1:-1, 1:-1], np.broadcast_to(inside, (4, 3, 4)), rtol=0, atol=1e-14)
    assert np.abs(bias[0] - inside).min() > 1e-6
    # By construction, no two positions share it.
    assert last.biases == last.out_size
    valid = assert_same_function(
        flat(lambda p, x: conv(relu(conv(x, p[0])) * p[2] + p[3], p[1], padding="VALID")), params, SMALL
    )
    assert np.ptp(valid.affine[1].bias.reshape(4, 3, 4), axis=(0, 1)).max() < 1e-14


def test_a_normalization_before_relu_folds_into_the_convolution_before_it():
    def f(p, x):
        return relu((conv(x, p[0], stride=2) - p[2]) * p[3] + p[2]).reshape(-1)

    network = assert_same_function(f, (K1, K2, SHIFT, SCALE), SMALL)
    assert kinds(network) == ["Affine", "Relu"]
    (piece,) = network.affine
    assert isinstance(piece.operator, Convolution)
    assert piece.is_exact or piece.operator.radius is None
    assert piece.biases == 4


def test_a_pre_activation_block_keeps_its_skip():
    params = (K1, K2, K3, SCALE, SHIFT)

    def f(p, x):
        h = conv(x, p[0])
        g = conv(relu(h * p[3] + p[4]), p[1])
        return (h + conv(relu(g), p[2])).reshape(-1)

    network = assert_same_function(f, params, SMALL)
    assert kinds(network) == ["Affine", "Affine", "Relu", "Affine", "Relu", "Affine", "Join"]
    # The stem is one piece that both branches read; the normalization is a factor for each channel.
    assert [p.label for p in network.affine if p.free] == ["[0]", "[1]", "[2]"]
    assert network.nodes[-1].inputs == (1, 6)
    diagonal = network.affine[1]
    assert diagonal.biases == 4
    assert diagonal.operator.parameters == 4
    np.testing.assert_array_equal(diagonal.matrix, np.diag(np.tile(np.asarray(SCALE, np.float64), 30)))


def test_input_normalization_does_not_fold_into_a_padded_convolution_bias():
    """(x - mean)/std and then padding with zeros: the shift is not the same at the border."""
    params = (K1, jnp.asarray([0.5, -0.25, 1], jnp.float32), jnp.asarray([0.5, 2, 3], jnp.float32))
    f = flat(lambda p, x: relu(conv((x - p[1]) / p[2], p[0])))
    network = assert_same_function(f, params, SMALL)
    assert kinds(network) == ["Affine", "Relu"]
    bias = network.affine[0].bias.reshape(6, 5, 4)
    assert np.abs(bias[0, 0] - bias[1, 1]).max() > 1e-3
    # By one number for all channels, and in channels-first layout.
    assert_same_function(flat(lambda p, x: relu(conv((x - 0.5) / 0.25, p[0]))), params, SMALL)
    transposed = flat(
        lambda p, x: relu(conv((x.transpose(2, 0, 1) - p[1][:, None, None]).transpose(1, 2, 0), p[0]))
    )
    assert_same_function(transposed, params, SMALL)


# Nonlinearities -------------------------------------------------------------------------------------------------

ACTIVATIONS = {
    "leaky": (lambda h: jax.nn.leaky_relu(h, 0.25), "Slopes", 1.0, 0),
    "leaky steep": (lambda h: jax.nn.leaky_relu(h, 2.0), "Slopes", 2.0, 0),
    "abs": (jnp.abs, "Slopes", 1.0, 0),
    "where": (lambda h: jnp.where(h < 0, -0.5 * h, 3 * h), "Slopes", 3.0, 0),
    "clip": (lambda h: jnp.clip(h, -0.5, 0.25), "Clip", 1.0, 0),
    "clip away from 0": (lambda h: jnp.clip(h, 0.25, 0.5), "Clip", 1.0, 0.25),
    "relu6": (lambda h: jax.nn.relu6(4 * h), "Clip", 1.0, 0),
    "clamp": (lambda h: lax.clamp(jnp.zeros_like(h[0, 0, 0]), h, jnp.ones_like(h[0, 0, 0])), "Clip", 1.0, 0),
    "tanh": (jnp.tanh, "Tanh", 1.0, 0),
    "sigmoid": (jax.nn.sigmoid, "Sigmoid", 0.25, 0.5),
    "max": (lambda h: jnp.maximum(h, 0.5), "Clip", 1.0, 0.5),
    "max below": (lambda h: jnp.maximum(h, -0.5), "Clip", 1.0, 0),
    "min": (lambda h: jnp.minimum(-0.25, h), "Clip", 1.0, -0.25),
    "twice": (lambda h: relu(jnp.minimum(jnp.maximum(h, 0), 0.5)), "Clip", 1.0, 0),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_map_zero_to_zero_and_their_value_there_moves_into_the_next_bias(name):
    f, kind, lipschitz, at_zero = ACTIVATIONS[name]
    network = assert_same_function(flat(lambda p, x: conv(f(conv(x, p[0])), p[1])), (K1, K2), SMALL)
    assert kinds(network) == ["Affine", kind, "Affine"]
    assert network.nonlinear[0].lipschitz == Interval(lipschitz)
    first, last = network.affine
    assert not first.has_bias
    assert last.has_bias == bool(at_zero)
    kernel = np.asarray(K2, np.float64).sum(axis=(0, 1, 2)) * at_zero
    np.testing.assert_allclose(last.bias.reshape(6, 5, 4)[2, 2], kernel, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "f", [jax.nn.leaky_relu, jnp.tanh, jnp.abs, jax.nn.sigmoid], ids=lambda f: f.__name__
)
def test_an_activation_applied_twice_on_one_line_is_applied_twice(f):
    def g(p, x):
        h = p[:4] @ x
        for _ in range(2):
            h = f(h)
        return p[4:] @ h

    weights = normal(8, 4) * 3
    network = trace(g, weights, np.zeros(4, np.float32))
    x = _RNG.normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(
        network.enclose(x)[0], jax.vmap(g, (None, 0))(weights, x), rtol=1e-5, atol=1e-5
    )


def test_a_value_that_is_limited_is_still_there_for_others():
    """relu and then min is one clip; the relu itself is read as well."""

    def f(p, x):
        h = relu(conv(x, p))
        return (jnp.minimum(h, 0.5) - 2 * h).reshape(-1)

    network = assert_same_function(f, K1, SMALL)
    assert sorted(kinds(network)) == ["Affine", "Affine", "Clip", "Join", "Relu"]


@pytest.mark.parametrize("f", [jnp.maximum, jnp.minimum])
def test_the_maximum_and_the_minimum_of_two_values_are_two_input_nodes(f):
    network = assert_same_function(
        flat(lambda p, x: f(conv(x, p[0]) + 1, conv(x, p[1]))), (K1, K1 + 1), SMALL
    )
    assert kinds(network)[:3] == ["Affine", "Affine", "Maximum"]
    # In another order, of one value with itself, and with a single number that depends on the input.
    turned = flat(lambda p, x: f(relu(conv(x, p[0])), conv(x, p[1])[::-1].transpose(0, 1, 2)))
    assert_same_function(turned, (K1, K1 + 1), SMALL)
    assert_same_function(flat(lambda p, x: f(conv(x, p), conv(x, p)[:, ::-1])), K1, SMALL)
    assert_same_function(
        flat(lambda p, x: f(relu(conv(x, p)), relu(x).mean())), K1, np.zeros((4, 4, 3), np.float32)
    )
    assert_same_function(flat(lambda p, x: f((x.sum() * 2 + 1), jnp.zeros(4, x.dtype))), K1, SMALL)


# Pooling --------------------------------------------------------------------------------------------------------

MAXES = {
    "2/2": (lambda h: max_pool(h, 2, 2, "VALID"), 1),
    "3/2 same": (lambda h: max_pool(h, 3, 2), 4),
    "3/1 same": (lambda h: max_pool(h, 3, 1), 9),
    "padded": (lambda h: max_pool(h, 2, 2, ((1, 1), (1, 0))), 1),
    "dilated": (lambda h: max_pool(h, 2, 1, "VALID", dilation=2), 4),
    "cropped": (lambda h: max_pool(h, 2, 1, ((-1, 0), (0, -2))), 4),
    "global": (lambda h: h.max(axis=(0, 1)), 1),
    "rows": (lambda h: h.max(axis=0), 1),
    "channels": (lambda h: h.max(axis=-1), 1),
    "channels first": (
        lambda h: lax.reduce_window(h.transpose(2, 0, 1), -jnp.inf, lax.max, (1, 3, 2), (1, 2, 2), "SAME"),
        2,
    ),
    "one axis": (lambda h: lax.reduce_window(h[:, 0], -jnp.inf, lax.max, (3, 1), (1, 1), "SAME"), 3),
    "zeros around": (lambda h: max_pool(jnp.pad(h, ((1, 1), (1, 1), (0, 0))), 2, 2, "VALID"), 1),
}


@pytest.mark.parametrize("name", MAXES)
def test_max_pooling_is_the_maximum_over_windows(name):
    f, overlap = MAXES[name]
    network = assert_same_function(flat(lambda p, x: 2 * f(conv(x, p) + 0.25)), K1, SMALL)
    (pool,) = network.nonlinear
    assert isinstance(pool, MaxPool)
    assert bool(pool.lipschitz > 1) == (overlap > 1)
    assert (pool.lipschitz * pool.lipschitz).contains(overlap)


def counted(h):
    ones = sum_pool(jnp.ones_like(h), 3, 1, "SAME")
    return sum_pool(h, 3, 1, "SAME") / ones


AVERAGES = {
    "2/2": lambda h: sum_pool(h, 2, 2) / 4,
    "with padding": lambda h: sum_pool(h, 3, 2, ((1, 1), (1, 1), (0, 0))) / 8,
    "without padding": counted,
    "linen": lambda h: flax.linen.avg_pool(h, (2, 2), (1, 1), "SAME", count_include_pad=False),
    "global": lambda h: h.mean(axis=(0, 1)),
    "rows": lambda h: h.mean(axis=0) + h.sum(axis=0),
    "all": lambda h: jnp.stack([h.mean(), h.sum()]),
    "channels first": lambda h: lax.reduce_window(
        h.transpose(2, 0, 1), 0.0, lax.add, (1, 3, 2), (1, 2, 2), "SAME", None, (1, 1, 2)
    ),
    "channels": lambda h: lax.reduce_window(h, 0.0, lax.add, (1, 1, 3), (1, 1, 1), "SAME"),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_average_pooling_is_affine(name):
    f = AVERAGES[name]
    network = assert_same_function(flat(lambda p, x: f(relu(conv(x, p) + 0.25))), K1, SMALL)
    assert kinds(network)[:2] == ["Affine", "Relu"]
    assert set(kinds(network)[2:]) <= {"Affine", "Join"}
    assert not any(piece.learned for piece in network.affine[1:])
    after = flat(lambda p, x: f(conv(x, p) + 0.25))
    assert not assert_same_function(after, K1, SMALL).nonlinear


def test_a_global_mean_and_a_dense_layer_are_one_dense_layer():
    w = normal(4, 3)
    network = assert_same_function(lambda p, x: relu(conv(x, p[0])).mean(axis=(0, 1)) @ p[1], (K1, w), SMALL)
    assert kinds(network) == ["Affine", "Relu", "Affine"]
    expected = np.tile(np.asarray(w, np.float64).T / 30, 30)
    np.testing.assert_allclose(network.affine[1].matrix, expected, rtol=1e-14)


# Layout ---------------------------------------------------------------------------------------------------------

LAYOUTS = {
    "zeros around": lambda h: jnp.pad(h, ((1, 2), (0, 1), (0, 0))),
    "ones around": lambda h: jnp.pad(h, ((1, 2), (0, 1), (0, 0)), constant_values=1),
    "cropped": lambda h: lax.pad(h, jnp.zeros((), h.dtype), ((-1, 2, 0), (1, -2, 0), (0, 0, 0))),
    "cropped, with a constant": lambda h: lax.pad(
        h, jnp.full((), 0.5, h.dtype), ((-1, 2, 0), (1, -2, 0), (0, 0, 0))
    ),
    "spread": lambda h: lax.pad(h, jnp.zeros((), h.dtype), ((0, 1, 1), (1, 0, 2), (0, 0, 0))),
    "slice": lambda h: h[1:4, 2:],
    "every second": lambda h: h[::2, 1::2],
    "split": lambda h: jnp.concatenate(jnp.split(h, [1, 3], axis=1)[::-1], axis=1),
    "halves of channels": lambda h: jnp.concatenate(jnp.split(h, 2, axis=-1)[::-1], axis=-1),
    "gather": lambda h: h[jnp.array([3, 0, 0, 5])],
    "gather pairs": lambda h: h[jnp.array([3, 0]), jnp.array([-1, 2])][:, None],
    "take": lambda h: jnp.take(h, jnp.array([1, 1, 2]), axis=1),
    "transposed": lambda h: h.transpose(1, 0, 2),
    "flipped": lambda h: h[::-1, ::-1],
    "channels flipped": lambda h: jnp.flip(h, -1),
    "rolled": lambda h: jnp.roll(h, (1, -2), (0, 1)),
    "upsampled": lambda h: jnp.repeat(jnp.repeat(h, 2, axis=0), 2, axis=1),
    "resized": lambda h: jax.image.resize(h, (12, 10, 4), "nearest"),
    "rolled by nothing": lambda h: jnp.roll(jnp.concatenate([h[:0], h, h[:, :, :][:0]]), 0, axis=1),
    "tiled": lambda h: jnp.tile(h, (2, 1, 1)),
    "circular": lambda h: jnp.pad(h, ((1, 1), (1, 1), (0, 0)), mode="wrap"),
    "reflected": lambda h: jnp.pad(h, ((1, 1), (2, 0), (0, 0)), mode="reflect"),
    "to blocks": lambda h: h.reshape(3, 2, 5, 4).transpose(0, 2, 1, 3).reshape(3, 5, 8)[..., :4],
    "dynamic": lambda h: lax.dynamic_slice(h, (jnp.int32(9), jnp.int32(1), jnp.int32(0)), (2, 3, 4)),
    "shuffled": lambda h: h.reshape(6, 5, 2, 2).swapaxes(2, 3).reshape(6, 5, 4),
    "twice": lambda h: h + h,
    "difference": lambda h: h - conv(h, jnp.ones((3, 3, 4, 4), h.dtype) / 16),
    "centred": lambda h: h - h.mean(axis=(0, 1)),
    "beside itself": lambda h: jnp.concatenate([h, h], axis=0),
    "stacked": lambda h: jnp.stack([h, 2 * h], axis=2).reshape(6, 10, 4),
    "beside a constant": lambda h: jnp.concatenate([h, jnp.ones((6, 2, 4), h.dtype)], axis=1),
    "beside zeros": lambda h: jnp.concatenate([jnp.zeros((2, 5, 4), h.dtype), h], axis=0),
    "negated": lambda h: -(1 - h) / 2,
    "diagonal": lambda h: h * jnp.arange(5, dtype=h.dtype)[:, None] + 1,
}


@pytest.mark.parametrize("before", ["convolution", "relu"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_between_convolutions_is_kept(name, before):
    f = LAYOUTS[name]

    def g(p, x):
        h = conv(x, p[0], padding=((1, 1), (1, 1))) + p[2]
        h = f(relu(h) if before == "relu" else h)
        return relu(conv(h, p[1])).reshape(-1)

    assert_same_function(g, (K1, K2, SHIFT), SMALL)


def test_zeros_beside_a_value_are_no_bias():
    for f in (LAYOUTS["beside zeros"], LAYOUTS["zeros around"]):
        network = assert_same_function(flat(lambda p, x, f=f: f(relu(conv(x, p)))), K1, SMALL)
        assert not any(piece.has_bias for piece in network.affine)
        assert network.chain()

    def widened(p, x):
        """The shortcut of a residual block to more channels, without parameters."""
        h = relu(conv(x, p[0]))
        return (jnp.concatenate([h, jnp.zeros_like(x[..., :1])], -1) + conv(relu(h), p[1])).reshape(-1)

    assert assert_same_function(widened, (K1, normal(3, 3, 4, 5)), SMALL).chain()


def test_a_value_beside_itself_or_added_to_itself_has_the_norm_of_both():
    two = assert_same_function(flat(lambda p, x: conv(jnp.concatenate([x, x]), p)), K1, SMALL)
    assert [p.free for p in two.affine if p.learned] == [True]
    twice = assert_same_function(flat(lambda p, x: relu(x) + relu(x)), K1, SMALL)
    product = 1.0
    for piece in twice.affine:
        product *= float(piece.spectral_norm().hi)
    if kinds(twice) == ["Relu", "Affine"]:
        assert abs(product - 2) < 1e-8
    assert isinstance(two, Network)


def test_flattening_before_a_dense_layer_keeps_the_order_of_both_layouts():
    w = normal(120, 3)
    last = assert_same_function(lambda p, x: relu(conv(x, p[0])).reshape(-1) @ p[1], (K1, w), SMALL)
    np.testing.assert_array_equal(last.affine[1].matrix, np.asarray(w, np.float64).T)
    assert last.affine[1].free

    def first(p, x):
        return relu(conv(x, p[0])).transpose(2, 0, 1).reshape(-1) @ p[1]

    turned = assert_same_function(first, (K1, w), SMALL)
    expected = np.asarray(w, np.float64).reshape(4, 6, 5, 3).transpose(1, 2, 0, 3).reshape(-1, 3).T
    np.testing.assert_array_equal(turned.affine[1].matrix, expected)
    assert turned.affine[1].is_exact
    assert turned.affine[1].free


# Convolutions ---------------------------------------------------------------------------------------------------

CONVOLUTIONS = {
    "asymmetric": lambda p, x: conv(x, p[0], padding=((0, 2), (3, 1))),
    "negative padding": lambda p, x: conv(x, p[0], padding=((-1, 1), (2, -1))),
    "wide padding": lambda p, x: conv(x, p[0], stride=2, padding=((4, 4), (4, 5))),
    "strides": lambda p, x: conv(x, p[0], stride=3),
    "dilated": lambda p, x: conv(x, p[0], dilation=2),
    "depthwise": lambda p, x: conv(conv(x, p[0]), p[1][:, :, :1], groups=4),
    "depthwise multiplied": lambda p, x: conv(x, jnp.tile(p[1][:, :, :1, :3], (1, 1, 1, 2)), groups=3),
    "separable": lambda p, x: conv(conv(x, p[0][:, :, :1, :3], groups=3), p[1][:1, :1, :3]),
    "two without a nonlinearity": lambda p, x: conv(conv(x, p[0]), p[1], stride=2),
    "1x1 and 1x1": lambda p, x: conv(conv(x, p[0][:1, :1]) + p[2], p[1][1:2, 1:2]),
    "1x1 and 3x3": lambda p, x: conv(conv(x, p[0][:1, :1]) * p[2], p[1]),
    "3x3 and 1x1": lambda p, x: conv(conv(x, p[0]), p[1][:1, :1]) + p[2],
    "3x3 and a matrix": lambda p, x: (conv(x, p[0]) + p[2]) @ p[1][0, 0],
    "matrix and 3x3": lambda p, x: conv(x @ p[0][0, 0], p[1]),
    "two matrices": lambda p, x: (x @ p[0][0, 0]) @ p[1][0, 0],
    "matrix from the left": lambda p, x: jnp.einsum("io,hwi->ohw", p[0][0, 0], x),
    "matrix of rows": lambda p, x: jnp.einsum("hg,hwi->gwi", p[1].reshape(6, -1), x),
    "matrix of each channel": lambda p, x: jnp.einsum(
        "ihg,hwi->gwi", p[1].reshape(-1)[:54].reshape(3, 6, 3), x
    ),
    "1x1 stride 2": lambda p, x: conv(x, p[0][:1, :1], stride=2),
    "1-D": lambda p, x: lax.conv_general_dilated(
        x[None, :, 0], p[0][0], (2,), ((1, 2),), rhs_dilation=(2,), dimension_numbers=("NWC", "WIO", "NWC")
    ),
    "channels first": lambda p, x: lax.conv_general_dilated(
        x.transpose(2, 0, 1)[None], p[0].transpose(3, 2, 0, 1), (1, 2), "SAME"
    ),
    "batch last": lambda p, x: lax.conv_general_dilated(
        x[..., None], p[0], (1, 1), "SAME", dimension_numbers=("HWCN", "HWIO", "CWHN")
    ),
    "flipped kernel": lambda p, x: conv(x, p[0][::-1, ::-1]),
    "scaled": lambda p, x: (conv(x * p[2][:3], p[0]) * p[2] - p[2]) / 3,
    "scaled each place": lambda p, x: conv(x * jnp.arange(5, dtype=x.dtype)[:, None], p[0]),
    "constant channels": lambda p, x: conv(jnp.concatenate([x, jnp.ones((6, 5, 1), x.dtype)], -1), p[1]),
    "constant channel of two": lambda p, x: conv(
        jnp.concatenate([x[..., 1:], jnp.ones((6, 5, 2), x.dtype)], -1) * p[2], p[1]
    ),
    "mean of one": lambda p, x: conv(x, p[0]).mean(axis=0) * p[2] + conv(x, p[0]).sum(axis=0),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_are_the_function_at_their_real_shape(name):
    network = assert_same_function(flat(CONVOLUTIONS[name]), (K1, K2, SHIFT), SMALL)
    assert not network.nonlinear
    if name in ("matrix of rows", "channels first", "batch last", "asymmetric", "strides", "dilated"):
        (piece,) = [p for p in network.affine if not isinstance(p.operator, Selection)]
        assert isinstance(piece.operator, Convolution)
        assert piece.free


MASK = np.array([True, False, True, True, False, True])


@pytest.mark.parametrize(
    ("choose", "biased"),
    [
        (lambda x: jnp.where(MASK, x, 0.0), False),
        (lambda x: jnp.where(MASK, 3 * x + 1, 2.0), True),
        (lambda x: jnp.where(MASK, 0.5, jax.nn.relu(x - 1)), True),
    ],
)
def test_a_choice_by_a_constant_mask_is_affine(choose, biased):
    w = jnp.asarray(np.random.default_rng(7).normal(size=(4, 6)), jnp.float32)

    def f(w, x):
        return w @ choose(x)

    network = trace(f, w, np.zeros(6, np.float32))
    x = np.random.default_rng(8).normal(size=(5, 6)).astype(np.float32)
    logits, radius = network.enclose(x)
    np.testing.assert_allclose(logits, jax.vmap(lambda x: f(w, x))(x), rtol=1e-5, atol=1e-5)
    assert radius.max() < 1e-12
    assert network.affine[-1].has_bias == biased
