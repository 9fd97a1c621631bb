"""`trace`: any JAX function of parameters and one example, as a `Network`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import NetworkError
from .absorb import absorb
from .cuts import cut
from .draft import Draft
from .field import Field
from .form import Form, identity, in_order, negated, spread
from .graph import Input, Join, Network
from .idioms import recognized
from .jaxpr import flatten
from .moves import without_stacks
from .program import Constant, Equation, Program, is_float
from .refusal import NONLINEAR, obstacle, unexpressed


def trace(f: Callable[..., Any], params: Any, example: Any) -> Network:
    """The network that `f(params, x)` computes for one example `x`, without a batch axis.

        p, static = eqx.partition(model, eqx.is_array)                  # Equinox
        network = trace(lambda p, x: eqx.combine(p, static)(x), p, x[0])
        graph, state = nnx.split(model)                                 # Flax NNX
        network = trace(lambda s, x: nnx.merge(graph, s)(x), state, x[0])
        network = trace(model.apply, variables, x[0])                   # Flax Linen

    A library whose layers want a batch axis gets one inside: `lambda v, x: model.apply(v, x[None])[0]`.

    **Arguments.** `params`: any pytree of arrays. `example`: one array; only its shape and dtype matter. An array that
    `f` holds instead of taking it as a parameter counts as learned: nobody knows where it comes from.

    Whatever does not depend on the input is taken as the program computes it, in its dtype, and is exact from
    there on; everything else is read as real arithmetic, whatever its precision.

    Raises `NetworkError` with every reason at once: each equation on the way to the output that is neither
    affine in the input nor a nonlinearity whose Lipschitz constant is known, with its primitive, layer and source
    line; and an output that is not a vector of at least two logits.
    """
    program = recognized(without_stacks(flatten(f, params, example)))
    reasons = [why for why in (_output(program),) if why]
    draft = Draft(program)
    for equation in program.equations:
        _add(draft, equation)
    reasons += draft.reasons
    end = program.output
    if reasons or isinstance(end, Constant):
        raise NetworkError(dict.fromkeys(reasons))
    nodes = draft.finished(end)
    return Network(
        in_shape=program.input.shape,
        classes=end.size,
        nodes=nodes,
        parameters=sum(leaf.size for leaf in program.leaves if leaf.floating),
    )


def _output(program: Program) -> str | None:
    """What is wrong with the output."""
    end = program.output
    if isinstance(end, Constant):
        return "the output does not depend on the input; return the logits of the example"
    if len(end.shape) != 1 or end.shape[0] < 2:
        hint = "; drop the batch axis" if len(end.shape) == 2 and end.shape[0] == 1 else ""
        return f"the output has shape {end.shape}; it must be a vector of at least two logits{hint}"
    return None if is_float(end.dtype) else f"the output has dtype {end.dtype}; logits are floating point"


def _add(draft: Draft, equation: Equation) -> None:
    """Take one more equation."""
    for variable in equation.live:
        form = draft.forms[variable.index]
        read_again = draft.readers[variable.index] > 1 or len(equation.outputs) > 1
        if read_again and (form.core is not None or form.ball is not None):
            # Weights stand in one node, however often what they make is read.
            draft.node(form, variable)
    why = obstacle(equation)
    if why is None and equation.primitive in NONLINEAR:
        why = cut(draft, equation)
    elif why is None:
        for output, variable in enumerate(equation.outputs):
            form = _affine(draft, equation, output)
            why = why or (None if form else unexpressed(equation))
            if form:
                draft.forms[variable.index] = form
    if why:
        draft.reasons.append(why)
        # Values behind an obstacle count as new ones, so that the equations behind it are judged too.
        for variable in equation.outputs:
            node = draft.append(Input(shape=variable.shape), ())
            draft.forms[variable.index] = in_order(node, variable.shape)


def _operands(draft: Draft, equation: Equation) -> list[Form | Constant]:
    return [o if isinstance(o, Constant) else draft.forms[o.index] for o in equation.operands]


def _affine(draft: Draft, equation: Equation, output: int) -> Form | None:
    if equation.primitive == "gather":
        return _gathered(draft, equation)
    form = absorb(equation, _operands(draft, equation), output)
    if form is None and len(equation.live) > 1:
        return _joined(draft, equation)
    if form is None:
        # The piece ends here, and a new one begins with this equation.
        (variable,) = equation.live
        before = draft.settled(variable)
        form = absorb(equation, [o if isinstance(o, Constant) else before for o in equation.operands], output)
    return form


def _gathered(draft: Draft, equation: Equation) -> Form | None:
    """Entries at constant places, found by gathering their numbers; places out of range are not supported."""
    before = draft.settled(equation.live[0])
    index = before.index.astype(np.int32)
    places = [c.value for c in equation.constants]
    with np.errstate(invalid="ignore"):
        moved, after = (np.asarray(equation.bind(i, *places)) for i in (index, index + 1))
    if (after - moved != 1).any():
        return None
    return replace(before, index=moved.astype(np.int64), equations=(equation,))


def _joined(draft: Draft, equation: Equation) -> Form | None:
    """A sum or a concatenation of values of different nodes, or of different forms."""
    shape = equation.outputs[0].shape
    name = equation.primitive
    parts: list[tuple[int, np.ndarray, np.ndarray]] = []
    positions = np.arange(math.prod(shape)).reshape(shape)
    sums = name in ("add", "add_any", "sub")
    if not sums and name != "concatenate":
        return None
    start, axis = 0, None if sums else equation.params["dimension"]
    biases: list[tuple[np.ndarray, Field]] = []
    for place, operand in enumerate(equation.operands):
        where = positions
        if axis is not None:
            stop = start + operand.shape[axis]
            where = np.take(positions, range(start, stop), axis=axis)
            start = stop
        if isinstance(operand, Constant):
            if operand.is_trained or operand.value.any():
                biases.append((where, Field.of(operand, where.shape)))
            continue
        form = spread(draft.forms[operand.index], where.shape)
        if name == "sub" and place == 1:
            form = negated(form)
        node, index = draft.node(form, operand)
        parts.append((node, index, where))
    return _join(draft, equation, parts, biases, shape, sums)


def _join(
    draft: Draft,
    equation: Equation,
    parts: list[tuple[int, np.ndarray, np.ndarray]],
    biases: list[tuple[np.ndarray, Field]],
    shape: tuple[int, ...],
    sums: bool,
) -> Form:
    """One node for the parts; its own order is the first input's for a sum, joined axis last for a concatenation."""
    size = math.prod(shape)
    order = np.arange(size).reshape(shape)
    if sums:
        order = parts[0][1]
    elif not biases:
        axis = equation.params["dimension"]
        order = np.moveaxis(
            np.arange(size).reshape([n for i, n in enumerate(shape) if i != axis] + [shape[axis]]),
            -1,
            axis,
        )
    places = []
    for node, index, where in parts:
        place = np.empty(draft.nodes[node].size, np.int64)
        place[index.reshape(-1)] = order.reshape(-1)[where.reshape(-1)]
        places.append(None if np.array_equal(place, np.arange(size)) else place)
    join = Join(
        label=equation.label,
        source=equation.source,
        size=size,
        places=tuple(places),
        disjoint=not sums,
    )
    node = draft.append(join, tuple(node for node, _, _ in parts))
    form = identity(node, order)
    if biases:
        value, tags = np.zeros(size), np.zeros(size, np.int64)
        for where, field in biases:
            value[where.reshape(-1)] = field.value.reshape(-1)
            tags[where.reshape(-1)] = 1 + tags.max() + field.tags.reshape(-1)
        bias = Field(value=value.reshape(shape), radius=None, tags=tags.reshape(shape))
        form = replace(form, bias=bias, has_bias=True, equations=(equation,))
    return form
