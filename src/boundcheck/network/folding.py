"""A convolution, or a product with a matrix, of a form: folded with what stands before it where the result is one again."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .ball import Ball
from .convolution import Convolution
from .field import Field
from .form import Form, frozen, moved
from .rounding import TINY, ball_product, gam, inflate


def convolved(
    form: Form,
    *,
    kernel: np.ndarray,
    groups: int = 1,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    dilation: tuple[int, int] = (1, 1),
) -> Form | None:
    """A convolution of a value of shape (height, width, channel); the result is its output, in order."""
    whole = Convolution(
        kernel=kernel,
        groups=groups,
        size=(form.shape[0], form.shape[1]),
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
    frame = _frame(form.index)
    if frame is None or not form.is_injective:
        return None
    (top, bottom), (left, right) = frame
    inner = moved(
        replace(form, bias=None), lambda a, _: a[top : a.shape[0] - bottom, left : a.shape[1] - right]
    )
    radius = None
    if inner.scale is not None:
        if not (inner.scale.is_constant_over(0) and inner.scale.is_constant_over(1)):
            return None
        factor = _per_input(inner.scale.at(np.arange(inner.shape[2])), groups, kernel.shape)
        kernel, radius = ball_product(kernel, None, *factor)
    arrange = inner.index.reshape(-1)
    if inner.core is not None:
        folded = _behind(kernel, radius, groups, inner)
        if folded is None:
            return None
        kernel, radius, groups, arrange = folded
    size = inner.shape[0], inner.shape[1]
    margins = ((padding[0][0] + top, padding[0][1] + bottom), (padding[1][0] + left, padding[1][1] + right))
    core = Convolution(
        kernel=frozen(kernel),
        radius=None if radius is None else frozen(radius),
        groups=groups,
        size=size,
        stride=stride,
        padding=margins,
        dilation=dilation,
    )
    bias = None if form.bias is None else _through(whole, form.bias)
    index = np.arange(math.prod(core.out_shape)).reshape(core.out_shape)
    in_order = arrange.size == form.width and bool((arrange == np.arange(arrange.size)).all())
    return Form(
        node=form.node,
        width=form.width,
        index=index,
        core=core,
        arrange=None if in_order else arrange,
        bias=bias,
        has_bias=form.has_bias,
    )


def _frame(index: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """How many rows and columns at the borders hold nothing but the bias; `None` if others do too."""
    known = index >= 0
    if not known.any():
        return None
    rows, columns = np.flatnonzero(known.any(axis=(1, 2))), np.flatnonzero(known.any(axis=(0, 2)))
    if not known[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all():
        return None
    height, width, _ = index.shape
    return (int(rows[0]), height - 1 - int(rows[-1])), (int(columns[0]), width - 1 - int(columns[-1]))


def _per_input(scale: Field, groups: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray | None]:
    """Factors of the input channels, as factors of a kernel (height, width, in each group, out)."""
    group = np.arange(shape[3]) // (shape[3] // groups)
    channel = group[None, :] * shape[2] + np.arange(shape[2])[:, None]
    field = scale.at(channel)
    return field.value, field.radius


def _pointwise(core: Convolution) -> bool:
    """Whether a convolution maps each position by itself."""
    return core.kernel.shape[:2] == (1, 1) and core.stride == (1, 1) and core.padding == ((0, 0), (0, 0))


def _behind(
    kernel: np.ndarray, radius: np.ndarray | None, groups: int, form: Form
) -> tuple[np.ndarray, np.ndarray | None, int, np.ndarray] | None:
    """The kernel that a convolution has together with the map of each position before it, and what it reads."""
    core = form.core
    assert core is not None
    height, width, channels = core.out_shape
    positions = form.index[:, :, 0] // channels
    expected = positions[:, :, None] * channels + np.arange(channels)
    if not _pointwise(core) or form.shape[2] != channels or not np.array_equal(form.index, expected):
        return None
    before = math.prod(core.in_shape) // (height * width)
    source = np.arange(math.prod(core.in_shape)) if form.arrange is None else form.arrange
    arrange = source.reshape(-1, before)[positions.reshape(-1)].reshape(-1)
    if core.groups == channels == before:
        scale = Field(
            value=core.kernel.reshape(-1),
            radius=None if core.radius is None else core.radius.reshape(-1),
            tags=np.arange(channels),
        )
        return (*ball_product(kernel, radius, *_per_input(scale, groups, kernel.shape)), groups, arrange)
    if core.groups != 1 or groups != 1:
        return None
    mid, error = _product(
        core.kernel[0, 0], None if core.radius is None else core.radius[0, 0], kernel, radius
    )
    return mid, error, 1, arrange


def _product(
    a: np.ndarray, a_radius: np.ndarray | None, b: np.ndarray, b_radius: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The contraction of the last axis of a with the last but one of b, with a bound of its error."""
    m = a.shape[-1]
    top_a, top_b = np.abs(a), np.abs(b)
    error = gam(m + 2) * (top_a @ top_b)
    if a_radius is not None:
        error = error + a_radius @ top_b
        top_a = top_a + a_radius
    if b_radius is not None:
        error = error + top_a @ b_radius
    return a @ b, inflate(error, m + 6) + m * TINY


