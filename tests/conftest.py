"""Shared by all tests: derandomized property tests, one small trained network, no network access."""

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# Array shapes and dtypes in annotations are checked at every call.
ARRAYS = [
    "boundcheck.data",
    "boundcheck.models",
    "boundcheck.network",
    "boundcheck.quantities.margins",
    "boundcheck.training",
]
with install_import_hook(ARRAYS, "beartype.beartype"):
    from boundcheck import Run

settings.register_profile("boundcheck", derandomize=True, deadline=None, database=None, max_examples=40)
settings.load_profile("boundcheck")
mpl.use("agg")


def dense_relu(params, x):
    """A chain without biases: two matrices, one ReLU."""
    import jax.numpy as jnp

    return params["second"] @ jnp.maximum(params["first"] @ x, 0)


@pytest.fixture
def small_run() -> Run:
    """A network with random weights on 300 random examples in dimension 5, 3 classes, everything asserted."""
    rng = np.random.default_rng(7)
    params = {
        "first": rng.normal(size=(12, 5)).astype(np.float32),
        "second": rng.normal(size=(3, 12)).astype(np.float32),
    }
    x = rng.normal(size=(500, 5)).astype(np.float32)
    logits = np.maximum(x @ params["first"].T, 0) @ params["second"].T
    y = logits.argmax(axis=1)
    return Run.from_arrays(
        dense_relu,
        params,
        init_params={key: value * 0 for key, value in params.items()},
        train=(x[:300], y[:300]),
        test=(x[300:], y[300:]),
        assume=("iid", "fixed-in-advance", "fresh-test-set"),
        name="small",
    )
