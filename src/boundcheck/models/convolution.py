"""`convolve` and `max_pool` for training on whole batches: the operations of XLA, with gradients that are fast on a CPU.

On a CPU, XLA runs the weight gradient of a convolution, as differentiation writes it, in plain loops, up to 40 times slower
inside a `lax.scan` than outside. Its convolutions run at the speed of a matrix product if their axes are [batch, height,
width, channels] and [height, width, in, out]. Here all three products are such convolutions:

- the input gradient convolves the output gradient with the flipped kernel; at stride s it is s x s such convolutions, one for
  each position of an input modulo s, each with the taps that meet it, so that nothing is multiplied by an inserted zero;
- the weight gradient convolves the input, its channels taken for the batch and its batch for the channels, with the output
  gradient for a kernel that is as large as the map.

The gradient of a maximum is made of comparisons and sums of whole arrays, where XLA sorts out one position at a time.

On any other platform both functions and their gradients are XLA's. What counts is the platform that a computation is lowered
for: a program for the CPU is the fast one in a process that has a GPU, too.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import sequential_vmap
from jaxtyping import Array, Float

_AXES: Final = ("NHWC", "HWIO", "NHWC")

Input = Float[Array, "b h w i"]
Kernel = Float[Array, "kh kw i o"]
Output = Float[Array, "b h2 w2 o"]
Maps = Float[Array, "b h w c"]
Pooled = Float[Array, "b h2 w2 c"]


def convolve(x: Input, kernel: Kernel, *, stride: int = 1) -> Output:
    """The cross-correlation of x [b, h, w, in] with a kernel [kh, kw, in, out]: [b, ceil(h/stride), ceil(w/stride), out].

    The padding is `SAME`: zeros, the odd one after the map. Both arguments are of one dtype, float32 or bfloat16, and so is
    the result. It can be differentiated once, in reverse.
    """
    return _convolution(x, kernel, stride)


def max_pool(x: Maps, *, size: int, stride: int) -> Pooled:
    """The maximum of each window of `size` x `size` of x [b, h, w, c]: [b, ceil(h/stride), ceil(w/stride), c].

    The padding is `SAME`; what lies outside of a map counts as -inf. The gradient goes to the first
    maximum of a window, row by row, as XLA's does. It can be differentiated once, in reverse.
    """
    return _maximum(x, size, stride)


def _pads(length: int, size: int, stride: int) -> tuple[int, int]:
    """What `SAME` adds before and after an axis."""
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def _plain_convolution(x: Input, kernel: Kernel, *, stride: int) -> Output:
    return lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=_AXES)


# `vmap` over kernels makes a convolution with groups. Those have no fast path on a CPU, so there it makes a loop.


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolution(x: Input, kernel: Kernel, stride: int) -> Output:
    plain = functools.partial(_plain_convolution, stride=stride)
    return lax.platform_dependent(x, kernel, cpu=sequential_vmap(plain), default=plain)


def _convolution_forward(x: Input, kernel: Kernel, stride: int) -> tuple[Output, tuple[Input, Kernel]]:
    return _convolution(x, kernel, stride), (x, kernel)


def _convolution_backward(stride: int, saved: tuple[Input, Kernel], g: Output) -> tuple[Input, Kernel]:
    def plain(x: Input, kernel: Kernel, g: Output) -> tuple[Input, Kernel]:
        return jax.vjp(functools.partial(_plain_convolution, stride=stride), x, kernel)[1](g)

    def fast(x: Input, kernel: Kernel, g: Output) -> tuple[Input, Kernel]:
        return _input_gradient(x, kernel, g, stride), _weight_gradient(x, kernel, g, stride)

    return lax.platform_dependent(*saved, g, cpu=sequential_vmap(fast), default=plain)


_convolution.defvjp(_convolution_forward, _convolution_backward)


def _input_gradient(x: Input, kernel: Kernel, g: Output, stride: int) -> Input:
    """With p the padding before an axis, its position stride*q + a gets the sum over t of

    g[q + (a + p) // stride - t] kernel[(a + p) % stride + stride*t].
    """
    before = [_pads(x.shape[1 + axis], kernel.shape[axis], stride)[0] for axis in (0, 1)]

    def phase(*place: int) -> Input:
        """The gradient at the positions stride*q + place: a convolution with stride 1."""
        shift, first = zip(*(divmod(place[axis] + before[axis], stride) for axis in (0, 1)), strict=True)
        taps = jnp.flip(kernel[first[0] :: stride, first[1] :: stride], (0, 1)).swapaxes(2, 3)
        if taps.size == 0:
            return jnp.zeros((*g.shape[:3], x.shape[3]), g.dtype)
        padding = [(taps.shape[axis] - 1 - shift[axis], shift[axis]) for axis in (0, 1)]
        return lax.conv_general_dilated(g, taps, (1, 1), padding, dimension_numbers=_AXES)

    return _interleaved([[phase(i, j) for j in range(stride)] for i in range(stride)], x)


def _weight_gradient(x: Input, kernel: Kernel, g: Output, stride: int) -> Kernel:
    size = kernel.shape[:2]
    if size == (1, 1):
        return jnp.einsum("bhwi,bhwo->io", x[:, ::stride, ::stride], g)[None, None]
    before = [_pads(x.shape[1 + axis], size[axis], stride)[0] for axis in (0, 1)]
    reach = [(g.shape[1 + axis] - 1) * stride + size[axis] - before[axis] for axis in (0, 1)]
    x = x[:, : reach[0], : reach[1]]
    after = [reach[axis] - x.shape[1 + axis] for axis in (0, 1)]
    # Of the two, the one that turns its channels to the front should be small: there the copy is slow.
    if stride == 1 and x.shape[3] > g.shape[3]:
        turned, still = g.transpose(3, 1, 2, 0), x.transpose(1, 2, 0, 3)
        padding = list(zip(after, before, strict=True))
        products = lax.conv_general_dilated(turned, still, (1, 1), padding, dimension_numbers=_AXES)
        return jnp.flip(products, (1, 2)).transpose(1, 2, 3, 0)
    turned, still = x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3)
    padding = list(zip(before, after, strict=True))
    products = lax.conv_general_dilated(
        turned, still, (1, 1), padding, rhs_dilation=(stride, stride), dimension_numbers=_AXES
    )
    return products.transpose(1, 2, 0, 3)


def _interleaved(phases: list[list[Any]], x: Any) -> Any:
    """The array of the shape of x whose positions stride*q + (i, j) are those of phases[i][j]."""
    if len(phases) == 1:
        return phases[0][0]
    rows = jnp.stack([jnp.stack(row, axis=3) for row in phases], axis=2)
    whole = rows.reshape(
        rows.shape[0], rows.shape[1] * rows.shape[2], rows.shape[3] * rows.shape[4], rows.shape[5]
    )
    return whole[:, : x.shape[1], : x.shape[2]]


def _plain_maximum(x: Maps, *, size: int, stride: int) -> Pooled:
    lowest = np.asarray(-np.inf, x.dtype)
    return lax.reduce_window(x, lowest, lax.max, (1, size, size, 1), (1, stride, stride, 1), "SAME")


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _maximum(x: Maps, size: int, stride: int) -> Pooled:
    def fast(x: Maps) -> Pooled:
        return functools.reduce(jnp.maximum, _taps(x, size, stride))

    plain = functools.partial(_plain_maximum, size=size, stride=stride)
    return lax.platform_dependent(x, cpu=fast, default=plain)


def _maximum_forward(x: Maps, size: int, stride: int) -> tuple[Pooled, Maps]:
    return _maximum(x, size, stride), x


def _maximum_backward(size: int, stride: int, x: Maps, g: Pooled) -> tuple[Maps]:
    def plain(x: Maps, g: Pooled) -> Maps:
        return jax.vjp(functools.partial(_plain_maximum, size=size, stride=stride), x)[1](g)[0]

    def fast(x: Maps, g: Pooled) -> Maps:
        return _maximum_gradient(x, g, size, stride)

    return (lax.platform_dependent(x, g, cpu=fast, default=plain),)


_maximum.defvjp(_maximum_forward, _maximum_backward)


def _taps(x: Maps, size: int, stride: int) -> list[Pooled]:
    """One entry of every window, for each position in a window, row by row."""
    pads = [(0, 0), *(_pads(length, size, stride) for length in x.shape[1:3]), (0, 0)]
    ends = [(-(-length // stride) - 1) * stride + 1 for length in x.shape[1:3]]
    x = jnp.pad(x, pads, constant_values=-np.inf)
    return [
        x[:, i : i + ends[0] : stride, j : j + ends[1] : stride]
        for i, j in itertools.product(range(size), repeat=2)
    ]


def _maximum_gradient(x: Maps, g: Pooled, size: int, stride: int) -> Maps:
    taps = _taps(x, size, stride)
    largest, place = taps[0], jnp.zeros(g.shape, jnp.int32)
    for number, tap in enumerate(taps[1:], start=1):
        place = jnp.where(tap > largest, jnp.int32(number), place)
        largest = jnp.maximum(tap, largest)
    before = [_pads(length, size, stride)[0] for length in x.shape[1:3]]
    nothing = jnp.zeros((), g.dtype)

    def phase(*position: int) -> Pooled:
        """The gradient at the positions stride*q + position: a sum over the windows that hold them."""
        shift, first = zip(*(divmod(position[axis] + before[axis], stride) for axis in (0, 1)), strict=True)
        total = jnp.zeros_like(g)
        for i, j in itertools.product(range(first[0], size, stride), range(first[1], size, stride)):
            down, right = i // stride - shift[0], j // stride - shift[1]
            chosen = jnp.where(place == i * size + j, g, nothing)
            total += lax.pad(chosen, nothing, ((0, 0, 0), (down, -down, 0), (right, -right, 0), (0, 0, 0)))
        return total

    return _interleaved([[phase(i, j) for j in range(stride)] for i in range(stride)], x)
