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


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit, jax.checkpoint])
def test_arrays_that_the_function_holds_count_as_learned(kind, wrap):
    """Nobody knows where they come from: weights in a closure are weights."""
    w, b, v = (kind(np.asarray(weights(*shape))) for shape in ((4, 3), (4,), (2, 4)))

    def f(_, x):
        return v @ jax.nn.relu(w @ x + b)

    network = trace(wrap(f), {}, np.zeros(3, np.float32))
    assert [piece.learned for piece in network.affine] == [True, True]
    assert [r.parameters for r in rounds_of(network)] == [16, 16 + 8]
    with pytest.raises(NetworkError, match="limit that is a parameter"):
        trace(
            wrap(lambda _, x: jnp.maximum(w @ x, kind(np.full(4, 0.5, np.float32)))),
            {},
            np.zeros(3, np.float32),
        )


def test_numbers_of_the_program_are_fixed():
    p = weights(2, 3)

    def f(p, x):
        h = jax.nn.relu((x - 0.5) / 3)
        return p @ (jnp.abs(h) * jnp.arange(1.0, 4.0, dtype=jnp.float32))

    network = trace(f, p, np.zeros(3, np.float32))
    assert [piece.learned for piece in network.affine] == [False, True]
    assert rounds_of(network)[-1].parameters == 6


def test_a_learned_limit_is_refused():
    p = {"a": weights(3, 5), "b": jnp.float32(-0.3)}
    with pytest.raises(NetworkError, match="limit that is a parameter"):
        trace(lambda p, x: jnp.maximum(p["a"] @ x, p["b"]), p, np.zeros(5, np.float32))


def test_an_overflow_before_relu_is_not_a_certain_zero():
    relu = Relu(label="a", source="a.py:1", size=1)
    _, radius = _bend(relu, [(np.array([[-np.inf]]), np.array([[np.inf]]))])
    assert np.isinf(radius).all()


def test_the_constant_of_a_fixed_linear_map_contains_its_norm(monkeypatch):
    """An average pool that overlaps, between ReLU and a layer that it does not fold into."""
    p = {"k": weights(3, 3, 1, 2), "m": weights(3, 3, 2, 2), "w": weights(3, 18)}

    def f(p, x):
        h = jax.nn.relu(conv(x, p["k"]))
        pooled = jax.lax.reduce_window(h, 0.0, jax.lax.add, (3, 3, 1), (2, 2, 1), "SAME") / 9
        return p["w"] @ jax.nn.relu(conv(pooled, p["m"])).reshape(-1)

    # As on a map that is too large for an explicit matrix.
    monkeypatch.setattr("boundcheck.network.form.DENSE", 0)
    network = trace(f, p, np.zeros((6, 6, 1), np.float32))
    (piece,) = [piece for piece in network.affine if not piece.learned]
    exact = np.linalg.norm(piece.matrix, 2)
    norm = network.chain(biases=True).layers[0].lipschitz
    assert float(norm.lo) <= exact * (1 + 1e-14)
    assert float(norm.hi) >= exact * (1 - 1e-14)


def perturbed_pieces(f, params, example):
    """For each leaf, whether what changes with it is counted: the pieces, and whether a nonlinearity changed."""
    base = trace(f, params, example)
    leaves, tree = jax.tree.flatten(params)
    for k, leaf in enumerate(leaves):
        moved = [
            a + 0.37 * (i == k) * (1 + jnp.arange(a.size).reshape(a.shape)) for i, a in enumerate(leaves)
        ]
        other = trace(f, jax.tree.unflatten(tree, moved), example)
        assert len(other.nodes) == len(base.nodes)
        changed = 0
        for a, b in zip(base.nodes, other.nodes, strict=True):
            assert type(a.operation) is type(b.operation)
            if hasattr(a.operation, "operator"):
                x, y = a.operation, b.operation
                same = np.array_equal(x.matrix, y.matrix) and np.array_equal(x.bias, y.bias)
                assert same or x.learned, f"leaf {k} changes {x.label}, which does not count as learned"
                changed += not same
            elif not hasattr(a.operation, "places") and hasattr(a.operation, "lipschitz"):
                for name in ("low", "high", "below", "above", "offset", "exponent"):
                    assert getattr(a.operation, name, 0) == getattr(b.operation, name, 0)
        assert changed, f"leaf {k} of shape {leaf.shape} changes nothing"


