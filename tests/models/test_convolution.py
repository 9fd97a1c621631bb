"""Values and both gradients against sums over taps in float64."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.models.convolution import convolve, max_pool
from boundcheck.training.compilation import compiler_options

MAPS = (28, 14, 7, 32, 16, 8)


def pads(length: int, size: int, stride: int) -> tuple[int, int]:
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def windows(x: np.ndarray, size: int, stride: int, outside: float):
    """(i, j, the entry at (i, j) of every window) for x padded as `SAME` means."""
    h, w = x.shape[1:3]
    p, q = pads(h, size, stride), pads(w, size, stride)
    x = np.pad(x, ((0, 0), p, q, (0, 0)), constant_values=outside)
    rows, columns = -(-h // stride), -(-w // stride)
    for i, j in itertools.product(range(size), repeat=2):
        yield (
            i,
            j,
            x[:, i : i + stride * rows : stride, j : j + stride * columns : stride][:, :rows, :columns],
        )


def scatter(parts, shape: tuple[int, ...], size: int, stride: int) -> np.ndarray:
    """The transpose of `windows`."""
    b, h, w, c = shape
    p, q = pads(h, size, stride), pads(w, size, stride)
    x = np.zeros((b, h + sum(p), w + sum(q), c))
    for i, j, part in parts:
        rows, columns = part.shape[1:3]
        x[:, i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (columns - 1) + 1 : stride] += part
    return x[:, p[0] : p[0] + h, q[0] : q[0] + w]


class Problem(NamedTuple):
    """Input [b, h, w, in], kernel, and a gradient of the output."""

    x: Any
    kernel: Any
    g: Any

    def map(self, f: Callable[[Any], Any]) -> Problem:
        return Problem(*(f(part) for part in self))


def exact(problem: Problem, stride: int):
    """The convolution, its input gradient and its weight gradient, in float64."""
    x, kernel, g = problem.map(lambda a: np.asarray(a, np.float64))
    size = kernel.shape[0]
    taps = list(windows(x, size, stride, 0.0))
    value = sum(tap @ kernel[i, j] for i, j, tap in taps)
    to_x = scatter(((i, j, g @ kernel[i, j].T) for i, j, _ in taps), x.shape, size, stride)
    to_kernel = np.zeros(kernel.shape)
    for i, j, tap in taps:
        to_kernel[i, j] = np.einsum("bhwi,bhwo->io", tap, g)
    return value, to_x, to_kernel


def draw(seed: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def drawn(seed: int, b: int, h: int, w: int, channels: tuple[int, int], size: int, stride: int) -> Problem:
    n_in, n_out = channels
    out = (b, -(-h // stride), -(-w // stride), n_out)
    return Problem(*draw(seed, (b, h, w, n_in), (size, size, n_in, n_out), out))


def stacked(problems: list[Problem]) -> Problem:
    return Problem(*(np.stack(parts) for parts in zip(*problems, strict=True)))


def products(problem: Problem, stride: int):
    x, kernel, g = problem.map(jnp.asarray)
    value, backward = jax.vjp(lambda x, kernel: convolve(x, kernel, stride=stride), x, kernel)
    return value, *backward(g)


def assert_no_worse_than_sums(found: Any, problem: Problem, stride: int, last: float = 0.0):
    """|error| <= K u/(1 - K u) times the sum of the K products' magnitudes, u = 2^-24: true of their sum in any order.

    `last`: the unit of a final rounding.
    """
    unit = 2.0**-24
    expected, magnitude = exact(problem, stride), exact(problem.map(np.abs), stride)
    size, _, n_in, n_out = problem.kernel.shape
    terms = (size**2 * n_in, size**2 * n_out, problem.g[..., 0].size)
    for result, value, above, k in zip(found, expected, magnitude, terms, strict=True):
        error = np.abs(np.asarray(result, np.float64) - value)
        assert np.all(error <= k * unit / (1 - k * unit) * above * (1 + last) + last * np.abs(value))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("side", MAPS)
def test_values_and_gradients_are_those_of_sums_in_float64(side, size, stride):
    channels = ((3, 20), (20, 6), (17, 17))[(MAPS.index(side) + stride) % 3]
    problem = drawn(side + size, 3, side, side, channels, size, stride)
    found = jax.jit(products, static_argnums=1)(problem, stride)
    assert_no_worse_than_sums(found, problem, stride)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize(("side", "channels"), [(14, (32, 24)), (7, (20, 48))])
def test_the_library_that_training_compiles_with_is_no_worse(side, channels, size, stride):
    """In a scan, as training runs it."""
    problem = drawn(side + size, 5, side, side, channels, size, stride)

    def scanned(steps: Problem):
        return jax.lax.scan(lambda _, step: (None, products(step, stride)), None, steps)[1]

    found = jax.jit(scanned, compiler_options=compiler_options())(stacked([problem, problem]))
    for step in range(2):
        assert_no_worse_than_sums([part[step] for part in found], problem, stride)


@pytest.mark.parametrize(
    ("h", "w", "size", "stride"),
    [(9, 4, 3, 2), (5, 8, 3, 3), (4, 11, 2, 2), (2, 2, 5, 1), (1, 6, 3, 2), (7, 7, 4, 3)],
)
def test_maps_need_be_neither_square_nor_larger_than_the_kernel(h, w, size, stride):
    problem = drawn(h, 5, h, w, (4, 3), size, stride)
    assert_no_worse_than_sums(products(problem, stride), problem, stride)


def test_values_are_xlas():
    problem = drawn(1, 5, 14, 14, (20, 24), 3, 2)

    def plain(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
        )

    value, backward = jax.vjp(plain, problem.x, problem.kernel)
    for mine, theirs in zip(products(problem, 2), (value, *backward(problem.g)), strict=True):
        assert mine.shape == theirs.shape
        assert mine.dtype == theirs.dtype == jnp.float32
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("stride", [1, 2])
def test_an_ensemble_is_its_members(stride):
    members = [drawn(seed, 3, 8, 8, (18, 4), 3, stride) for seed in range(3)]
    together = jax.jit(jax.vmap(lambda member: products(member, stride)))(stacked(members))
    for place, member in enumerate(members):
        assert_no_worse_than_sums([part[place] for part in together], member, stride)


def test_an_ensemble_may_share_its_inputs():
    shared = drawn(0, 3, 8, 8, (5, 4), 3, 1)
    kernels = draw(1, (2, 3, 3, 5, 4))[0]
    together = jax.vmap(lambda kernel: products(shared._replace(kernel=kernel), 1))(kernels)
    for place, kernel in enumerate(kernels):
        found = [part[place] for part in together]
        assert_no_worse_than_sums(found, shared._replace(kernel=kernel), 1)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1)])
def test_bfloat16_stays_bfloat16(size, stride):
    narrow = drawn(2, 3, 8, 8, (20, 6), size, stride).map(lambda a: jnp.asarray(a, jnp.bfloat16))
    found = jax.jit(products, static_argnums=1)(narrow, stride)
    assert {a.dtype for a in found} == {jnp.dtype(jnp.bfloat16)}
    assert_no_worse_than_sums(found, narrow.map(lambda a: np.asarray(a, np.float32)), stride, last=2.0**-8)


def first_maxima(x: np.ndarray, g: np.ndarray, size: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    taps = list(windows(x.astype(np.float64), size, stride, -np.inf))
    stack = np.stack([tap for _, _, tap in taps])
    place = stack.argmax(axis=0)  # of equal entries the first
    parts = [(i, j, np.where(place == i * size + j, g, 0)) for i, j, _ in taps]
    return stack.max(axis=0), scatter(parts, x.shape, size, stride)


def pooled(x, g, size: int, stride: int):
    value, backward = jax.vjp(lambda x: max_pool(x, size=size, stride=stride), jnp.asarray(x))
    return value, *backward(jnp.asarray(g))


POOLS = [(2, 2), (3, 2), (3, 1), (3, 3), (2, 1), (5, 2), (2, 3)]


@pytest.mark.parametrize(("size", "stride"), POOLS)
@pytest.mark.parametrize(
    ("side", "dtype"), [(7, "float32"), (8, "float32"), (28, "float32"), (14, "bfloat16")]
)
def test_the_gradient_goes_to_the_first_of_equal_maxima(side, size, stride, dtype):
    """Rectified values, most of them 0, and whole numbers for gradients, so that their sums are exact."""
    rng = np.random.default_rng(side)
    x = np.maximum(rng.integers(-4, 3, (3, side, side, 5)), 0).astype(np.float32)
    n = -(-side // stride)
    g = rng.integers(-9, 10, (3, n, n, 5)).astype(np.float32)
    found = jax.jit(pooled, static_argnums=(2, 3))(jnp.asarray(x, dtype), jnp.asarray(g, dtype), size, stride)
    for result, expected in zip(found, first_maxima(x, g, size, stride), strict=True):
        assert result.dtype == dtype
        np.testing.assert_array_equal(np.asarray(result, np.float64), expected)


@pytest.mark.parametrize(("size", "stride"), POOLS)
def test_maxima_and_their_gradients_are_xlas(size, stride):
    n = -(-11 // stride), -(-6 // stride)
    x, g = draw(3, (2, 11, 6, 4), (2, *n, 4))

    def plain(x):
        window = (1, size, size, 1), (1, stride, stride, 1)
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, *window, "SAME")

    value, backward = jax.vjp(plain, x)
    found = pooled(x, g, size, stride)
    np.testing.assert_array_equal(found[0], value)
    np.testing.assert_allclose(found[1], backward(g)[0], rtol=1e-6, atol=1e-6)


def test_pooling_an_ensemble_is_pooling_its_members():
    x, g = draw(4, (3, 2, 7, 7, 4), (3, 2, 4, 4, 4))
    together = jax.vmap(lambda x, g: pooled(x, g, 3, 2))(x, g)
    for i in range(3):
        for whole, part in zip(together, pooled(x[i], g[i], 3, 2), strict=True):
            np.testing.assert_array_equal(whole[i], part)


def test_other_platforms_get_the_operations_of_xla():
    def loss(x, kernel):
        return jnp.sum(max_pool(convolve(x, kernel), size=3, stride=2))

    x, kernel, _ = drawn(5, 3, 8, 8, (5, 4), 3, 1)

    def lowered(platform: str) -> str:
        traced = jax.jit(jax.value_and_grad(loss, argnums=(0, 1))).trace(x, kernel)
        return traced.lower(lowering_platforms=(platform,)).as_text()

    for platform in ("cuda", "tpu"):
        assert "select_and_scatter" in lowered(platform)
        assert "reduce_window" in lowered(platform)
    assert "select_and_scatter" not in lowered("cpu")
    assert "reduce_window" not in lowered("cpu")
