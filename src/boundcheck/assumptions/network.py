"""What is read off the traced network."""

from __future__ import annotations

from .. import quantities
from ..interval import Interval
from ..quantities.study import Study
from ..theorem import Assumption, Resolution
from .check import available
from .world import by_design


@available
def _traced(study: Study) -> Resolution:
    nodes = len(study.network.nodes)
    return Resolution(status="proven", reason=f"{nodes - 1} nodes, traced from the function")


traced = Assumption("traced", "the network is a graph of affine maps and simple nonlinearities", _traced)


@available
def _chain(study: Study) -> Resolution:
    chain = study.chain()
    return Resolution(status="proven", reason=f"{len(chain.layers)} layers, read off the traced network")


chain = Assumption(
    "chain",
    "the network is a chain of affine maps with a fixed Lipschitz map that keeps 0 after each but the last",
    _chain,
)


@available
def _chain_without_biases(study: Study) -> Resolution:
    chain = study.chain(biases=False)
    if not chain.plain:
        return Resolution(status="refuted", reason="; ".join(chain.why_not_plain))
    return Resolution(status="proven", reason=f"{len(chain.layers)} layers, read off the traced network")


chain_without_biases = Assumption(
    "chain-without-biases",
    "the network is a chain of linear maps, without biases, with a fixed elementwise nonlinearity after each but the last",
    _chain_without_biases,
)


@available
def _homogeneous(study: Study) -> Resolution:
    network = study.network
    wrong = [f for f in network.nonlinear if not f.homogeneous or not f.lipschitz <= 1]
    if not wrong:
        kinds = sorted({type(f).__name__ for f in network.nonlinear})
        return Resolution(
            status="proven", reason=f"read off the traced network ({', '.join(kinds) or 'none'})"
        )
    reasons = (f"layer `{f.label}` (`{type(f).__name__}`, {f.source})" for f in wrong)
    return Resolution(
        status="refuted",
        reason="not positively homogeneous or not 1-Lipschitz: " + ", ".join(dict.fromkeys(reasons)),
    )


homogeneous = Assumption(
    "homogeneous",
    "every nonlinearity is 1-Lipschitz and positively homogeneous",
    _homogeneous,
)


@available
def _path_normed(study: Study) -> Resolution:
    study.path_norms()
    if study.network.nonlinear and study.network.nodes[-1].operation is study.network.nonlinear[-1]:
        return Resolution(status="refuted", reason="the network ends with a nonlinearity")
    return Resolution(
        status="proven", reason=f"{len(study.network.nodes) - 1} nodes, read off the traced network"
    )


path_normed = Assumption(
    "path-normed",
    "the network is made of affine maps, ReLU, leaky ReLU, |x|, maximum and max pooling, and ends with an affine map",
    _path_normed,
)


@available
def _piecewise_linear(study: Study) -> Resolution:
    rounds = study.measure(quantities.rounds)
    assert isinstance(rounds.value, Interval)
    count = int(float(rounds.value.hi))
    return Resolution(status="proven", reason=f"{count} rounds of sign tests, read off the traced network")


piecewise_linear = Assumption(
    "piecewise-linear",
    "every nonlinearity is piecewise linear: ReLU, leaky ReLU, |x|, clip, maximum or max pooling",
    _piecewise_linear,
)


@available
def _bounded_inputs(study: Study) -> Resolution:
    bound = study.measure(quantities.input_norm_bound)
    assert isinstance(bound.value, Interval)
    return Resolution(
        status="proven", reason=f"at most {float(bound.value.hi):.6g} in l2 norm: {bound.method}"
    )


bounded_inputs = Assumption(
    "bounded-inputs",
    "every input that can occur, in the sample or not, has an l2 norm below a number known before the data were seen",
    _bounded_inputs,
)


@available
def _initial(study: Study) -> Resolution:
    study.initial_chain()
    held = [f"layer `{a.label}` ({a.source})" for a in study.network.affine if a.held]
    if held:
        return Resolution(
            status="refuted",
            reason=f"{', '.join(held)} uses an array that the function holds, whose initial value is not known; "
            "pass it in `params` and `init_params`",
        )
    return by_design(
        study,
        "the initial weights are recorded and drawn from the seed alone",
        "the initial weights must have been drawn before the data were seen",
    )


recorded_initialization = Assumption(
    "recorded-initialization",
    "the reference matrices are the initial weights, drawn before the data were seen",
    _initial,
)
