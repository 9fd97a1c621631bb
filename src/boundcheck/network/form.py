"""`Form`: a value of the program as an affine function of one node of the network, in a form whose norms are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from .ball import Ball, spread_ball
from .convolution import Convolution
from .field import Field
from .program import Equation
from .rounding import ball_product

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


def in_order(node: int, shape: tuple[int, ...]) -> Form:
    """The value of a node, in the order of its entries."""
    return identity(node, np.arange(math.prod(shape)).reshape(shape))


def identity(node: int, index: np.ndarray) -> Form:
    """The value whose entries are those of a node, at `index`."""
    return Form(node=node, width=index.size, index=index)


def moved(form: Form, place: Callable[[np.ndarray, float], np.ndarray]) -> Form:
    return replace(
        form,
        index=np.asarray(place(form.index, -1.0)),
        scale=form.scale and form.scale.moved(place, 1.0),
        bias=form.bias and form.bias.moved(place, 0.0),
    )


def spread(form: Form, shape: tuple[int, ...]) -> Form:
    """The value broadcast to a larger shape of the same rank, or from a scalar."""
    if form.shape == shape:
        return form
    ones = (1,) * (len(shape) - len(form.shape))
    if form.ball is not None:
        form = replace(form, ball=spread_ball(form.ball, shape))
    return moved(form, lambda a, _: np.broadcast_to(a.reshape(ones + a.shape), shape))


def scaled(form: Form, factor: Field, divide: bool = False) -> Form:
    def scaled(field: Field) -> Field:
        return field.over(factor) if divide else field * factor

    scale = form.scale or Field.filled(1.0, form.shape)
    return replace(form, scale=scaled(scale), bias=form.bias and scaled(form.bias))


def negated(form: Form) -> Form:
    """Minus the value."""
    if form.ball is not None:
        return replace(form, ball=replace(form.ball, mid=-form.ball.mid))
    return scaled(form, Field.filled(-1.0, form.shape))


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
        mid, radius = ball_product(mid, radius, s.value.reshape(1, -1), factor)
    if form.bias is not None:
        mid[-1] = form.bias.value.reshape(-1)
        if form.bias.radius is not None:
            radius = np.zeros_like(mid) if radius is None else radius
            radius[-1] = form.bias.radius.reshape(-1)
    return Ball(
        mid=mid.reshape(-1, *form.shape), radius=None if radius is None else radius.reshape(-1, *form.shape)
    )


def frozen(a: np.ndarray) -> np.ndarray:
    """A contiguous float64 copy that cannot be written."""
    copy = np.array(a, dtype=np.float64, order="C")
    copy.flags.writeable = False
    return copy
