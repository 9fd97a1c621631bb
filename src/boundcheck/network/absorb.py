"""`absorb`: what an affine equation makes of a form.

Layout moves an index array; a constant factor or summand is a `Field`; a convolution, a pooling sum or a product with a
constant matrix becomes a `Convolution` at its real shape, and folds with its neighbours where the result is a
convolution again. What has no such form and is small becomes a dense matrix. `absorb` says `None` where neither
works: the value then has to become a node of its own first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from .ball import AFFINE, Ball, adds_constant
from .field import Field
from .folding import contracted, convolved, followed
from .form import Form, dense, moved, negated, scaled, spread
from .moves import PADDED, move, pad, padding
from .program import Constant, Equation, Variable


def absorb(equation: Equation, operands: Sequence[Form | Constant], output: int = 0) -> Form | None:
    """The result of an affine equation as a form of the same source; `None` if it has none."""
    live = [o for o in operands if isinstance(o, Form)]
    if any(o.node != live[0].node for o in live):
        return None
    form = None
    if all(o.ball is None for o in live):
        if place := move(equation, output):
            form = moved(live[0], lambda a, _: place(a[None])[0])
        elif equation.primitive == "select_n":
            form = _chosen(operands)
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


def _placed(equation: Equation, operands: Sequence[Form | Constant]) -> Form | None:
    """Padding with a constant, or a concatenation of rearrangements of one source and constants."""
    if equation.primitive == "pad":
        form, fill = operands
        if not isinstance(form, Form) or not isinstance(fill, Constant):
            return None
        config = padding(equation)
        result = moved(form, lambda a, fill: pad(a[None], config, fill)[0])
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


def _chosen(operands: Sequence[Form | Constant]) -> Form | None:
    """Entries of one value at places that are constant, and constants at the others."""
    which, *cases = operands
    (form,) = (o for o in cases if isinstance(o, Form))
    if not isinstance(which, Constant):
        return None
    places = np.broadcast_to(which.value.astype(np.int64), form.shape)
    tags = np.arange(places.size).reshape(places.shape)

    def here(k: int) -> Field:
        return Field(value=(places == k).astype(np.float64), radius=None, tags=tags)

    # A factor of 0 or 1, not a selection: the places may have been learned.
    result = scaled(form, here(next(k for k, case in enumerate(cases) if isinstance(case, Form))))
    for k, case in enumerate(cases):
        if isinstance(case, Constant) and (case.is_trained or case.value.any()):
            field = Field.of(case, form.shape) * here(k)
            result = replace(result, bias=_plus(result.bias, field), has_bias=True)
    return result


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


def _plus(a: Field | None, b: Field) -> Field:
    return b if a is None else a + b


def _add(equation: Equation, form: Form, operands: Sequence[Form | Constant]) -> Form:
    shape = equation.outputs[0].shape
    form = spread(form, shape)
    (constant,) = (o for o in operands if isinstance(o, Constant))
    field = Field.of(constant, shape)
    if equation.primitive == "sub":
        if isinstance(operands[0], Constant):
            form = negated(form)
        else:
            field = -field
    return replace(form, bias=_plus(form.bias, field), has_bias=True)


def _multiply(equation: Equation, form: Form, operands: Sequence[Form | Constant]) -> Form:
    shape = equation.outputs[0].shape
    (constant,) = (o for o in operands if isinstance(o, Constant))
    return scaled(spread(form, shape), Field.of(constant, shape), equation.primitive == "div")


def _convolve(equation: Equation, form: Form, operands: Sequence[Form | Constant]) -> Form | None:
    """A convolution of one map, in one or two dimensions; `obstacle` has refused all others."""
    p = equation.params
    (constant,) = (o for o in operands if isinstance(o, Constant))
    lhs, rhs, out = p["dimension_numbers"]
    spatial = len(lhs) - 2
    kernel = constant.float64.transpose((*rhs[2:], rhs[1], rhs[0]))
    order = (*lhs[2:], lhs[1])
    one = spatial == 1
    squeezed = moved(form, lambda a, _: _planar(np.take(a, 0, axis=lhs[0]), lhs[0], order, one))
    result = convolved(
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
    return moved(result, lambda a, _: (a[:, 0] if one else a)[None].transpose(back))


def _planar(a: np.ndarray, batch: int, order: tuple[int, ...], one: bool) -> np.ndarray:
    """An array without its batch axis as (height, width, channel)."""
    a = a.transpose([axis - (axis > batch) for axis in order])
    return a[:, None] if one else a


def _pair(values: Sequence[Any], missing: Any) -> tuple[Any, Any]:
    first, *rest = values
    return (first, rest[0] if rest else missing)


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
    planar = moved(form, lambda a, _: a.transpose(order).reshape(*maps, math.prod(kept)))
    ones = np.ones([sizes[a] for a in spatial] + [1] * (2 - len(spatial)) + [1, math.prod(kept)])

    def both(values: Sequence[Any], missing: Any) -> tuple[Any, Any]:
        first, second = ([values[a] for a in spatial] + [missing, missing])[:2]
        return first, second

    result = convolved(
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
    return moved(form, lambda a, _: a.reshape([shape[i] for i in order]).transpose(back))


def _sum(equation: Equation, form: Form, operands: Sequence[Form | Constant]) -> Form | None:
    """A sum over axes: one window that is all of them."""
    axes = [int(a) for a in equation.params["axes"]]
    kept = [a for a in range(len(form.shape)) if a not in axes]
    count = math.prod(form.shape[a] for a in axes)
    channels = math.prod(form.shape[a] for a in kept)
    planar = moved(form, lambda a, _: a.transpose((*axes, *kept)).reshape(count, 1, channels))
    if planar.scale is not None and not planar.scale.is_constant_over(0):
        return None
    result = convolved(planar, kernel=np.ones((count, 1, 1, channels)), groups=channels)
    return result and moved(result, lambda a, _: a.reshape(equation.outputs[0].shape))


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
    flat = moved(
        form, lambda a, _: a.transpose((*free, *batch, *inner)).reshape(positions, 1, groups * length)
    )
    weights = constant.float64.transpose((*c_batch, *c_inner, *c_free)).reshape(groups, length, width)
    if positions == groups == 1 and form.core is None:
        result = contracted(flat, weights[0])
    else:
        kernel = weights.transpose(1, 0, 2).reshape(1, 1, length, groups * width)
        result = followed(flat, kernel, groups) or convolved(flat, kernel=kernel, groups=groups)
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
            moved(result, place),
            ball=Ball(
                mid=result.ball.mid.reshape(-1, *equation.outputs[0].shape),
                radius=None
                if result.ball.radius is None
                else result.ball.radius.reshape(-1, *equation.outputs[0].shape),
            ),
        )
    return moved(result, place)


_RULES: Final[dict[str, Callable[[Equation, Form, Sequence[Form | Constant]], Form | None]]] = {
    "add": _add,
    "add_any": _add,
    "sub": _add,
    "mul": _multiply,
    "div": _multiply,
    "neg": lambda _, form, __: negated(form),
    "conv_general_dilated": _convolve,
    "reduce_window_sum": _window_sum,
    "reduce_sum": _sum,
    "dot_general": _dot,
}


STRUCTURED: Final = frozenset(_RULES)
"""Primitives with a rule of their own."""


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
