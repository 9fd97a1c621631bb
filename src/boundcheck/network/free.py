"""Whether a layer's weights are parameters of their own."""

from __future__ import annotations

from collections.abc import Sequence

from .affine import Operator
from .ball import adds_constant
from .convolution import Convolution
from .dense import Dense
from .moves import permutes
from .program import Equation, Program


def is_free(program: Program, equations: Sequence[Equation], operator: Operator) -> bool:
    """Whether each entry of the matrix or kernel and each bias is a parameter that occurs nowhere else."""
    arithmetic = [e for e in equations if not permutes(e)]
    kinds = [e.primitive for e in arithmetic]
    if kinds[:1] not in (["dot_general"], ["conv_general_dilated"]) or kinds[1:] not in (
        [],
        ["add"],
        ["add_any"],
    ):
        return False
    if not isinstance(operator, Dense | Convolution):
        return False
    leaves = []
    for position, equation in enumerate(arithmetic):
        constants = equation.constants
        if len(constants) != 1 or constants[0].raw is None:
            return False
        if position == 0 and constants[0].value.size != operator.parameters:
            return False
        leaf = constants[0].raw
        if not program.leaves[leaf].floating or len(program.uses(leaf)) != 1:
            return False
        leaves.append(leaf)
    return len(set(leaves)) == len(leaves) and len(leaves) == len(list(filter(adds_constant, arithmetic))) + 1
