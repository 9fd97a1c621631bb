"""What the architecture can do, whatever its weights: sign tests by round, and how many points it surely shatters."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ..interval import Interval
from .quantity import Evidence, Quantity, measurement
from .study import Study


@measurement("sign tests an example in each round", whole=True)
def tests_by_round(study: Study) -> Quantity:
    """T_r: the units of hidden layer r, and k - 1 comparisons of logits in the last round."""
    widths = study.chain().widths[1:]
    tests = [*widths[:-1], widths[-1] - 1]
    return Quantity(
        value=tuple(map(Interval, tests)), evidence=Evidence.EXACT, method="counted from the layers"
    )


@measurement("parameters that the tests up to each round depend on", whole=True)
def parameters_by_round(study: Study) -> Quantity:
    """V_r, cumulative: every entry of the matrices and biases of layers 1..r taken as a free parameter.

    A network whose matrices are functions of fewer parameters is a member of that class, so the count stays valid.
    """
    total, counts = 0, []
    for a in study.chain().affine:
        total += a.matrix.size + (a.matrix.shape[0] if a.has_bias else 0)
        counts.append(total)
    return Quantity(
        value=tuple(map(Interval, counts)), evidence=Evidence.EXACT, method="counted from the layers"
    )


@measurement("points that the loss class surely shatters", whole=True)
def shattered_points(study: Study) -> Quantity:
    """A lower bound on the VC dimension of the 0-1 loss class, by explicit constructions (docs/theory/shattering.md).

    It is 1 or more only for chains of dense layers whose entries are all free parameters; otherwise 0, which is always
    true.
    """
    chain = study.chain()
    if not all(a.free for a in chain.affine):
        return Quantity(
            value=Interval(0), evidence=Evidence.EXACT, method="some matrix is not free: nothing claimed"
        )
    d, *hidden = chain.widths[:-1]
    if all(a.has_bias for a in chain.affine):
        count, how = shattered(d, hidden), "biases in every layer"
    else:
        # On points (x', 1) the first layer has biases, and one unit a layer can carry the constant on.
        count, how = (
            shattered(d - 1, [h - 1 for h in hidden]),
            "biases not used: one input and one unit a layer carry 1",
        )
    return Quantity(value=Interval(count), evidence=Evidence.EXACT, method=f"explicit constructions, {how}")


def shattered(d: int, hidden: Sequence[int]) -> int:
    """The largest of the counts C1, C2, C5 and C6 for input dimension d and hidden widths with biases.

    Source: docs/theory/shattering.md, after Zhang et al. 2017 (Theorem 1) and Yun, Sra and Jadbabaie 2019.
    """
    if d < 1 or not hidden or min(hidden) < 1:
        return 0
    depth = len(hidden)
    counts = [1 + max(hidden)]
    if depth == 2:
        counts.append(sum(hidden))
    elif depth >= 3 and min(hidden[1:-1]) >= 2:
        counts.append(sum(hidden) - 2 * (depth - 2))
    counts += [2 * ((a + 1) // 2) * ((b + 1) // 2) for a, b in itertools.pairwise(hidden)]
    rank = d
    for width in hidden:
        counts.append(2 * rank * (width // 3))
        rank = min(rank, width)
    return max(counts)
