"""What training compiles with is taken where it is known, and sums as well as XLA does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.training import compilation
from boundcheck.training.compilation import compiler_options


@pytest.fixture(autouse=True)
def _forget():
    compiler_options.cache_clear()
    yield
    compiler_options.cache_clear()


def test_this_xla_knows_the_library():
    assert compiler_options() == compilation._LIBRARY


def test_an_xla_that_does_not_know_an_option_compiles_without(monkeypatch):
    monkeypatch.setattr(compilation, "_LIBRARY", {"xla_cpu_of_another_version": "1"})
    assert compiler_options() == {}


def test_other_devices_get_nothing(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler_options() == {}


def test_the_statistics_of_a_batch_are_as_exact_as_before():
    """Means and variances of 100,352 entries, where one long float32 sum would err by more than 1e-5."""
    x = np.random.default_rng(0).normal(3.0, 2.0, (128, 28, 28, 24)).astype(np.float32)

    def statistics(x):
        mean = jnp.sum(x, axis=(0, 1, 2)) / x[..., 0].size
        return mean, jnp.sum(jnp.square(x - mean), axis=(0, 1, 2)) / x[..., 0].size

    mean, variance = jax.jit(statistics, compiler_options=compiler_options())(x)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean((0, 1, 2)), rtol=2e-6)
    np.testing.assert_allclose(variance, exact.var((0, 1, 2)), rtol=2e-6)


def test_a_compiled_step_gives_the_same_bits_each_time():
    x = np.random.default_rng(1).normal(size=(16, 14, 14, 32)).astype(np.float32)
    kernel = np.random.default_rng(2).normal(size=(3, 3, 32, 24)).astype(np.float32)

    def step(x, kernel):
        y = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return y, jnp.sum(jnp.square(y), axis=(0, 1, 2))

    compiled = jax.jit(step, compiler_options=compiler_options())
    first = compiled(x, kernel)
    for _ in range(5):
        for a, b in zip(first, compiled(x, kernel), strict=True):
            np.testing.assert_array_equal(a, b)
