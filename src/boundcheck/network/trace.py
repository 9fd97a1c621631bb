"""`trace`: any JAX function of parameters and one example, as a `Network`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import NetworkError
from .absorb import absorb
from .affine import Affine, Operator
from .convolution import Convolution
from .dense import Dense
from .field import Field
from .form import Form, frozen, identity, spread
from .free import is_free
from .graph import Input, Join, Network, Node
from .idioms import recognized
from .jaxpr import flatten
from .moves import without_stacks
from .nonlinear import Clip, LocalResponse, Maximum, MaxPool, Nonlinearity, Relu, Sigmoid, Slopes, Tanh
from .program import Constant, Equation, Program, Variable, is_float
from .refusal import NONLINEAR, obstacle, unexpressed
from .rounding import inflate, product
from .selection import Selection


def trace(f: Callable[..., Any], params: Any, example: Any) -> Network:
    """The network that `f(params, x)` computes for one example `x`, without a batch axis.

        p, static = eqx.partition(model, eqx.is_array)                  # Equinox
        network = trace(lambda p, x: eqx.combine(p, static)(x), p, x[0])
        graph, state = nnx.split(model)                                 # Flax NNX
        network = trace(lambda s, x: nnx.merge(graph, s)(x), state, x[0])
        network = trace(model.apply, variables, x[0])                   # Flax Linen

    A library whose layers want a batch axis gets one inside: `lambda v, x: model.apply(v, x[None])[0]`.

    **Arguments.** `params`: any pytree of arrays. `example`: one array; only its shape and dtype matter.

    Whatever does not depend on the input is taken as the program computes it, in its dtype, and is exact from
    there on; everything else is read as real arithmetic, whatever its precision.

    Raises `NetworkError` with every reason at once: each equation on the way to the output that is neither
    affine in the input nor a nonlinearity whose Lipschitz constant is known, with its primitive, layer and source
    line; and an output that is not a vector of at least two logits.
    """
    program = recognized(without_stacks(flatten(f, params, example)))
    reasons = [why for why in (_output(program),) if why]
    builder = _Builder(program)
    for equation in program.equations:
        builder.add(equation)
    reasons += builder.reasons
    end = program.output
    if reasons or isinstance(end, Constant):
        raise NetworkError(dict.fromkeys(reasons))
    nodes = builder.finished(end)
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


class _Builder:
    """The nodes so far, and each value of the program as a form of one of them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.nodes = [Node(operation=Input(shape=program.input.shape), inputs=())]
        self.forms: dict[int, Form] = {program.input.index: self._identity(0, program.input.shape)}
        self.reasons: list[str] = []
        ends = [(program.output,), *(set(e.live) for e in program.equations)]
        self.readers = Counter(v.index for end in ends for v in end if isinstance(v, Variable))

    # Equations ----------------------------------------------------------------------------------------------------

    def add(self, equation: Equation) -> None:
        """Take one more equation."""
        for variable in equation.live:
            form = self.forms[variable.index]
            read_again = self.readers[variable.index] > 1 or len(equation.outputs) > 1
            if read_again and (form.core is not None or form.ball is not None):
                # Weights stand in one node, however often what they make is read.
                self._node(form, variable)
        why = obstacle(equation)
        if why is None and equation.primitive in NONLINEAR:
            why = self._nonlinear(equation)
        elif why is None:
            for output, variable in enumerate(equation.outputs):
                form = self._affine(equation, output)
                why = why or (None if form else unexpressed(equation))
                if form:
                    self.forms[variable.index] = form
        if why:
            self.reasons.append(why)
            # Values behind an obstacle count as new ones, so that the equations behind it are judged too.
            for variable in equation.outputs:
                node = self._append(Input(shape=variable.shape), ())
                self.forms[variable.index] = self._identity(node, variable.shape)

    def _operands(self, equation: Equation) -> list[Form | Constant]:
        return [o if isinstance(o, Constant) else self.forms[o.index] for o in equation.operands]

    def _affine(self, equation: Equation, output: int) -> Form | None:
        if equation.primitive == "gather":
            return self._gathered(equation)
        form = absorb(equation, self._operands(equation), output)
        if form is None and len(equation.live) > 1:
            return self._joined(equation)
        if form is None:
            # The piece ends here, and a new one begins with this equation.
            (variable,) = equation.live
            before = self._settled(variable)
            form = absorb(
                equation, [o if isinstance(o, Constant) else before for o in equation.operands], output
            )
        return form

    def _settled(self, variable: Variable) -> Form:
        """The value as nothing but a node, in its own order."""
        node, index = self._node(self.forms[variable.index], variable)
        return Form(node=node, width=self.nodes[node].size, index=index)

    def _gathered(self, equation: Equation) -> Form | None:
        """Entries at constant places, found by gathering their numbers; places out of range are not supported."""
        before = self._settled(equation.live[0])
        index = before.index.astype(np.int32)
        places = [c.value for c in equation.constants]
        with np.errstate(invalid="ignore"):
            moved, after = (np.asarray(equation.bind(i, *places)) for i in (index, index + 1))
        if (after - moved != 1).any():
            return None
        return replace(before, index=moved.astype(np.int64), equations=(equation,))

    def _joined(self, equation: Equation) -> Form | None:
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
                if operand.leaves or operand.value.any():
                    biases.append((where, Field.of(operand, where.shape)))
                continue
            form = spread(self.forms[operand.index], where.shape)
            if name == "sub" and place == 1:
                form = absorb_negated(form)
            node, index = self._node(form, operand)
            parts.append((node, index, where))
        return self._join(equation, parts, biases, shape, sums)

    def _join(
        self,
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
            place = np.empty(self.nodes[node].size, np.int64)
            place[index.reshape(-1)] = order.reshape(-1)[where.reshape(-1)]
            places.append(None if np.array_equal(place, np.arange(size)) else place)
        join = Join(
            label=equation.label,
            source=equation.source,
            size=size,
            places=tuple(places),
            disjoint=not sums,
        )
        node = self._append(join, tuple(node for node, _, _ in parts))
        form = identity(node, order)
        if biases:
            value, tags = np.zeros(size), np.zeros(size, np.int64)
            for where, field in biases:
                value[where.reshape(-1)] = field.value.reshape(-1)
                tags[where.reshape(-1)] = 1 + tags.max() + field.tags.reshape(-1)
            bias = Field(value=value.reshape(shape), radius=None, tags=tags.reshape(shape))
            form = replace(form, bias=bias, has_bias=True, equations=(equation,))
        return form

    # Nonlinearities -----------------------------------------------------------------------------------------------

    def _nonlinear(self, equation: Equation) -> str | None:
        """Add the nonlinearity; what is wrong with it, if something is."""
        build = {
            "reduce_window_max": self._max_pool,
            "reduce_max": self._max_pool,
            "max": self._limit,
            "min": self._limit,
            "clamp": self._limit,
            "local_response": self._local_response,
        }.get(equation.primitive, self._activation)
        return build(equation)

    def _activation(self, equation: Equation) -> str | None:
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
        self._bend(equation, f, shift)
        return None

    def _local_response(self, equation: Equation) -> str | None:
        """A local response normalization, whose reads become positions in the node before."""
        p = equation.params
        if "refusal" in p:
            return f"layer `{equation.label}` {p['refusal']} (`{equation.primitive}`, {equation.source})"
        before = self._settled(equation.live[0])
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
        self.forms[equation.outputs[0].index] = identity(self._append(response, (before.node,)), before.index)
        return None

    def _limit(self, equation: Equation) -> str | None:
        """max(x, c), min(x, c), clip, or the maximum or minimum of two values."""
        where: dict[str, Any] = {"label": equation.label, "source": equation.source}
        out = equation.outputs[0]
        limits = [float(c.value.flat[0]) for c in equation.constants]
        if not limits:
            self._maximum(equation, where)
            return None
        low, high = -math.inf, math.inf
        if equation.primitive == "clamp":
            low, high = limits
        elif equation.primitive == "max":
            low = limits[0]
        else:
            high = limits[0]
        (variable,) = equation.live
        form = spread(self.forms[variable.index], out.shape)
        before = self.nodes[form.node].operation
        if isinstance(before, Relu | Clip) and form.core is None and form.ball is None and form.scale is None:
            # A limit after a limit is one pair of limits, when nothing but what the first took off lies between.
            lower, upper = (0.0, math.inf) if isinstance(before, Relu) else (before.low, before.high)
            taken = 0.0 if isinstance(before, Relu) else before.at_zero
            left = np.zeros(form.shape) if form.bias is None else form.bias.value
            learned = any(e.leaves for e in form.equations)
            if (
                not learned
                and (left == taken).all()
                and form.is_bijective
                and (form.bias is None) == (taken == 0.0)
            ):
                low, high = min(max(lower, low), high), min(max(upper, low), high)
                (node,) = self.nodes[form.node].inputs
                form = identity(node, form.index)
        f: Nonlinearity
        if (low, high) == (0.0, math.inf):
            f = Relu(**where, size=out.size)
        else:
            f = Clip(**where, size=out.size, low=low, high=high)
        self._bend(equation, f, f.at_zero if isinstance(f, Clip) else 0.0, form)
        return None

    def _bend(self, equation: Equation, f: Nonlinearity, at_zero: float, form: Form | None = None) -> None:
        """The nonlinearity of the one live value, or of `form` in its stead."""
        (variable,) = equation.live
        node, index = self._node(form or self.forms[variable.index], variable)
        if isinstance(f, Relu) and isinstance(self.nodes[node].operation, Relu):
            after = node
        else:
            after = self._append(f, (node,))
        form = identity(after, index)
        if at_zero:
            form = replace(form, bias=Field.filled(at_zero, index.shape), has_bias=True)
        self.forms[equation.outputs[0].index] = form

    def _maximum(self, equation: Equation, where: dict[str, Any]) -> None:
        """Two values, brought into one order; min(a, b) = -max(-a, -b)."""
        shape = equation.outputs[0].shape
        turn = absorb_negated if equation.primitive == "min" else (lambda form: form)
        inputs, order = [], None
        for variable in equation.live:
            form = spread(turn(self.forms[variable.index]), shape)
            node, index = self._node(form, variable)
            if order is None:
                order = index
            elif not np.array_equal(order, index):
                chosen = np.empty(order.size, np.int64)
                chosen[order.reshape(-1)] = index.reshape(-1)
                node = self._selected(node, chosen, equation.label, equation.source)
            inputs.append(node)
        assert order is not None
        node = self._append(Maximum(**where, size=order.size), tuple(inputs))
        form = identity(node, order)
        self.forms[equation.outputs[0].index] = turn(form)

    def _max_pool(self, equation: Equation) -> str | None:
        """The maximum over windows, as lists of positions; windows in the order of what they read first."""
        before = self._settled(equation.live[0])
        windows = _windows(equation, before.index)
        if (windows < 0).all(axis=-1).any():
            return f"layer `{equation.label}` pools over padding alone (`{equation.primitive}`, {equation.source})"
        flat = windows.reshape(-1, windows.shape[-1])
        first = np.where(flat < 0, before.width, flat).min(axis=1)
        order = np.argsort(first, kind="stable")
        pool = MaxPool(label=equation.label, source=equation.source, size=len(flat), windows=flat[order])
        node = self._append(pool, (before.node,))
        index = np.empty(len(flat), np.int64)
        index[order] = np.arange(len(flat))
        self.forms[equation.outputs[0].index] = identity(node, index.reshape(equation.outputs[0].shape))
        return None

    # Nodes --------------------------------------------------------------------------------------------------------

    def _append(self, operation: Any, inputs: tuple[int, ...]) -> int:
        self.nodes.append(Node(operation=operation, inputs=inputs))
        return len(self.nodes) - 1

    def _identity(self, node: int, shape: tuple[int, ...]) -> Form:
        return identity(node, np.arange(math.prod(shape)).reshape(shape))

    def _selected(self, node: int, index: np.ndarray, label: str, source: str) -> int:
        """A node of entries of another one, at flat positions."""
        width = self.nodes[node].size
        piece = Affine(
            label=label,
            source=source,
            in_shape=(width,),
            out_shape=index.shape,
            operator=Selection(index=index, width=width),
            bias=_zeros(index.size),
            has_bias=False,
            learned=False,
        )
        return self._append(piece, (node,))

    def _node(self, form: Form, variable: Variable) -> tuple[int, np.ndarray]:
        """A node with the value's entries, each once, and where in it each stands; made if there is none."""
        if form is self.forms.get(variable.index):
            # Whoever reads the value again reads this node.
            made = self._made(form, variable)
            self.forms[variable.index] = Form(node=made[0], width=self.nodes[made[0]].size, index=made[1])
            return made
        return self._made(form, variable)

    def _made(self, form: Form, variable: Variable) -> tuple[int, np.ndarray]:
        if form.ball is not None:
            return self._matrix(form, variable), np.arange(form.index.size).reshape(form.shape)
        if form.core is not None:
            form = self._convolution(form, variable)
        if form.scale is not None or form.bias is not None:
            form = self._diagonal(form, variable)
        if not form.is_bijective:
            label, source = self._where(form, variable)
            node = self._selected(form.node, form.index.reshape(-1), label, source)
            return node, np.arange(form.index.size).reshape(form.shape)
        return form.node, form.index

    def _where(self, form: Form, variable: Variable) -> tuple[str, str]:
        """Label and source: those of the weights if there are any."""
        named = form.equations or [e for e in self.program.equations if variable in e.outputs]
        weights = [e for e in named if e.primitive in ("dot_general", "conv_general_dilated")]
        main = (
            [e for e in weights if e.leaves]
            or [e for e in named if e.leaves]
            or weights
            or list(named)
            or [None]
        )[0]
        return (main.label, main.source) if main else ("input", "unknown source")

    def _piece(
        self,
        form: Form,
        variable: Variable,
        operator: Operator,
        bias: Field | None,
        *,
        arrange: np.ndarray | None = None,
        in_order: bool = True,
    ) -> int:
        """An affine node; `bias` in the operator's own order."""
        label, source = self._where(form, variable)
        arrays = [*operator.unrolled()] if isinstance(operator, Dense) else []
        if isinstance(operator, Convolution):
            arrays = [operator.kernel, operator.radius]
        if bias is not None:
            arrays += [bias.value, bias.radius]
        if not all(np.isfinite(a).all() for a in arrays if a is not None):
            self.reasons.append(
                f"layer `{label}` overflows float64 when it is folded into one map ({source})"
            )
        size = math.prod(operator.out_shape)
        sharing = None
        if bias is not None:
            counts = np.unique(bias.tags.reshape(-1), return_inverse=True, return_counts=True)
            shared = counts[2][counts[1]]
            sharing = shared.astype(np.int64) if (shared > 1).any() else None
        before = self.nodes[form.node]
        in_shape = before.operation.shape if isinstance(before.operation, Input) else (form.width,)
        if isinstance(before.operation, Affine):
            in_shape = before.operation.out_shape
        piece = Affine(
            label=label,
            source=source,
            in_shape=in_shape,
            out_shape=variable.shape
            if not isinstance(operator, Convolution) and variable.size == size
            else operator.out_shape,
            operator=operator,
            arrange=arrange,
            bias=_zeros(size) if bias is None else frozen(bias.value.reshape(-1)),
            bias_radius=None
            if bias is None or bias.radius is None or not bias.radius.any()
            else frozen(bias.radius.reshape(-1)),
            has_bias=form.has_bias,
            sharing=sharing if form.has_bias else None,
            learned=any(e.leaves for e in form.equations),
            free=in_order and is_free(self.program, form.equations, operator),
        )
        return self._append(piece, (form.node,))

    def _matrix(self, form: Form, variable: Variable) -> int:
        """A dense piece."""
        assert form.ball is not None
        rows = form.width + 1
        mid = form.ball.mid.reshape(rows, -1)
        radius = None if form.ball.radius is None else form.ball.radius.reshape(rows, -1)
        known = radius is not None and radius[:-1].any()
        operator = Dense(
            matrix=frozen(mid[:-1].T), radius=frozen(radius[:-1].T) if known and radius is not None else None
        )
        bias = None
        if form.has_bias:
            bias = Field(
                value=mid[-1], radius=None if radius is None else radius[-1], tags=np.arange(mid.shape[1])
            )
        return self._piece(form, variable, operator, bias)

    def _convolution(self, form: Form, variable: Variable) -> Form:
        """The convolution as a node, with the factors and the bias that belong to its channels."""
        core, scale, bias = form.core, form.scale, form.bias
        assert core is not None
        shape = core.out_shape
        if not form.is_bijective:
            # Only parts of the map are used, or some twice: what follows is a selection of a whole piece.
            whole = replace(form, index=np.arange(form.span), scale=None, bias=None, has_bias=False)
            node = self._piece(whole, variable, _compact(core), None, arrange=form.arrange, in_order=False)
            return Form(
                node=node,
                width=form.span,
                index=form.index,
                scale=scale,
                bias=bias,
                has_bias=form.has_bias,
                # The factor and the summand may be parameters.
                equations=form.equations,
            )
        back = np.argsort(form.index.reshape(-1))
        kernel, radius = core.kernel, core.radius
        if scale is not None:
            factor = Field(
                value=scale.at(back).value.reshape(-1, shape[2]),
                radius=None if scale.radius is None else scale.at(back).radius.reshape(-1, shape[2]),  # type: ignore[union-attr]
                tags=scale.at(back).tags.reshape(-1, shape[2]),
            )
            if not factor.is_constant_over(0):
                whole = replace(form, index=np.arange(form.span), scale=None, bias=None, has_bias=False)
                node = self._piece(
                    whole, variable, _compact(core), None, arrange=form.arrange, in_order=False
                )
                return Form(
                    node=node,
                    width=form.span,
                    index=form.index,
                    scale=scale,
                    bias=bias,
                    has_bias=form.has_bias,
                    equations=form.equations,
                )
            kernel, error = product(kernel, factor.value[0])
            if radius is not None:
                error = inflate(error + radius * np.abs(factor.value[0]), 3)
            if factor.radius is not None:
                error = inflate(
                    error + (np.abs(core.kernel) + (0 if radius is None else radius)) * factor.radius[0], 4
                )
            radius = error if error.any() else None
        operator = replace(core, kernel=frozen(kernel), radius=None if radius is None else frozen(radius))
        node = self._piece(form, variable, _compact(operator), bias and bias.at(back), arrange=form.arrange)
        return Form(node=node, width=form.span, index=form.index)

    def _diagonal(self, form: Form, variable: Variable) -> Form:
        """A factor and a summand for each entry, as a convolution that maps every entry by itself.

        Entries that share a factor by design become the positions of one channel.
        """
        if not form.is_bijective:
            label, source = self._where(form, variable)
            node = self._selected(form.node, form.index.reshape(-1), label, source)
            form = replace(
                form, node=node, width=form.index.size, index=np.arange(form.index.size).reshape(form.shape)
            )
        back = np.argsort(form.index.reshape(-1))
        size = back.size
        operator: Operator = Selection(index=np.arange(size), width=size)
        arrange = None
        if form.scale is not None:
            factors = form.scale.at(back)
            _, channel, counts = np.unique(factors.tags, return_inverse=True, return_counts=True)
            channels = len(counts) if (counts == counts[0]).all() else size
            arrange = np.argsort(channel, kind="stable").reshape(channels, -1).T.reshape(-1)
            if channels == size:
                arrange = np.arange(size)
            chosen = factors.at(arrange[:channels])
            operator = Convolution(
                kernel=frozen(chosen.value.reshape(1, 1, 1, channels)),
                radius=None if chosen.radius is None else frozen(chosen.radius.reshape(1, 1, 1, channels)),
                groups=channels,
                size=(size // channels, 1),
            )
        place = np.arange(size)
        if arrange is not None:
            place = np.argsort(arrange)
            back = back[arrange]
            arrange = None if np.array_equal(arrange, np.arange(size)) else arrange
        node = self._piece(
            form, variable, operator, form.bias and form.bias.at(back), arrange=arrange, in_order=False
        )
        return Form(node=node, width=size, index=place[form.index])

    def finished(self, end: Variable) -> tuple[Node, ...]:
        """The nodes that the output needs, the logits last and in order."""
        form = self.forms[end.index]
        node, index = self._node(form, end)
        if self.reasons:
            raise NetworkError(dict.fromkeys(self.reasons))
        if not np.array_equal(index, np.arange(index.size)):
            node = self._selected(node, index, *self._where(form, end))
        needed, kept = {node}, []
        for position in reversed(range(node + 1)):
            if position in needed:
                needed.update(self.nodes[position].inputs)
                kept.append(position)
        kept = sorted({0, *kept})
        rank = {position: i for i, position in enumerate(kept)}
        return tuple(
            Node(operation=self.nodes[p].operation, inputs=tuple(rank[i] for i in self.nodes[p].inputs))
            for p in kept
        )


def absorb_negated(form: Form) -> Form:
    """Minus the value."""
    minus = Field.filled(-1.0, form.shape)
    if form.ball is not None:
        return replace(form, ball=replace(form.ball, mid=-form.ball.mid))
    return replace(
        form,
        scale=(form.scale or Field.filled(1.0, form.shape)) * minus,
        bias=form.bias and form.bias * minus,
    )


def _compact(core: Convolution) -> Convolution | Dense:
    """A convolution with one output position is a dense layer."""
    if core.out_shape[:2] != (1, 1) or core.groups != 1:
        return core
    matrix, radius = core.unrolled()
    return Dense(matrix=frozen(matrix), radius=None if radius is None else frozen(radius))


def _zeros(size: int) -> np.ndarray:
    zeros = np.zeros(size)
    zeros.flags.writeable = False
    return zeros


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
