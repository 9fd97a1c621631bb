"""What becomes of an equation that is a nonlinearity: a node, and a form of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

import numpy as np

from .draft import Draft
from .field import Field
from .form import Form, frozen, identity, negated, spread
from .nonlinear import Clip, LocalResponse, Maximum, MaxPool, Nonlinearity, Relu, Sigmoid, Slopes, Tanh
from .program import Equation


def cut(draft: Draft, equation: Equation) -> str | None:
    """Add the nonlinearity; what is wrong with it, if something is."""
    return _CUTS.get(equation.primitive, _activation)(draft, equation)


def _activation(draft: Draft, equation: Equation) -> str | None:
    """An elementwise map of one value."""
    where: dict[str, Any] = {"label": equation.label, "source": equation.source}
    size = equation.outputs[0].size
    match equation.primitive:
        case "abs":
            f: Nonlinearity = Slopes(**where, size=size, below=-1.0, above=1.0)
        case "tanh":
            f = Tanh(**where, size=size)
        case "logistic":
            f = Sigmoid(**where, size=size)
        case "slopes":
            f = Slopes(**where, size=size, **equation.params)
        case _:
            raise AssertionError(equation.primitive)
    shift = 0.5 if isinstance(f, Sigmoid) else 0.0
    _bend(draft, equation, f, shift)
    return None


def _local_response(draft: Draft, equation: Equation) -> str | None:
    """A local response normalization, whose reads become positions in the node before."""
    p = equation.params
    if "refusal" in p:
        return f"layer `{equation.label}` {p['refusal']} (`{equation.primitive}`, {equation.source})"
    before = draft.settled(equation.live[0])
    index = before.index.reshape(-1)
    places = p["reads"].reshape(-1, index.size)
    reads, weights = np.empty(places.shape, np.int64), np.empty(places.shape)
    reads[:, index] = np.where(places < 0, -1, index[places])
    weights[:, index] = p["weights"].reshape(places.shape)
    response = LocalResponse(
        label=equation.label,
        source=equation.source,
        size=index.size,
        offset=p["offset"],
        exponent=p["exponent"],
        reads=reads,
        weights=frozen(weights),
        error=p["error"],
    )
    draft.forms[equation.outputs[0].index] = identity(draft.append(response, (before.node,)), before.index)
    return None


def _limit(draft: Draft, equation: Equation) -> str | None:
    """max(x, c), min(x, c), clip, or the maximum or minimum of two values."""
    where: dict[str, Any] = {"label": equation.label, "source": equation.source}
    out = equation.outputs[0]
    limits = [float(c.value.flat[0]) for c in equation.constants]
    if not limits:
        _maximum(draft, equation, where)
        return None
    low, high = -math.inf, math.inf
    if equation.primitive == "clamp":
        low, high = limits
    elif equation.primitive == "max":
        low = limits[0]
    else:
        high = limits[0]
    (variable,) = equation.live
    form = spread(draft.forms[variable.index], out.shape)
    before = draft.nodes[form.node].operation
    if isinstance(before, Relu | Clip) and form.core is None and form.ball is None and form.scale is None:
        # A limit after a limit is one pair of limits, when nothing but what the first took off lies between.
        lower, upper = (0.0, math.inf) if isinstance(before, Relu) else (before.low, before.high)
        taken = 0.0 if isinstance(before, Relu) else before.at_zero
        left = np.zeros(form.shape) if form.bias is None else form.bias.value
        learned = any(e.is_trained for e in form.equations)
        if (
            not learned
            and (left == taken).all()
            and form.is_bijective
            and (form.bias is None) == (taken == 0.0)
        ):
            low, high = min(max(lower, low), high), min(max(upper, low), high)
            (node,) = draft.nodes[form.node].inputs
            form = identity(node, form.index)
    f: Nonlinearity
    if (low, high) == (0.0, math.inf):
        f = Relu(**where, size=out.size)
    else:
        f = Clip(**where, size=out.size, low=low, high=high)
    _bend(draft, equation, f, f.at_zero if isinstance(f, Clip) else 0.0, form)
    return None


def _bend(
    draft: Draft, equation: Equation, f: Nonlinearity, at_zero: float, form: Form | None = None
) -> None:
    """The nonlinearity of the one live value, or of `form` in its stead."""
    (variable,) = equation.live
    node, index = draft.node(form or draft.forms[variable.index], variable)
    if isinstance(f, Relu) and isinstance(draft.nodes[node].operation, Relu):
        after = node
    else:
        after = draft.append(f, (node,))
    form = identity(after, index)
    if at_zero:
        form = replace(form, bias=Field.filled(at_zero, index.shape), has_bias=True)
    draft.forms[equation.outputs[0].index] = form


def _maximum(draft: Draft, equation: Equation, where: dict[str, Any]) -> None:
    """Two values, brought into one order; min(a, b) = -max(-a, -b)."""
    shape = equation.outputs[0].shape
    turn = negated if equation.primitive == "min" else (lambda form: form)
    inputs, order = [], None
    for variable in equation.live:
        form = spread(turn(draft.forms[variable.index]), shape)
        node, index = draft.node(form, variable)
        if order is None:
            order = index
        elif not np.array_equal(order, index):
            chosen = np.empty(order.size, np.int64)
            chosen[order.reshape(-1)] = index.reshape(-1)
            node = draft.selected(node, chosen, equation.label, equation.source)
        inputs.append(node)
    assert order is not None
    node = draft.append(Maximum(**where, size=order.size), tuple(inputs))
    form = identity(node, order)
    draft.forms[equation.outputs[0].index] = turn(form)


def _max_pool(draft: Draft, equation: Equation) -> str | None:
    """The maximum over windows, as lists of positions; windows in the order of what they read first."""
    before = draft.settled(equation.live[0])
    windows = _windows(equation, before.index)
    if (windows < 0).all(axis=-1).any():
        return (
            f"layer `{equation.label}` pools over padding alone (`{equation.primitive}`, {equation.source})"
        )
    flat = windows.reshape(-1, windows.shape[-1])
    first = np.where(flat < 0, before.width, flat).min(axis=1)
    order = np.argsort(first, kind="stable")
    pool = MaxPool(label=equation.label, source=equation.source, size=len(flat), windows=flat[order])
    node = draft.append(pool, (before.node,))
    index = np.empty(len(flat), np.int64)
    index[order] = np.arange(len(flat))
    draft.forms[equation.outputs[0].index] = identity(node, index.reshape(equation.outputs[0].shape))
    return None


def _windows(equation: Equation, index: np.ndarray) -> np.ndarray:
    """The positions that each output of a pooling reads, [*out, q], -1 for padding."""
    p = equation.params
    if equation.primitive == "reduce_max":
        axes = [int(a) for a in p["axes"]]
        kept = [a for a in range(index.ndim) if a not in axes]
        return index.transpose((*kept, *axes)).reshape([index.shape[a] for a in kept] + [-1])
    sizes, strides, dilation = p["window_dimensions"], p["window_strides"], p["window_dilation"]
    wide = np.pad(index, [(max(int(a), 0), max(int(b), 0)) for a, b in p["padding"]], constant_values=-1)
    crop = tuple(
        slice(max(-int(a), 0), n - max(-int(b), 0))
        for (a, b), n in zip(p["padding"], wide.shape, strict=True)
    )
    wide = wide[crop]
    parts = []
    for offsets in np.ndindex(*sizes):
        cut = tuple(
            slice(o * d, o * d + (n - 1) * s + 1, s)
            for o, d, s, n in zip(offsets, dilation, strides, equation.outputs[0].shape, strict=True)
        )
        parts.append(wide[cut])
    return np.stack(parts, axis=-1)


_CUTS: Final = {
    "reduce_window_max": _max_pool,
    "reduce_max": _max_pool,
    "max": _limit,
    "min": _limit,
    "clamp": _limit,
    "local_response": _local_response,
}
