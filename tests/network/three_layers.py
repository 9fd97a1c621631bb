"""A chain of three layers with ReLU, 6-9-7-3, that fits the labels of its own run: trained and initial weights."""

import jax.numpy as jnp
import numpy as np

from boundcheck import Run


def mlp(params, x):
    for name in ("a", "b"):
        x = jnp.maximum(params[name] @ x, 0)
    return params["c"] @ x


def network(seed=0, scale=1.0):
    """A chain 6-9-7-3 that fits its own labels, with its initial weights."""
    rng = np.random.default_rng(seed)
    shapes = {"a": (9, 6), "b": (7, 9), "c": (3, 7)}
    init = {k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()}
    params = {k: (scale * (w + 0.3 * rng.normal(size=w.shape))).astype(np.float32) for k, w in init.items()}
    return params, init


def run_of(params, init, seed=0):
    rng = np.random.default_rng(seed + 1)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    h = np.maximum(np.maximum(x @ params["a"].T, 0) @ params["b"].T, 0) @ params["c"].T
    y = h.argmax(axis=1)
    return Run.from_arrays(mlp, params, init_params=init, train=(x[:150], y[:150]), test=(x[150:], y[150:]))