@pytest.mark.parametrize("seed", range(32))
def test_whatever_changes_with_a_parameter_is_learned(seed, monkeypatch):
    """Random image functions whose parameters stand in all kinds of places."""
    # Convolutions stay convolutions, as on maps that are too large for an explicit matrix.
    monkeypatch.setattr("boundcheck.network.form.DENSE", 0)
    rng = np.random.default_rng(seed)
    steps, params, channels = [], [], 2

    def new(*shape):
        params.append(jnp.asarray(1 + rng.normal(size=shape) ** 2, jnp.float32))
        return len(params) - 1

    # In each block a convolution, some affine steps in any order, and something that ends the piece.
    affine, ends = ["scale", "field", "bias", "crop", "flip"], ["relu", "skip", "join", "pool"]
    for kind in [k for _ in range(2) for k in ("conv", *rng.permutation(affine)[:3], rng.choice(ends))]:
        if kind == "conv":
            i, channels = new(3, 3, channels, 3), 3
            steps.append(lambda p, x, i=i: conv(x, p[i]))
        elif kind == "scale":
            i = new(channels)
            steps.append(lambda p, x, i=i: x * p[i])
        elif kind == "field":
            i = new(8, 8, channels)
            steps.append(lambda p, x, i=i: x * p[i][: x.shape[0], : x.shape[1]])
        elif kind == "bias":
            i = new(channels)
            steps.append(lambda p, x, i=i: x - p[i])
        elif kind == "crop":
            steps.append(lambda p, x: x[:-1, 1:] if x.shape[0] > 3 else x)
        elif kind == "relu":
            steps.append(lambda p, x: jax.nn.relu(x))
        elif kind == "skip":
            i, j = new(1, 1, channels, channels), new(1)
            steps.append(lambda p, x, i=i, j=j: jax.nn.leaky_relu(conv(x, p[i])) + x * p[j])
        elif kind == "join":
            i, channels = new(1, 1, 1), channels + 1
            steps.append(
                lambda p, x, i=i: jnp.concatenate(
                    [jnp.abs(x), jnp.broadcast_to(p[i], (*x.shape[:2], 1))], axis=-1
                )
            )
        elif kind == "flip":
            steps.append(lambda p, x: x[::-1])
        else:
            steps.append(
                lambda p, x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (2, 2, 1), (1, 1, 1), "SAME")
            )
    last = new(3, channels)

    def f(p, x):
        for step in steps:
            x = step(p, x)
        return p[last] @ jax.nn.relu(x).mean((0, 1))

    perturbed_pieces(f, params, np.zeros((7, 7, 2), np.float32))


def test_the_initial_value_of_an_array_that_the_function_holds_is_not_known():
    import boundcheck as bc

    held, x, y = np.asarray(weights(4, 3)), _RNG.normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2

    def judged(f, params, initial):
        run = bc.Run.from_arrays(
            f, params, init_params=initial, train=(x, y), test=(x, y), assume=["iid", "fixed-in-advance"]
        )
        (outcome,) = bc.evaluate(run, bounds=["bartlett2017-spectral-initial"]).outcomes
        return outcome

    v, v0 = weights(2, 4), weights(2, 4)
    inside = judged(lambda p, x: p @ jax.nn.relu(held @ x), v, v0)
    assert inside.verdict.value == "not-applicable"
    assert any("the function holds" in reason for reason in inside.reasons)
    outside = judged(lambda p, x: p[1] @ jax.nn.relu(p[0] @ x), (jnp.asarray(held), v), (weights(4, 3), v0))
    assert outside.verdict.value == "vacuous"
