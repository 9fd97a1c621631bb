"""The equations of a network as plain data: `jaxpr.py` makes them of a JAX function, all others read them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

LAYOUT = frozenset(
    {"reshape", "squeeze", "expand_dims", "transpose", "broadcast_in_dim", "rev", "copy", "copy_p"}
    | {"convert_element_type", "stop_gradient", "name"}
)
"""Primitives that move entries and compute nothing, `convert_element_type` only if it widens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A value that depends on the input."""

    index: int
    shape: tuple[int, ...]
    dtype: Any

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A value that does not depend on the input, as the program computes it, in the program's dtype.

    `leaves` are the positions of the parameter leaves it is computed from. `raw` is the position of the one
    leaf whose entries it holds, each once and unchanged, or `None`. `varies` says of each axis whether the
    entries may differ along it, read off the program and not off the numbers: False where it was broadcast.
    `held` says whether an array enters that the function holds instead of taking it as an argument.
    """

    value: np.ndarray
    leaves: frozenset[int]
    raw: int | None
    held: bool
    varies: tuple[bool, ...]

    @property
    def is_trained(self) -> bool:
        """Whether it may have been learned: it comes from a parameter, or from an array of unknown origin."""
        return bool(self.leaves) or self.held

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self.value.shape

    @property
    def float64(self) -> np.ndarray:
        """The value as float64: exact for every float of at most 64 bits and every integer below 2^53."""
        return self.value.astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Equation:
    """`outputs = primitive(*operands; params)`, with at least one operand that depends on the input.

    `label` is the path of the module whose parameters the equation uses, or where it stands; `source` is
    `file.py:line` in the user's code. `leaves` are the parameter leaves that feed it directly. `bind` computes
    the primitive on arrays of any dtype.
    """

    primitive: str
    params: Mapping[str, Any]
    operands: tuple[Variable | Constant, ...]
    outputs: tuple[Variable, ...]
    label: str
    source: str
    leaves: frozenset[int]
    bind: Callable[..., Any]

    @property
    def is_trained(self) -> bool:
        """Whether one of its constants may have been learned."""
        return bool(self.leaves) or any(c.held for c in self.constants)

    @property
    def live(self) -> list[Variable]:
        """The operands that depend on the input."""
        return [o for o in self.operands if isinstance(o, Variable)]

    @property
    def constants(self) -> list[Constant]:
        """The operands that do not."""
        return [o for o in self.operands if isinstance(o, Constant)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One array of the parameters: its path (`layers[0].weight`) and its module's, its size, its kind."""

    path: str
    module: str
    size: int
    floating: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is left of a function: `equations` in order, from `input` to `output`."""

    input: Variable
    output: Variable | Constant
    equations: tuple[Equation, ...]
    leaves: tuple[Leaf, ...]

    def uses(self, leaf: int) -> list[Equation]:
        """The equations that a parameter leaf feeds, directly or through constants."""
        return [e for e in self.equations if leaf in e.leaves]


def widens(before: Any, after: Any) -> bool:
    """Whether every value of dtype `before` is a value of dtype `after`."""
    if before == after or before == np.bool_:
        return bool(jax.numpy.issubdtype(after, np.number)) or before == after
    whole = jax.numpy.issubdtype(before, np.integer)
    if whole and jax.numpy.issubdtype(after, np.integer):
        a, b = jax.numpy.iinfo(before), jax.numpy.iinfo(after)
        return bool(b.min <= a.min and a.max <= b.max)
    if not jax.numpy.issubdtype(after, np.floating):
        return False
    b = jax.numpy.finfo(after)
    if whole:
        a = jax.numpy.iinfo(before)
        return max(int(a.max), -int(a.min)) <= min(2 ** (b.nmant + 1), float(b.max))
    if not jax.numpy.issubdtype(before, np.floating):
        return False
    a = jax.numpy.finfo(before)
    return bool(a.nmant <= b.nmant and a.maxexp <= b.maxexp and a.minexp >= b.minexp)


def is_float(dtype: Any) -> bool:
    """Whether a dtype is floating point (bfloat16 and the like included)."""
    return bool(jax.numpy.issubdtype(dtype, np.floating))
