"""A JAX function as a flat list of equations; the only file that touches JAX internals.

`flatten(f, params, example)` makes the jaxpr of one example's inference, inlines calls with a fresh
environment for each (two calls of one jitted block share their sub-jaxpr and its variables), drops what the
output does not need, and evaluates what does not depend on the input. What is left is a list of `Equation`s:
plain data, with a parameter path and a line of the user's source on each.

Written against JAX 0.10 and 0.11. In 0.11 `ClosedJaxpr` is another name of `Jaxpr`, whose `jaxpr` is itself,
and `closed_call` became `eval_jaxpr`; reading both through `_open` needs no version test.
"""

from __future__ import annotations

import functools
import itertools
import math
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import jax
import numpy as np
from jax import tree_util
from jax.extend import core

from ..errors import NetworkError
from .program import LAYOUT, Constant, Equation, Leaf, Program, Variable, is_float, widens

_CALLS = frozenset(
    {"jit", "pjit", "custom_jvp_call", "custom_vjp_call", "remat", "remat2", "checkpoint"}
    | {"closed_call", "core_call", "call", "eval_jaxpr"}
)
_ELEMENTWISE = frozenset(
    {
        "add",
        "add_any",
        "sub",
        "mul",
        "div",
        "neg",
        "max",
        "min",
        "abs",
        "sign",
        "pow",
        "integer_pow",
        "square",
    }
    | {"sqrt", "rsqrt", "exp", "log", "convert_element_type", "copy", "copy_p", "stop_gradient", "name"}
)
_RANDOM = frozenset({"random_bits", "threefry2x32", "rng_bit_generator", "rng_uniform"})
_NOT_THE_USERS = (
    str(Path(jax.__file__).parent),
    str(Path(__file__).parent),
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flat:
    """An equation with calls inlined; `operands` and `outputs` number its values across all calls."""

    eqn: Any
    operands: tuple[int, ...]
    outputs: tuple[int, ...]
    scope: tuple[str, ...]
    source: str


def flatten(f: Callable[..., Any], params: Any, example: Any) -> Program:
    """The flat program of `f(params, example)`.

    Raises `NetworkError` if a leaf of `params` or the example is not an array, if `f` branches in Python on
    values of arrays, returns anything but one array, draws random numbers, or uses a parameter that is not
    finite.
    """
    paths = tree_util.tree_leaves_with_path(params)
    bad = [p for p, leaf in paths if not isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int)]
    if bad:
        raise NetworkError(
            f"parameter `{_path(p)}` is not an array; pass only arrays as `params` "
            "(`equinox.partition(model, equinox.is_array)`, `flax.nnx.split(model)`)"
            for p in bad
        )
    if not tree_util.all_leaves([example]):
        raise NetworkError(["`example` is not one array; give one example, without a batch axis"])
    try:
        closed = jax.make_jaxpr(f)(params, example)
    except jax.errors.JAXTypeError as error:
        first = str(error).strip().partition("\n")[0]
        message = f"the function needs the value of an array while it is traced ({first}); "
        raise NetworkError([message + "let only shapes decide what Python does"]) from error
    values: dict[int, Any] = {}
    held: set[int] = set()
    flat, arguments, outputs = _inline(closed, values, held)
    if len(outputs) != 1:
        raise NetworkError([f"the function returns {len(outputs)} arrays; return the logits only"])
    leaves = tuple(_leaf(path, leaf) for path, leaf in paths)
    values.update(zip(arguments, (_device(leaf) for _, leaf in paths), strict=False))
    return _evaluate(_needed(flat, outputs[0]), closed, values, held, leaves, arguments, outputs[0])


def _device(leaf: Any) -> Any:
    """A parameter as the traced program receives it."""
    return leaf if isinstance(leaf, jax.Array) else jax.numpy.asarray(leaf)


def _open(jaxpr: Any) -> tuple[Any, list[Any]]:
    """A jaxpr and its constants, whether it was closed or not."""
    return (jaxpr.jaxpr, list(jaxpr.consts)) if isinstance(jaxpr, core.ClosedJaxpr) else (jaxpr, [])


