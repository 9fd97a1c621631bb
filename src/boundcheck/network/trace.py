"""`trace`: any JAX function of parameters and one example, as a `Network`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import NetworkError
from .affine import Affine
from .graph import Input, Network, Node, Relu
from .jaxpr import flatten
from .piece import adds_constant, unroll
from .program import LAYOUT, Constant, Equation, Program, Variable, is_float
from .refusal import is_relu, obstacle


def trace(f: Callable[..., Any], params: Any, example: Any) -> Network:
    """The network that `f(params, x)` computes for one example `x`, without a batch axis.

        p, static = eqx.partition(model, eqx.is_array)                  # Equinox
        network = trace(lambda p, x: eqx.combine(p, static)(x), p, x[0])
        graph, state = nnx.split(model)                                 # Flax NNX
        network = trace(lambda s, x: nnx.merge(graph, s)(x), state, x[0])
        network = trace(model.apply, variables, x[0])                   # Flax Linen

    **Arguments.** `params`: any pytree of arrays. `example`: one array; only its shape and dtype matter.

    Whatever does not depend on the input is taken as the program computes it, in its dtype, and is exact from
    there on; everything else is read as real arithmetic, whatever its precision.

    Raises `NetworkError` with every reason at once: each equation on the way to the output that is neither
    affine in the input nor max(x, 0), with its primitive, layer and source line; and an output that is not a
    vector of at least two logits.
    """
    program = flatten(f, params, example)
    reasons = [why for why in (_output(program),) if why]
    cuts, relus, obstacles = _cut(program)
    reasons += obstacles
    end = program.output
    if reasons or isinstance(end, Constant):
        raise NetworkError(reasons)
    # Sums across cuts are refused, so the output lies at the end of one path of cuts: walk it back.
    path: list[tuple[Variable, Variable]] = []
    stop = end
    while (start := cuts[stop.index]) != program.input.index:
        relu = relus[start]
        path.append((relu.outputs[0], stop))
        stop = next(o for o in relu.operands if isinstance(o, Variable))
    path.append((program.input, stop))
    nodes = [Node(operation=Input(shape=program.input.shape), inputs=())]
    for start, stop in reversed(path):
        equations = [
            e for e in program.equations if cuts[e.outputs[0].index] == start.index and not is_relu(e)
        ]
        steps: list[Affine | Relu] = []
        if start.index in relus and not isinstance(nodes[-1].operation, Relu):
            relu = relus[start.index]
            steps.append(Relu(label=relu.label, source=relu.source, shape=start.shape))
        if not all(map(_keeps_order, equations)):
            steps.append(_piece(program, start, equations, stop))
        for step in steps:
            nodes.append(Node(operation=step, inputs=(len(nodes) - 1,)))
    return Network(
        in_shape=program.input.shape,
        classes=end.size,
        nodes=tuple(nodes),
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


def _cut(program: Program) -> tuple[dict[int, int], dict[int, Equation], list[str]]:
    """For each value the cut it is affine in; the ReLU behind each cut but the input; every obstacle."""
    cuts = {program.input.index: program.input.index}
    relus: dict[int, Equation] = {}
    obstacles: list[str] = []
    for equation in program.equations:
        sources = [cuts[o.index] for o in equation.operands if isinstance(o, Variable)]
        why = obstacle(equation, sources)
        if why:
            obstacles.append(why)
        elif is_relu(equation):
            relus[equation.outputs[0].index] = equation
        # After an obstacle all values count as new ones, so that the equations behind it are judged too.
        fresh = why is not None or is_relu(equation)
        cuts.update((v.index, v.index if fresh else sources[0]) for v in equation.outputs)
    return cuts, relus, list(dict.fromkeys(obstacles))


def _keeps_order(equation: Equation) -> bool:
    """Whether the flattened value is the same before and after."""
    (before, *others), (after,) = equation.operands, equation.outputs
    moves = equation.primitive in ("transpose", "rev")
    return not others and not moves and equation.primitive in LAYOUT and math.prod(before.shape) == after.size


def _piece(program: Program, start: Variable, equations: Sequence[Equation], stop: Variable) -> Affine:
    """The affine piece from one cut to the next."""
    weights = [e for e in equations if e.primitive == "dot_general"] or [e for e in equations if e.leaves]
    main = (weights or equations)[0]
    parts = unroll(start, equations, stop)
    arrays = (parts.matrix, parts.radius, parts.bias, parts.bias_radius)
    if not all(np.isfinite(a).all() for a in arrays if a is not None):
        raise NetworkError(
            [f"layer `{main.label}` overflows float64 when it is folded into one matrix ({main.source})"]
        )
    return Affine(
        label=main.label,
        source=main.source,
        in_shape=start.shape,
        out_shape=stop.shape,
        matrix=parts.matrix,
        radius=parts.radius,
        bias=parts.bias,
        bias_radius=parts.bias_radius,
        has_bias=parts.has_bias,
        free=_is_free(program, start, equations, stop),
    )


def _is_free(program: Program, start: Variable, equations: Sequence[Equation], stop: Variable) -> bool:
    """Whether each entry of the matrix and of the bias is a parameter of its own that occurs nowhere else."""
    arithmetic = [e for e in equations if not _permutes(e)]
    kinds = [e.primitive for e in arithmetic]
    if kinds != ["dot_general"] and (kinds[:1] != ["dot_general"] or kinds[1:] not in (["add"], ["add_any"])):
        return False
    sizes = (start.size * stop.size, stop.size)
    leaves = []
    for equation, size in zip(arithmetic, sizes, strict=False):
        constants = [o for o in equation.operands if isinstance(o, Constant)]
        if len(constants) != 1 or constants[0].raw is None or constants[0].value.size != size:
            return False
        leaf = constants[0].raw
        if not program.leaves[leaf].floating or len(program.uses(leaf)) != 1:
            return False
        leaves.append(leaf)
    return len(set(leaves)) == len(leaves) and len(leaves) == len(list(filter(adds_constant, arithmetic))) + 1


def _permutes(equation: Equation) -> bool:
    """Whether the equation only rearranges the entries of the one value it takes."""
    (before, *others), (after,) = equation.operands, equation.outputs
    return not others and equation.primitive in LAYOUT and math.prod(before.shape) == after.size
