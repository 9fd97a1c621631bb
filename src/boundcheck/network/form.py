"""`Form`: a value of the program as an affine function of one node of the network, in a form whose norms are known.

Layout moves an index array; a constant factor or summand is a `Field`; a convolution, a pooling sum or a product with a
constant matrix becomes a `Convolution` at its real shape, and folds with its neighbours where the result is a
convolution again. What has no such form and is small becomes a dense matrix. `absorb` says `None` where neither
works: the value then has to become a node of its own first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from .ball import AFFINE, Ball, adds_constant, spread_ball
from .convolution import Convolution
from .field import Field
from .moves import PADDED, move, pad, padding
from .program import Constant, Equation, Variable
from .rounding import TINY, gam, inflate, product

DENSE: Final = 2**24
"""The most numbers in an explicit matrix that stands for something else: 128 MB."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form:
    """value[e] = scale[e] core(source)[index[e]] + bias[e], entry by entry.

    `node` and `width` are the source's position in the network and its size. `core` is a convolution of the source's
    entries `arrange`, or the identity; `index` positions in its flat output, -1 where the value is the bias alone.
    Alternatively `ball`, `(width + 1, *shape)`, holds matrix and bias. `equations` are those from the source on.
    """

    node: int
    width: int
    index: np.ndarray
    core: Convolution | None = None
    arrange: np.ndarray | None = None
    scale: Field | None = None
    bias: Field | None = None
    ball: Ball | None = None
    has_bias: bool = False
    equations: tuple[Equation, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value in the program."""
        return self.index.shape

    @property
    def is_plain(self) -> bool:
        """Whether the value only rearranges its source."""
        return self.core is None and self.ball is None and self.scale is None and self.bias is None

    @property
    def span(self) -> int:
        """How many entries `index` can point to."""
        return self.width if self.core is None else math.prod(self.core.out_shape)

    @property
    def is_bijective(self) -> bool:
        """Whether every entry of what `index` points into occurs exactly once."""
        flat = self.index.reshape(-1)
        return flat.size == self.span and bool((np.bincount(flat[flat >= 0], minlength=self.span) == 1).all())

    @property
    def is_injective(self) -> bool:
        """Whether no entry of the source occurs twice."""
        flat = self.index[self.index >= 0]
        return flat.size == 0 or int(np.bincount(flat).max()) <= 1


def identity(node: int, index: np.ndarray) -> Form:
    """The value whose entries are those of a node, at `index`."""
    return Form(node=node, width=index.size, index=index)


def absorb(equation: Equation, operands: Sequence[Form | Constant], output: int = 0) -> Form | None:
    """The result of an affine equation as a form of the same source; `None` if it has none."""
    live = [o for o in operands if isinstance(o, Form)]
    if any(o.node != live[0].node for o in live):
        return None
    form = None
    if all(o.ball is None for o in live):
        if place := move(equation, output):
            form = _moved(live[0], lambda a, _: place(a[None])[0])
        elif equation.primitive in PADDED:
            form = _placed(equation, operands)
        elif len(live) == 1 and equation.primitive in _RULES:
            form = _RULES[equation.primitive](equation, live[0], operands)
    if form is None:
        form = _by_ball(equation, operands, output)
    if form is None:
        return None
    before = tuple(dict.fromkeys(e for o in live for e in o.equations))
    return replace(form, equations=(*before, equation))


# Rearrangements ---------------------------------------------------------------------------------------------------


def _moved(form: Form, place: Callable[[np.ndarray, float], np.ndarray]) -> Form:
    return replace(
        form,
        index=np.asarray(place(form.index, -1.0)),
        scale=form.scale and form.scale.moved(place, 1.0),
        bias=form.bias and form.bias.moved(place, 0.0),
    )


def _placed(equation: Equation, operands: Sequence[Form | Constant]) -> Form | None:
    """Padding with a constant, or a concatenation of rearrangements of one source and constants."""
    if equation.primitive == "pad":
        form, fill = operands
        if not isinstance(form, Form) or not isinstance(fill, Constant):
            return None
        config = padding(equation)
        result = _moved(form, lambda a, fill: pad(a[None], config, fill)[0])
        if not adds_constant(equation):
            return result
        inside = pad(np.ones((1, *form.shape)), config, 0.0)[0] > 0
        constant = Field.of(fill, result.shape)
        edge = Field(
            value=np.where(inside, 0.0, constant.value),
            radius=None,
            tags=np.where(inside, 0, 1 + constant.tags),
        )
        return replace(result, bias=_plus(result.bias, edge), has_bias=True)
    live = [o for o in operands if isinstance(o, Form)]
    if any(o.core is not None for o in live):
        return None
    axis = equation.params["dimension"]

    def join(parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(parts, axis)

    index = join([o.index if isinstance(o, Form) else np.full(o.shape, -1) for o in operands])
    scale = bias = None
    if any(o.scale for o in live):
        scale = _joined([_part(o, "scale", 1.0) for o in operands], join)
    biased = any(o.bias for o in live) or adds_constant(equation)
    if biased:
        bias = _joined(
            [_part(o, "bias", 0.0) if isinstance(o, Form) else Field.of(o, o.shape) for o in operands], join
        )
    return Form(node=live[0].node, width=live[0].width, index=index, scale=scale, bias=bias, has_bias=biased)


def _part(operand: Form | Constant, name: str, fill: float) -> Field:
    known = getattr(operand, name, None)
    return known if known is not None else Field.filled(fill, operand.shape)


def _joined(parts: list[Field], join: Callable[[list[np.ndarray]], np.ndarray]) -> Field:
    tags, first = [], 0
    for part in parts:
        tags.append(part.tags - part.tags.min(initial=0) + first)
        first = int(tags[-1].max(initial=first)) + 1
    radii = [np.zeros(p.value.shape) if p.radius is None else p.radius for p in parts]
    some = any(p.radius is not None for p in parts)
    return Field(value=join([p.value for p in parts]), radius=join(radii) if some else None, tags=join(tags))


# Elementwise ------------------------------------------------------------------------------------------------------


def _plus(a: Field | None, b: Field) -> Field:
    return b if a is None else a + b


def _add(equation: Equation, form: Form, operands: Sequence[Form | Constant]) -> Form:
    shape = equation.outputs[0].shape
    form = spread(form, shape)
    (constant,) = (o for o in operands if isinstance(o, Constant))
    field = Field.of(constant, shape)
    if equation.primitive == "sub":
        if isinstance(operands[0], Constant):
            form = _negated(form)
        else:
            field = -field
    return replace(form, bias=_plus(form.bias, field), has_bias=True)


def spread(form: Form, shape: tuple[int, ...]) -> Form:
    """The value broadcast to a larger shape of the same rank, or from a scalar."""
    if form.shape == shape:
        return form
    ones = (1,) * (len(shape) - len(form.shape))
    if form.ball is not None:
        form = replace(form, ball=spread_ball(form.ball, shape))
    return _moved(form, lambda a, _: np.broadcast_to(a.reshape(ones + a.shape), shape))


def _scaled(form: Form, factor: Field, divide: bool = False) -> Form:
    def scaled(field: Field) -> Field:
        return field.over(factor) if divide else field * factor

    scale = form.scale or Field.filled(1.0, form.shape)
    return replace(form, scale=scaled(scale), bias=form.bias and scaled(form.bias))


def _negated(form: Form) -> Form:
    return _scaled(form, Field.filled(-1.0, form.shape))


def _multiply(equation: Equation, form: Form, operands: Sequence[Form | Constant]) -> Form:
    shape = equation.outputs[0].shape
    (constant,) = (o for o in operands if isinstance(o, Constant))
    return _scaled(spread(form, shape), Field.of(constant, shape), equation.primitive == "div")


# Sums of products -------------------------------------------------------------------------------------------------


def _convolve(equation: Equation, form: Form, operands: Sequence[Form | Constant]) -> Form | None:
    """A convolution of one map, in one or two dimensions; `obstacle` has refused all others."""
    p = equation.params
    (constant,) = (o for o in operands if isinstance(o, Constant))
    lhs, rhs, out = p["dimension_numbers"]
    spatial = len(lhs) - 2
    kernel = constant.float64.transpose((*rhs[2:], rhs[1], rhs[0]))
    order = (*lhs[2:], lhs[1])
    one = spatial == 1
    squeezed = _moved(form, lambda a, _: _planar(np.take(a, 0, axis=lhs[0]), lhs[0], order, one))
    result = _apply(
        squeezed,
        kernel=kernel[:, None] if one else kernel,
        groups=p["feature_group_count"],
        stride=_pair(p["window_strides"], 1),
        padding=_pair([(int(a), int(b)) for a, b in p["padding"]], (0, 0)),
        dilation=_pair(p["rhs_dilation"], 1),
    )
    if result is None:
        return None
    back = [int(i) for i in np.argsort([out[0], *out[2:], out[1]])]
    return _moved(result, lambda a, _: (a[:, 0] if one else a)[None].transpose(back))


def _planar(a: np.ndarray, batch: int, order: tuple[int, ...], one: bool) -> np.ndarray:
    """An array without its batch axis as (height, width, channel)."""
    a = a.transpose([axis - (axis > batch) for axis in order])
    return a[:, None] if one else a


def _pair(values: Sequence[Any], missing: Any) -> tuple[Any, Any]:
    first, *rest = values
    return (first, rest[0] if rest else missing)


def _apply(
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
        kernel=kernel, groups=groups, size=(form.shape[0], form.shape[1]), stride=stride, padding=padding, dilation=dilation
    )
    frame = _frame(form.index)
    if frame is None or not form.is_injective:
        return None
    (top, bottom), (left, right) = frame
    inner = _moved(
        replace(form, bias=None), lambda a, _: a[top : a.shape[0] - bottom, left : a.shape[1] - right]
    )
    radius = None
    if inner.scale is not None:
        if not (inner.scale.is_constant_over(0) and inner.scale.is_constant_over(1)):
            return None
        factor = _per_input(inner.scale.at(np.arange(inner.shape[2])), groups, kernel.shape)
        kernel, radius = _times(kernel, None, *factor)
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


def _times(
    a: np.ndarray, a_radius: np.ndarray | None, b: np.ndarray, b_radius: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """a b, broadcast, with a bound of everything unknown."""
    mid, error = product(a, b)
    if a_radius is not None:
        error = inflate(error + a_radius * np.abs(b) + TINY, 3)
    if b_radius is not None:
        top = np.abs(a) if a_radius is None else inflate(np.abs(a) + a_radius, 1)
        error = inflate(error + b_radius * top + TINY, 3)
    return mid, error if error.any() else None


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
        return (*_times(kernel, radius, *_per_input(scale, groups, kernel.shape)), groups, arrange)
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


def frozen(a: np.ndarray) -> np.ndarray:
    """A contiguous float64 copy that cannot be written."""
    copy = np.array(a, dtype=np.float64, order="C")
    copy.flags.writeable = False
    return copy


def _window_sum(equation: Equation, form: Form, operands: Sequence[Form | Constant]) -> Form | None:
    """Sums over windows: a convolution with ones, each channel by itself."""
    p = equation.params
    sizes, strides = p["window_dimensions"], p["window_strides"]
    spatial = [
        a
        for a, (w, s, pads) in enumerate(zip(sizes, strides, p["padding"], strict=True))
        if w > 1 or s > 1 or any(pads)
    ]
    if len(spatial) > 2:
        return None
    channels = [a for a in range(len(sizes)) if a not in spatial]
    order = (*spatial, *channels)
    kept = tuple(form.shape[a] for a in channels)
    maps = [form.shape[a] for a in spatial] + [1] * (2 - len(spatial))
    planar = _moved(form, lambda a, _: a.transpose(order).reshape(*maps, math.prod(kept)))
    ones = np.ones([sizes[a] for a in spatial] + [1] * (2 - len(spatial)) + [1, math.prod(kept)])

    def both(values: Sequence[Any], missing: Any) -> tuple[Any, Any]:
        first, second = ([values[a] for a in spatial] + [missing, missing])[:2]
        return first, second

    result = _apply(
        planar,
        kernel=ones,
        groups=math.prod(kept),
        stride=both(strides, 1),
        padding=both([(int(a), int(b)) for a, b in p["padding"]], (0, 0)),
        dilation=both(p["window_dilation"], 1),
    )
    return result and _unfold(result, equation.outputs[0].shape, order)


def _unfold(form: Form, shape: tuple[int, ...], order: tuple[int, ...]) -> Form:
    """A value of shape (height, width, channel) back in the order of the program, whose axes were `order`."""
    back = [int(i) for i in np.argsort(order)]
    return _moved(form, lambda a, _: a.reshape([shape[i] for i in order]).transpose(back))


def _sum(equation: Equation, form: Form, operands: Sequence[Form | Constant]) -> Form | None:
    """A sum over axes: one window that is all of them."""
    axes = [int(a) for a in equation.params["axes"]]
    kept = [a for a in range(len(form.shape)) if a not in axes]
    count = math.prod(form.shape[a] for a in axes)
    channels = math.prod(form.shape[a] for a in kept)
    planar = _moved(form, lambda a, _: a.transpose((*axes, *kept)).reshape(count, 1, channels))
    if planar.scale is not None and not planar.scale.is_constant_over(0):
        return None
    result = _apply(planar, kernel=np.ones((count, 1, 1, channels)), groups=channels)
    return result and _moved(result, lambda a, _: a.reshape(equation.outputs[0].shape))


def _dot(equation: Equation, form: Form, operands: Sequence[Form | Constant]) -> Form | None:
    """A product with a constant: of the whole value, or of each position by itself."""
    (constant,) = (o for o in operands if isinstance(o, Constant))
    first = isinstance(operands[0], Form)
    (lhs, rhs), (lhs_batch, rhs_batch) = equation.params["dimension_numbers"]
    inner, batch = (lhs, lhs_batch) if first else (rhs, rhs_batch)
    c_inner, c_batch = (rhs, rhs_batch) if first else (lhs, lhs_batch)
    free = [a for a in range(len(form.shape)) if a not in (*inner, *batch)]
    c_free = [a for a in range(len(constant.shape)) if a not in (*c_inner, *c_batch)]
    groups, length = (math.prod(form.shape[a] for a in axes) for axes in (batch, inner))
    positions, width = (
        math.prod(form.shape[a] for a in free),
        math.prod(constant.shape[a] for a in c_free),
    )
    flat = _moved(
        form, lambda a, _: a.transpose((*free, *batch, *inner)).reshape(positions, 1, groups * length)
    )
    weights = constant.float64.transpose((*c_batch, *c_inner, *c_free)).reshape(groups, length, width)
    if positions == groups == 1 and form.core is None:
        result = _matrix(flat, weights[0])
    else:
        kernel = weights.transpose(1, 0, 2).reshape(1, 1, length, groups * width)
        result = _ahead(flat, kernel, groups) or _apply(flat, kernel=kernel, groups=groups)
    if result is None:
        return None
    shape_free, shape_c = (
        [form.shape[a] for a in free],
        [constant.shape[a] for a in c_free],
    )
    shape_batch = [form.shape[a] for a in batch]
    n_free, n_batch, n_c = len(free), len(batch), len(c_free)
    parts = [*range(n_free)], [*range(n_free, n_free + n_batch)]
    last = [*range(n_free + n_batch, n_free + n_batch + n_c)]
    order = [*parts[1], *parts[0], *last] if first else [*parts[1], *last, *parts[0]]

    def place(a: np.ndarray, _: float) -> np.ndarray:
        return a.reshape(shape_free + shape_batch + shape_c).transpose(order)

    if result.ball is not None:
        return replace(
            _moved(result, place),
            ball=Ball(
                mid=result.ball.mid.reshape(-1, *equation.outputs[0].shape),
                radius=None
                if result.ball.radius is None
                else result.ball.radius.reshape(-1, *equation.outputs[0].shape),
            ),
        )
    return _moved(result, place)


def _matrix(form: Form, weights: np.ndarray) -> Form | None:
    """All entries of a rearrangement against a matrix [entries, outputs]: dense, and exact where nothing scales."""
    index = form.index.reshape(-1)
    known = index >= 0
    if not form.is_injective:
        return None
    rows, row_radius = weights[known], None
    if form.scale is not None:
        scale = form.scale.at(np.flatnonzero(known))
        radius = None if scale.radius is None else scale.radius[:, None]
        rows, row_radius = _times(rows, None, scale.value[:, None], radius)
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


def _ahead(form: Form, kernel: np.ndarray, groups: int) -> Form | None:
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
        weights, weight_radius = _times(weights, None, scale.value[:, None], radius)
    if core.groups == 1:
        mid, error = _product(core.kernel, core.radius, weights, weight_radius)
    else:
        # Each channel by itself: K[u, v, 0, c] W[c, o].
        before = core.kernel[:, :, 0, :, None]
        before_radius = None if core.radius is None else core.radius[:, :, 0, :, None]
        mid, error = _times(before, before_radius, weights, weight_radius)
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


_RULES: Final[dict[str, Callable[[Equation, Form, Sequence[Form | Constant]], Form | None]]] = {
    "add": _add,
    "add_any": _add,
    "sub": _add,
    "mul": _multiply,
    "div": _multiply,
    "neg": lambda _, form, __: _negated(form),
    "conv_general_dilated": _convolve,
    "reduce_window_sum": _window_sum,
    "reduce_sum": _sum,
    "dot_general": _dot,
}
STRUCTURED: Final = frozenset(_RULES)
"""Primitives with a rule of their own."""


# Dense matrices ---------------------------------------------------------------------------------------------------


def _by_ball(equation: Equation, operands: Sequence[Form | Constant], output: int) -> Form | None:
    """The equation on explicit matrices, if they are small enough."""
    if equation.primitive not in AFFINE or output:
        return None
    live = [o for o in operands if isinstance(o, Form)]
    after: Variable = equation.outputs[0]
    balls = {id(o): dense(o, after.size) for o in live}
    if any(ball is None for ball in balls.values()):
        return None
    with np.errstate(all="ignore"):
        ball = AFFINE[equation.primitive](
            equation, [balls[id(o)] if isinstance(o, Form) else o for o in operands]
        )
    return Form(
        node=live[0].node,
        width=live[0].width,
        index=np.arange(after.size).reshape(after.shape),
        ball=ball,
        has_bias=any(o.has_bias for o in live) or adds_constant(equation),
    )


def dense(form: Form, room: int = 0) -> Ball | None:
    """Matrix and bias of a form, `(width + 1, *shape)`; `None` if that or a value of `room` entries is too large."""
    if form.ball is not None:
        return form.ball if form.ball.mid.shape[0] * room <= max(DENSE, 2 * form.ball.mid.size) else None
    if (form.width + 1) * max(form.index.size, room) > DENSE:
        return None
    flat = form.index.reshape(-1)
    known = np.flatnonzero(flat >= 0)
    mid, radius = np.zeros((form.width + 1, flat.size)), None
    if form.core is None:
        mid[flat[known], known] = 1.0
    else:
        matrix, error = form.core.unrolled()
        columns = slice(form.width) if form.arrange is None else form.arrange
        wide = np.zeros((form.width, len(matrix)))
        wide[columns] = matrix.T
        mid[:-1, known] = wide[:, flat[known]]
        if error is not None:
            wide[columns] = error.T
            radius = np.zeros_like(mid)
            radius[:-1, known] = wide[:, flat[known]]
    if form.scale is not None:
        s = form.scale
        factor = None if s.radius is None else s.radius.reshape(1, -1)
        mid, radius = _times(mid, radius, s.value.reshape(1, -1), factor)
    if form.bias is not None:
        mid[-1] = form.bias.value.reshape(-1)
        if form.bias.radius is not None:
            radius = np.zeros_like(mid) if radius is None else radius
            radius[-1] = form.bias.radius.reshape(-1)
    return Ball(
        mid=mid.reshape(-1, *form.shape), radius=None if radius is None else radius.reshape(-1, *form.shape)
    )