def _inline(closed: Any, values: dict[int, Any], held: set[int]) -> tuple[list[_Flat], list[int], list[int]]:
    """All equations with calls inlined; the numbers of arguments and outputs.

    Literals go to `values`, and so do the arrays that the function holds, whose numbers go to `held`.
    """
    fresh = itertools.count()
    flat: list[_Flat] = []

    def number(value: Any, literal: bool = False) -> int:
        index = next(fresh)
        values[index] = value
        if not literal or np.size(value) > 1:
            held.add(index)
        return index

    def walk(closed: Any, arguments: list[int], scope: tuple[str, ...], site: str) -> list[int]:
        jaxpr, constants = _open(closed)
        env = dict(zip(jaxpr.constvars, map(number, constants), strict=True))
        env.update(zip(jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> int:
            return number(atom.val, literal=True) if isinstance(atom, core.Literal) else env[atom]

        for eqn in jaxpr.eqns:
            operands = [read(atom) for atom in eqn.invars]
            here = (*scope, str(eqn.source_info.name_stack))
            source = _source(eqn.source_info, site)
            body = eqn.params.get("call_jaxpr", eqn.params.get("jaxpr"))
            if eqn.primitive.name in _CALLS and body is not None:
                outputs = walk(body, operands, here, source)
            else:
                outputs = [next(fresh) for _ in eqn.outvars]
                flat.append(
                    _Flat(
                        eqn=eqn, operands=tuple(operands), outputs=tuple(outputs), scope=here, source=source
                    )
                )
            env.update(zip(eqn.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    arguments = [next(fresh) for _ in closed.jaxpr.invars]
    return flat, arguments, walk(closed, arguments, (), "")


def _needed(flat: list[_Flat], output: int) -> list[_Flat]:
    """The equations that the output depends on: dead ones stay in a jaxpr."""
    needed, kept = {output}, []
    for equation in reversed(flat):
        if needed.intersection(equation.outputs):
            needed.update(equation.operands)
            kept.append(equation)
    return kept[::-1]


def _evaluate(
    flat: list[_Flat],
    closed: Any,
    values: dict[int, Any],
    held: set[int],
    leaves: tuple[Leaf, ...],
    arguments: list[int],
    output: int,
) -> Program:
    """Everything that does not depend on the input, evaluated; the rest as `Equation`s."""
    aval = closed.in_avals[-1]
    start = Variable(index=arguments[-1], shape=tuple(aval.shape), dtype=aval.dtype)
    live: dict[int, tuple[Variable, str]] = {start.index: (start, "input")}
    origin = {i: frozenset({n}) for n, i in enumerate(arguments[:-1])}
    raw = {i: n for n, i in enumerate(arguments[:-1])}
    varies: dict[int, tuple[bool, ...]] = {}
    equations: list[Equation] = []
    reasons: list[str] = []
    used = {i for e in flat for i in e.operands} | {output}
    for i, n in raw.items():
        if (
            i in used
            and leaves[n].floating
            and not np.isfinite(np.asarray(values[i]).astype(np.float64)).all()
        ):
            reasons.append(f"parameter `{leaves[n].path}` has entries that are not finite; train it again")

    def constant(i: int) -> Constant:
        value = values[i]
        extended = jax.numpy.issubdtype(jax.typeof(value).dtype, jax.dtypes.extended)
        array = np.empty(jax.typeof(value).shape, bool) if extended else np.asarray(value)
        return Constant(
            value=array,
            leaves=origin.get(i, frozenset()),
            raw=raw.get(i),
            held=i in held,
            varies=varies.get(i, tuple(size > 1 for size in array.shape)),
        )

    for e in flat:
        name, source = e.eqn.primitive.name, e.source
        from_leaves = frozenset().union(*(origin.get(i, ()) for i in e.operands))
        scope = "/".join(part for part in e.scope if part)
        before = [live[i] for i in e.operands if i in live]
        inherited = before[0][1] if before else "the parameters"
        label = leaves[min(from_leaves)].module if from_leaves else scope or inherited
        if _draws(e.eqn):
            reasons.append(
                f"layer `{label}` draws random numbers (`{name}`, {source}); "
                "trace the network in inference mode"
            )
        if before:
            outs = tuple(
                Variable(index=i, shape=tuple(v.aval.shape), dtype=v.aval.dtype)
                for i, v in zip(e.outputs, e.eqn.outvars, strict=True)
            )
            passed_on = label if from_leaves else inherited
            live.update((v.index, (v, passed_on)) for v in outs)
            operands = tuple(live[i][0] if i in live else constant(i) for i in e.operands)
            equations.append(
                Equation(
                    primitive=name,
                    params=e.eqn.params,
                    operands=operands,
                    outputs=outs,
                    label=label,
                    source=source,
                    leaves=from_leaves,
                    bind=functools.partial(_bind, e.eqn),
                )
            )
            continue
        result = _bind(e.eqn, *(values[i] for i in e.operands))
        for i, value in zip(e.outputs, result if e.eqn.primitive.multiple_results else [result], strict=True):
            values[i] = value
            origin[i] = from_leaves
            if not held.isdisjoint(e.operands):
                held.add(i)
            varies[i] = _varies(e.eqn, [varies.get(o) for o in e.operands])
            if _rearranges(e.eqn) and e.operands[0] in raw:
                raw[i] = raw[e.operands[0]]
    if reasons:
        raise NetworkError(dict.fromkeys(reasons))
    end = live[output][0] if output in live else constant(output)
    return Program(input=start, output=end, equations=tuple(equations), leaves=leaves)


def _bind(eqn: Any, *operands: Any) -> Any:
    """The primitive of an equation on other operands."""
    with eqn.ctx.manager:
        return eqn.primitive.bind(*operands, **eqn.primitive.get_bind_params(eqn.params))


def _varies(eqn: Any, before: list[tuple[bool, ...] | None]) -> tuple[bool, ...]:
    """Along which axes the result of an equation may vary, from what is known of its operands."""
    shape = eqn.outvars[0].aval.shape
    anything = tuple(size > 1 for size in shape)
    shapes = [atom.aval.shape for atom in eqn.invars]
    known = [v or tuple(size > 1 for size in s) for v, s in zip(before, shapes, strict=True)]
    name = eqn.primitive.name
    if name == "broadcast_in_dim":
        places = eqn.params["broadcast_dimensions"]
        return tuple(axis in places and known[0][places.index(axis)] for axis in range(len(shape)))
    if name == "transpose":
        return tuple(known[0][axis] for axis in eqn.params["permutation"])
    if name in ("reshape", "squeeze", "expand_dims"):
        sides = [[i for i, size in enumerate(s) if size > 1] for s in (shapes[0], shape)]
        if [shapes[0][i] for i in sides[0]] != [shape[i] for i in sides[1]]:
            return anything
        moved = {after: known[0][i] for i, after in zip(*sides, strict=True)}
        return tuple(moved.get(axis, False) for axis in range(len(shape)))
    if name in _ELEMENTWISE:
        flags = [v or (False,) * len(shape) for v in known]
        return tuple(any(flag[axis] for flag in flags) for axis in range(len(shape)))
    return anything


def _draws(eqn: Any) -> bool:
    if eqn.primitive.name in _RANDOM:
        return True
    return any(_draws(inner) for body in core.jaxprs_in_params(eqn.params) for inner in _open(body)[0].eqns)


def _rearranges(eqn: Any) -> bool:
    """Whether the output holds every entry of the one operand once, unchanged."""
    if eqn.primitive.name not in LAYOUT or len(eqn.invars) != 1:
        return False
    before, after = eqn.invars[0].aval, eqn.outvars[0].aval
    return math.prod(before.shape) == math.prod(after.shape) and widens(before.dtype, after.dtype)


def _leaf(path: tuple[Any, ...], leaf: Any) -> Leaf:
    dtype = jax.typeof(leaf).dtype
    # Flax NNX wraps each array in a variable whose attribute is `value`: it names no module.
    if len(path) > 1 and path[-1] == tree_util.GetAttrKey("value"):
        path = path[:-1]
    text = _path(path) or "params"
    return Leaf(path=text, module=_path(path[:-1]) or text, size=int(np.size(leaf)), floating=is_float(dtype))


def _path(path: tuple[Any, ...]) -> str:
    """A tree path as text: `layers[0].weight`, `params/Dense_0/kernel`."""
    text = ""
    for key in path:
        match key:
            case tree_util.GetAttrKey(name=name):
                text += f".{name}"
            case tree_util.DictKey(key=str(name)):
                text += f"/{name}"
            case tree_util.SequenceKey(idx=index):
                text += f"[{index}]"
            case tree_util.DictKey(key=index) | tree_util.FlattenedIndexKey(key=index):
                text += f"[{index}]"
            case _:
                text += str(key)
    return text.lstrip("./")


def _source(info: Any, site: str) -> str:
    """`file.py:line` of the innermost frame that is the user's.

    The frames of an equation inside a call end where its function begins: `site`, the line of the call,
    stands in if none of them is the user's, and a library's line if there is no call either.
    """
    frames = info.traceback.frames if info.traceback else []
    outside = [f for f in frames if not f.file_name.startswith(_NOT_THE_USERS[:2])]
    users = [f for f in outside if not f.file_name.startswith(_NOT_THE_USERS)]
    if not users and (site or not outside):
        return site or "unknown source"
    frame = (users or outside)[0]
    return f"{PurePath(frame.file_name).name}:{frame.line_num}"
