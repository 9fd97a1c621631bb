"""Stages of a piecewise linear network: what each costs in the contraction of path norms.

Source: docs/theory/path-norm.md.
"""

from __future__ import annotations

from ..interval import Interval
from ..network import Affine, Network, Nonlinearity
from ..network.nonlinear import Maximum, MaxPool, Slopes
from .capacity import pools_relus
from .quantity import Evidence, Quantity, measurement
from .study import Study


def stage_factors_of(network: Network) -> tuple[int, ...]:
    """A_s = 2^ceil(log2 max(2, q_s)) + 2 e_s by stage.

    A nonlinearity belongs to the stage after the last one that it depends on; a max pool of outputs of ReLU to theirs,
    with one entry more. q_s: the largest window. e_s: how many activations there are whose slopes are not those of a
    convex combination of the identity and ReLU.
    """
    after: list[int] = []
    window: dict[int, int] = {}
    others: dict[int, set[tuple[float, float]]] = {}
    for position, node in enumerate(network.nodes):
        stage = max((after[i] for i in node.inputs), default=0)
        f = node.operation
        if isinstance(f, Nonlinearity):
            shared = pools_relus(network, position)
            stage = stage if shared else stage + 1
            entries = int((f.windows >= 0).sum(axis=1).max(initial=1)) if isinstance(f, MaxPool) else 1
            entries = 2 if isinstance(f, Maximum) else entries + shared
            window[stage] = max(window.get(stage, 2), entries)
            if isinstance(f, Slopes) and not 0 <= f.below <= f.above:
                others.setdefault(stage, set()).add((f.below, f.above))
        after.append(stage)
    return tuple(
        2 ** (window[s] - 1).bit_length() + 2 * len(others.get(s, ())) for s in range(1, max(after) + 1)
    )


@measurement("stages: nonlinearities on the longest way", whole=True)
def stages(study: Study) -> Quantity:
    """S; 1 for a linear network."""
    return Quantity(
        value=Interval(len(_factors(study))), evidence=Evidence.EXACT, method="read off the network"
    )


@measurement("factor of each stage", whole=True)
def stage_factors(study: Study) -> Quantity:
    """A_s: 2 for ReLU, the next power of two above the window for max pooling, 2 more for each other activation.

    A linear network counts as one stage that costs nothing, a factor 1.
    """
    return Quantity(
        value=tuple(map(Interval, _factors(study))), evidence=Evidence.EXACT, method="read off the network"
    )


def _factors(study: Study) -> tuple[int, ...]:
    study.path_norms()
    return stage_factors_of(study.network) or (1,)


@measurement("1 if the network has biases, 0 if not", whole=True, at_most=1)
def bias_flag(study: Study) -> Quantity:
    """Whether the constant 1 is an input like others."""
    flag = any(piece.has_bias for piece in study.network.affine)
    return Quantity(value=Interval(int(flag)), evidence=Evidence.EXACT, method="read off the network")


@measurement("types of max pooling", whole=True)
def pool_types(study: Study) -> Quantity:
    """P: how many window sizes there are."""
    return Quantity(
        value=Interval(len(set(_windows(study.network)))), evidence=Evidence.EXACT, method="counted"
    )


@measurement("largest window of max pooling", whole=True)
def pool_size(study: Study) -> Quantity:
    """K; 1 without pooling."""
    return Quantity(
        value=Interval(max(_windows(study.network), default=1)), evidence=Evidence.EXACT, method="counted"
    )


def _windows(network: Network) -> list[int]:
    return [
        int((f.windows >= 0).sum(axis=1).max(initial=1)) if isinstance(f, MaxPool) else 2
        for f in network.nonlinear
        if isinstance(f, MaxPool | Maximum)
    ]


@measurement("affine layers with parameters on the longest way", whole=True)
def path_depth(study: Study) -> Quantity:
    """D: the length of the longest path."""
    length: list[int] = []
    for node in study.network.nodes:
        before = max((length[i] for i in node.inputs), default=0)
        learned = isinstance(node.operation, Affine) and node.operation.learned
        length.append(before + learned)
    return Quantity(value=Interval(max(1, length[-1])), evidence=Evidence.EXACT, method="counted")