def _through(convolution: Convolution, field: Field) -> Field:
    """A constant map after a convolution; every entry counts as one of its own."""
    value = convolution.apply(field.value[None])[0]
    m = convolution.terms
    error = np.abs(field.value) * gam(m + 2)
    if field.radius is not None:
        error = error + field.radius
    radius = convolution.power(1).apply(error[None])[0]
    # The bias of a pooled or zero map stays exact.
    radius = inflate(radius, m + 4) + m * TINY * bool(field.value.any())
    return Field(
        value=value,
        radius=radius if radius.any() else None,
        tags=np.arange(value.size, dtype=np.int64).reshape(value.shape),
    )


def contracted(form: Form, weights: np.ndarray) -> Form | None:
    """All entries of a rearrangement against a matrix [entries, outputs]: dense, and exact where nothing scales."""
    index = form.index.reshape(-1)
    known = index >= 0
    if not form.is_injective:
        return None
    rows, row_radius = weights[known], None
    if form.scale is not None:
        scale = form.scale.at(np.flatnonzero(known))
        radius = None if scale.radius is None else scale.radius[:, None]
        rows, row_radius = ball_product(rows, None, scale.value[:, None], radius)
    mid = np.zeros((form.width + 1, weights.shape[1]))
    mid[index[known]] = rows
    error = np.zeros_like(mid) if row_radius is not None or form.bias is not None else None
    if row_radius is not None and error is not None:
        error[index[known]] = row_radius
    if form.bias is not None and error is not None:
        bias = form.bias.value.reshape(1, -1)
        bias_radius = None if form.bias.radius is None else form.bias.radius.reshape(1, -1)
        value, bias_error = _product(bias, bias_radius, weights, None)
        mid[-1], error[-1] = value[0], 0.0 if bias_error is None else bias_error[0]
    return Form(
        node=form.node,
        width=form.width,
        index=np.arange(weights.shape[1]).reshape(1, 1, -1),
        ball=Ball(mid=mid, radius=error if error is not None and error.any() else None),
        has_bias=form.has_bias,
    )


def followed(form: Form, kernel: np.ndarray, groups: int) -> Form | None:
    """A map of each position after a convolution, folded into its kernel."""
    core = form.core
    if core is None or groups != 1 or not (core.groups == 1 or core.kernel.shape[2] == 1):
        return None
    if core.groups not in (1, core.kernel.shape[3]):
        return None
    channels = core.out_shape[2]
    index = form.index[:, 0]
    places = index[:, 0] // channels
    if (
        index.shape[1] != channels
        or places.size * channels != form.span
        or not np.array_equal(index, places[:, None] * channels + np.arange(channels))
    ):
        return None
    weights, weight_radius = kernel[0, 0], None
    if form.scale is not None:
        if not form.scale.is_constant_over(0):
            return None
        scale = form.scale.at(np.arange(channels))
        radius = None if scale.radius is None else scale.radius[:, None]
        weights, weight_radius = ball_product(weights, None, scale.value[:, None], radius)
    if core.groups == 1:
        mid, error = _product(core.kernel, core.radius, weights, weight_radius)
    else:
        # Each channel by itself: K[u, v, 0, c] W[c, o].
        before = core.kernel[:, :, 0, :, None]
        before_radius = None if core.radius is None else core.radius[:, :, 0, :, None]
        mid, error = ball_product(before, before_radius, weights, weight_radius)
    folded = Convolution(
        kernel=frozen(mid),
        radius=None if error is None or not error.any() else frozen(error),
        groups=1,
        size=core.size,
        stride=core.stride,
        padding=core.padding,
        dilation=core.dilation,
    )
    width = kernel.shape[3]
    bias = None
    if form.bias is not None:
        rows = form.bias.value.reshape(-1, channels)
        rows_radius = None if form.bias.radius is None else form.bias.radius.reshape(-1, channels)
        value, bias_error = _product(rows, rows_radius, kernel[0, 0], None)
        shared = form.bias.is_constant_over(0)
        shape = (len(places), 1, width)
        tags = np.arange(width) if shared else np.arange(value.size).reshape(shape)
        bias = Field(
            value=value.reshape(shape),
            radius=None if bias_error is None else bias_error.reshape(shape),
            tags=np.broadcast_to(tags, shape),
        )
    return Form(
        node=form.node,
        width=form.width,
        index=(places[:, None] * width + np.arange(width)).reshape(len(places), 1, width),
        core=folded,
        arrange=form.arrange,
        bias=bias,
        has_bias=form.has_bias,
    )
