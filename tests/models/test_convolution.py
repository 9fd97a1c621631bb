"""Values and both gradients against sums over taps in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.models.convolution import convolve, max_pool

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


def exact(x: np.ndarray, kernel: np.ndarray, g: np.ndarray, stride: int):
    """The convolution, its input gradient and its weight gradient, in float64."""
    x, kernel, g = (a.astype(np.float64) for a in (x, kernel, g))
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


def problem(seed: int, b: int, h: int, w: int, n_in: int, n_out: int, size: int, stride: int):
    out = (b, -(-h // stride), -(-w // stride), n_out)
    return draw(seed, (b, h, w, n_in), (size, size, n_in, n_out), out)


def products(x, kernel, g, stride: int):
    value, backward = jax.vjp(
        lambda x, kernel: convolve(x, kernel, stride=stride), jnp.asarray(x), jnp.asarray(kernel)
    )
    return value, *backward(jnp.asarray(g))


def assert_no_worse_than_sums(found, x, kernel, g, stride: int, unit: float = 2.0**-24, last: float = 0.0):
    """|error| <= K u/(1 - K u) times the sum of the K products' magnitudes: true of their sum in any order.

    `last`: the unit of a final rounding.
    """
    expected = exact(x, kernel, g, stride)
    magnitude = exact(*(np.abs(a) for a in (x, kernel, g)), stride)
    size, _, n_in, n_out = kernel.shape
    terms = (size**2 * n_in, size**2 * n_out, g[..., 0].size)
    for result, value, above, k in zip(found, expected, magnitude, terms, strict=True):
        error = np.abs(np.asarray(result, np.float64) - value)
        assert np.all(error <= k * unit / (1 - k * unit) * above * (1 + last) + last * np.abs(value))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("side", MAPS)
def test_values_and_gradients_are_those_of_sums_in_float64(side, size, stride):
    channels = ((3, 20), (20, 6), (17, 17))[(MAPS.index(side) + stride) % 3]
    x, kernel, g = problem(side + size, 3, side, side, *channels, size, stride)
    found = jax.jit(products, static_argnums=3)(x, kernel, g, stride)
    assert_no_worse_than_sums(found, x, kernel, g, stride)


@pytest.mark.parametrize(
    ("h", "w", "size", "stride"),
    [(9, 4, 3, 2), (5, 8, 3, 3), (4, 11, 2, 2), (2, 2, 5, 1), (1, 6, 3, 2), (7, 7, 4, 3)],
)
def test_maps_need_be_neither_square_nor_larger_than_the_kernel(h, w, size, stride):
    x, kernel, g = problem(h, 5, h, w, 4, 3, size, stride)
    assert_no_worse_than_sums(products(x, kernel, g, stride), x, kernel, g, stride)


def test_values_are_xlas():
    x, kernel, g = problem(1, 5, 14, 14, 20, 24, 3, 2)

    def plain(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
        )

    value, backward = jax.vjp(plain, x, kernel)
    for mine, theirs in zip(products(x, kernel, g, 2), (value, *backward(g)), strict=True):
        assert mine.shape == theirs.shape
        assert mine.dtype == theirs.dtype == jnp.float32
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("stride", [1, 2])
def test_an_ensemble_is_its_members(stride):
    members = [problem(seed, 3, 8, 8, 18, 4, 3, stride) for seed in range(3)]
    stacked = [np.stack(part) for part in zip(*members, strict=True)]
    together = jax.jit(jax.vmap(lambda x, k, g: products(x, k, g, stride)))(*stacked)
    for member, *found in zip(members, *together, strict=True):
        assert_no_worse_than_sums(found, *member, stride)


def test_an_ensemble_may_share_its_inputs():
    x, _, g = problem(0, 3, 8, 8, 5, 4, 3, 1)
    kernels = draw(1, (2, 3, 3, 5, 4))[0]
    together = jax.vmap(lambda kernel: products(x, kernel, g, 1))(kernels)
    for kernel, *found in zip(kernels, *together, strict=True):
        assert_no_worse_than_sums(found, x, kernel, g, 1)


def test_a_scan_computes_the_same():
    steps = [problem(seed, 3, 8, 8, 20, 18, 3, 1) for seed in range(3)]
    stacked = [np.stack(part) for part in zip(*steps, strict=True)]
    scanned = jax.jit(lambda *xs: jax.lax.scan(lambda _, x: (None, products(*x, 1)), None, xs)[1])(*stacked)
    for step, *found in zip(steps, *scanned, strict=True):
        assert_no_worse_than_sums(found, *step, 1)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1)])
def test_bfloat16_stays_bfloat16(size, stride):
    narrow = [jnp.asarray(a, jnp.bfloat16) for a in problem(2, 3, 8, 8, 20, 6, size, stride)]
    found = jax.jit(products, static_argnums=3)(*narrow, stride)
    assert {a.dtype for a in found} == {jnp.dtype(jnp.bfloat16)}
    wide = [np.asarray(a, np.float32) for a in narrow]
    assert_no_worse_than_sums(found, *wide, stride, last=2.0**-8)


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

    x, kernel, _ = problem(5, 3, 8, 8, 5, 4, 3, 1)

    def lowered(platform: str) -> str:
        traced = jax.jit(jax.value_and_grad(loss, argnums=(0, 1))).trace(x, kernel)
        return traced.lower(lowering_platforms=(platform,)).as_text()

    for platform in ("cuda", "tpu"):
        assert "select_and_scatter" in lowered(platform)
        assert "reduce_window" in lowered(platform)
    assert "select_and_scatter" not in lowered("cpu")
    assert "reduce_window" not in lowered("cpu")
