"""What the architecture can do, whatever its weights: sign tests by round, and how many points it surely shatters."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..interval import Interval
from ..network import Affine, Chain, Dense, Network, Nonlinearity, Relu
from ..network.nonlinear import MaxPool
from .heads import labelled_in_every_way
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Sign tests that an example makes once the outcomes of all earlier rounds are known.

    `tests`: how many. `parameters`: on how many parameters they depend, cumulative. `degree`: the degree of the
    tested polynomials in the parameters.
    """

    tests: int
    parameters: int
    degree: int


def rounds_of(network: Network) -> tuple[Round, ...]:
    """The rounds of a piecewise linear network, the last of them the k - 1 comparisons of logits.

    A nonlinearity is tested one round after the last one that it depends on. A max pool of outputs of ReLU belongs to
    their round: max(relu a, relu b) = relu(max(a, b)), so that its comparisons are of the same polynomials
    (docs/theory/growth-function.md). Raises `UnavailableError` for a nonlinearity that is not piecewise linear.
    """
    wrong = [f for f in network.nonlinear if f.breakpoints is None]
    if wrong:
        raise UnavailableError(
            *(f"layer `{f.label}` is not piecewise linear (`{type(f).__name__}`, {f.source})" for f in wrong)
        )
    nodes = network.nodes
    known: list[int] = []
    """After which round each value is a polynomial."""
    degree: list[int] = []
    uses: list[frozenset[int]] = []
    tests: dict[int, int] = {}
    for position, node in enumerate(nodes):
        after = max((known[i] for i in node.inputs), default=0)
        power = max((degree[i] for i in node.inputs), default=0)
        reads = frozenset().union(*(uses[i] for i in node.inputs))
        match node.operation:
            case Affine() as piece if piece.learned:
                power, reads = power + 1, reads | {position}
            case Nonlinearity() as f:
                after = after if pools_relus(network, position) else after + 1
                tests[position] = _tests(f)
        known.append(after)
        degree.append(power)
        uses.append(reads)
    last = known[-1] + 1
    by_round = []
    for r in range(1, last + 1):
        mine = [p for p in tests if known[p] == r]
        so_far = [p for p in tests if known[p] <= r] if r < last else range(len(nodes))
        pieces = frozenset().union(*(uses[p] for p in so_far))
        by_round.append(
            Round(
                tests=sum(tests[p] for p in mine) if r < last else network.classes - 1,
                parameters=max(1, sum(_parameters(nodes[p].operation) for p in pieces)),
                degree=max(1, *(degree[p] for p in so_far), 1),
            )
        )
    return tuple(by_round)


def pools_relus(network: Network, position: int) -> bool:
    """Whether the node is a max pool that reads nothing but outputs of ReLU."""
    nodes = network.nodes
    if not isinstance(nodes[position].operation, MaxPool):
        return False
    open_ = list(nodes[position].inputs)
    while open_:
        node = nodes[open_.pop()]
        if isinstance(node.operation, Relu):
            continue
        if (
            isinstance(node.operation, Affine | Nonlinearity)
            or not node.inputs
            or not _disjoint(node.operation)
        ):
            return False
        open_ += node.inputs
    return True


def _disjoint(join: object) -> bool:
    return bool(getattr(join, "disjoint", False))


def _tests(f: Nonlinearity) -> int:
    """Sign tests an example: one a breakpoint of each unit, one for each pair of entries of a window."""
    if not isinstance(f, MaxPool):
        return f.size * (f.breakpoints or 0)
    pairs = set()
    for a, b in itertools.combinations(range(f.windows.shape[1]), 2):
        ends = np.sort(f.windows[:, [a, b]], axis=1)
        pairs.update(map(tuple, ends[ends[:, 0] >= 0].tolist()))
    return len(pairs)


def _parameters(piece: object) -> int:
    return piece.operator.parameters + piece.biases if isinstance(piece, Affine) else 0


def _counts(study: Study, field: str, method: str) -> Quantity:
    values = tuple(Interval(getattr(r, field)) for r in rounds_of(study.network))
    return Quantity(value=values, evidence=Evidence.EXACT, method=method)


@measurement("rounds of sign tests", whole=True)
def rounds(study: Study) -> Quantity:
    """rho: one for each nonlinearity on the longest way to the logits, and one for the comparison of logits."""
    return Quantity(value=Interval(len(rounds_of(study.network))), evidence=Evidence.EXACT, method="counted")


@measurement("sign tests an example in each round", whole=True)
def tests_by_round(study: Study) -> Quantity:
    """T_r: units, pairs of entries in pooling windows, and k - 1 comparisons of logits in the last round."""
    return _counts(study, "tests", "counted from the nonlinearities")


@measurement("parameters that the tests up to each round depend on", whole=True)
def parameters_by_round(study: Study) -> Quantity:
    """V_r, cumulative: every entry of a matrix or of a kernel, and every bias, once, as a free parameter.

    A network whose weights are functions of fewer parameters is a member of that class, so the count stays valid.
    """
    return _counts(study, "parameters", "counted from the layers")


@measurement("degree of the tested polynomials in each round", whole=True)
def degrees_by_round(study: Study) -> Quantity:
    """D_r: layers with parameters on the longest path to a test."""
    return _counts(study, "degree", "counted from the layers")


@measurement("points that the loss class surely shatters", whole=True)
def shattered_points(study: Study) -> Quantity:
    """A lower bound on the VC dimension of the 0-1 loss class, by explicit constructions (docs/theory/shattering.md).

    It is 1 or more only for chains of dense layers with ReLU whose entries are all free parameters; otherwise 0, which is
    always true.
    """
    chain = study.network.chain(biases=True)
    pieces = chain.plain if isinstance(chain, Chain) else ()
    dense = all(a.free and isinstance(a.operator, Dense) for a in pieces)
    if (
        not isinstance(chain, Chain)
        or not pieces
        or not dense
        or not all(isinstance(f, Relu) for f in study.network.nonlinear)
    ):
        method = "not a chain of free dense layers with ReLU: nothing claimed"
        return Quantity(value=Interval(0), evidence=Evidence.EXACT, method=method)
    d, *hidden = chain.widths[:-1]
    if all(a.has_bias for a in pieces):
        count, how = shattered(d, hidden), "biases in every layer"
    else:
        # On points (x', 1) the first layer has biases, and one unit a layer can carry the constant on.
        count, how = (
            shattered(d - 1, [h - 1 for h in hidden]),
            "biases not used: one input and one unit a layer carry 1",
        )
    return Quantity(value=Interval(count), evidence=Evidence.EXACT, method=f"explicit constructions, {how}")


def shattered(d: int, hidden: Sequence[int]) -> int:
    """The largest of the counts C1 to C6 for input dimension d and hidden widths with biases.

    Source: docs/theory/shattering.md, after Zhang et al. 2017 (Theorem 1) and Yun, Sra and Jadbabaie 2019.
    """
    if d < 1 or not hidden or min(hidden) < 1:
        return 0
    counts = [labelled_in_every_way(hidden)]
    counts += [2 * ((a + 1) // 2) * ((b + 1) // 2) for a, b in itertools.pairwise(hidden)]
    rank = d
    for width in hidden:
        counts.append(2 * rank * (width // 3))
        rank = min(rank, width)
    return max(counts)
