"""`Draft`: a network being built: its nodes so far, and each value of the program as a form of one of them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import NetworkError
from .affine import Affine, Operator
from .convolution import Convolution
from .dense import Dense
from .field import Field
from .form import Form, frozen, in_order
from .free import is_free
from .graph import Input, Node
from .program import Program, Variable
from .rounding import ball_product
from .selection import Selection


class Draft:
    """Nodes, forms by the index of their variable, and the reasons why there is no network.

    `readers`: how many equations read each value.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.nodes = [Node(operation=Input(shape=program.input.shape), inputs=())]
        self.forms: dict[int, Form] = {program.input.index: in_order(0, program.input.shape)}
        self.reasons: list[str] = []
        ends = [(program.output,), *(set(e.live) for e in program.equations)]
        self.readers = Counter(v.index for end in ends for v in end if isinstance(v, Variable))

    def settled(self, variable: Variable) -> Form:
        """The value as nothing but a node, in its own order."""
        node, index = self.node(self.forms[variable.index], variable)
        return Form(node=node, width=self.nodes[node].size, index=index)

    def append(self, operation: Any, inputs: tuple[int, ...]) -> int:
        self.nodes.append(Node(operation=operation, inputs=inputs))
        return len(self.nodes) - 1

    def selected(self, node: int, index: np.ndarray, label: str, source: str) -> int:
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
        return self.append(piece, (node,))

    def node(self, form: Form, variable: Variable) -> tuple[int, np.ndarray]:
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
            label, source = self.where(form, variable)
            node = self.selected(form.node, form.index.reshape(-1), label, source)
            return node, np.arange(form.index.size).reshape(form.shape)
        return form.node, form.index

    def where(self, form: Form, variable: Variable) -> tuple[str, str]:
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
        alone: bool = True,
    ) -> int:
        """An affine node; `bias` in the operator's own order."""
        label, source = self.where(form, variable)
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
            learned=any(e.is_trained for e in form.equations),
            held=any(c.held for e in form.equations for c in e.constants),
            free=alone and is_free(self.program, form.equations, operator),
        )
        return self.append(piece, (form.node,))

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
        core, bias = form.core, form.bias
        assert core is not None
        back = np.argsort(form.index.reshape(-1)) if form.is_bijective else None
        factor = None
        if back is not None and form.scale is not None:
            factor = form.scale.at(back.reshape(-1, core.out_shape[2]))
        if back is None or (factor is not None and not factor.is_constant_over(0)):
            # Parts of the map are dropped or repeated, or positions differ: what follows is another piece, and its
            # factors and summands may be parameters.
            whole = replace(form, index=np.arange(form.span), scale=None, bias=None, has_bias=False)
            node = self._piece(whole, variable, _compact(core), None, arrange=form.arrange, alone=False)
            return replace(form, node=node, width=form.span, core=None, arrange=None)
        kernel, radius = core.kernel, core.radius
        if factor is not None:
            channels = factor.at(np.arange(core.out_shape[2]))
            kernel, radius = ball_product(kernel, radius, channels.value, channels.radius)
        operator = replace(core, kernel=frozen(kernel), radius=None if radius is None else frozen(radius))
        node = self._piece(form, variable, _compact(operator), bias and bias.at(back), arrange=form.arrange)
        return Form(node=node, width=form.span, index=form.index)

    def _diagonal(self, form: Form, variable: Variable) -> Form:
        """A factor and a summand for each entry, as a convolution that maps every entry by itself.

        Entries that share a factor by design become the positions of one channel.
        """
        if not form.is_bijective:
            label, source = self.where(form, variable)
            node = self.selected(form.node, form.index.reshape(-1), label, source)
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
            form, variable, operator, form.bias and form.bias.at(back), arrange=arrange, alone=False
        )
        return Form(node=node, width=size, index=place[form.index])

    def finished(self, end: Variable) -> tuple[Node, ...]:
        """The nodes that the output needs, the logits last and in order."""
        form = self.forms[end.index]
        node, index = self.node(form, end)
        if self.reasons:
            raise NetworkError(dict.fromkeys(self.reasons))
        if not np.array_equal(index, np.arange(index.size)):
            node = self.selected(node, index, *self.where(form, end))
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
