"""The assumptions that theorems share, each with the function that decides it on a run.

Assumptions about the world (the examples are i.i.d.) can only be asserted by the experimenter; the experiment file does
so by name. Those about the network are read off its traced form.
"""

from __future__ import annotations

from . import quantities
from .interval import Interval
from .quantities import descent
from .quantities.quantity import UnavailableError
from .quantities.study import Study
from .spec import RunSpec
from .theorem import Assumption, Check, Resolution


def _asserted(name: str, otherwise: str) -> Check:
    def check(study: Study) -> Resolution:
        if name in study.run.assume:
            return Resolution(status="asserted", reason=f"by the experimenter, as {name}")
        return Resolution(
            status="undecided", reason=f'{otherwise} Assert it with `assume = ["{name}"]` if it holds.'
        )

    return check


iid = Assumption(
    "iid",
    "the training examples are drawn independently from the distribution on which the error is defined",
    _asserted("iid", "nothing is known about how the examples were drawn."),
)

fixed_in_advance = Assumption(
    "fixed-in-advance",
    "architecture, preparation of the inputs, delta and the bound were fixed before the training data were seen",
    _asserted("fixed-in-advance", "nothing is known about what was chosen after seeing the data."),
)

fresh_test_set = Assumption(
    "fresh-test-set",
    "the test examples are drawn independently from the same distribution, and no choice was made with them",
    _asserted("fresh-test-set", "nothing is known about how the test set was used."),
)


def _traced(study: Study) -> Resolution:
    try:
        nodes = len(study.network.nodes)
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    return Resolution(status="proven", reason=f"{nodes - 1} nodes, traced from the function")


traced = Assumption("traced", "the network is a graph of affine maps and simple nonlinearities", _traced)


def _chain(study: Study) -> Resolution:
    try:
        chain = study.chain()
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    return Resolution(status="proven", reason=f"{len(chain.layers)} layers, read off the traced network")


chain = Assumption(
    "chain",
    "the network is a chain of affine maps with a fixed Lipschitz map that keeps 0 after each but the last",
    _chain,
)


def _chain_without_biases(study: Study) -> Resolution:
    try:
        chain = study.chain(biases=False)
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    if not chain.plain:
        return Resolution(status="refuted", reason="; ".join(chain.why_not_plain))
    return Resolution(status="proven", reason=f"{len(chain.layers)} layers, read off the traced network")


chain_without_biases = Assumption(
    "chain-without-biases",
    "the network is a chain of linear maps, without biases, with a fixed elementwise nonlinearity after each but the last",
    _chain_without_biases,
)


def _homogeneous(study: Study) -> Resolution:
    try:
        network = study.network
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
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


def _path_normed(study: Study) -> Resolution:
    try:
        study.path_norms()
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
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


def _piecewise_linear(study: Study) -> Resolution:
    try:
        rounds = study.measure(quantities.rounds)
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    assert isinstance(rounds.value, Interval)
    count = int(float(rounds.value.hi))
    return Resolution(status="proven", reason=f"{count} rounds of sign tests, read off the traced network")


piecewise_linear = Assumption(
    "piecewise-linear",
    "every nonlinearity is piecewise linear: ReLU, leaky ReLU, |x|, clip, maximum or max pooling",
    _piecewise_linear,
)


def _bounded_inputs(study: Study) -> Resolution:
    try:
        bound = study.measure(quantities.input_norm_bound)
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    assert isinstance(bound.value, Interval)
    return Resolution(
        status="proven", reason=f"at most {float(bound.value.hi):.6g} in l2 norm: {bound.method}"
    )


bounded_inputs = Assumption(
    "bounded-inputs",
    "every input that can occur, in the sample or not, has an l2 norm below a number known before the data were seen",
    _bounded_inputs,
)


def _by_design(study: Study, recorded: str, claim: str) -> Resolution:
    """What our own training guarantees, and what the maker of arrays can only assert together with the rest."""
    if study.run.spec is not None:
        return Resolution(status="proven", reason=recorded)
    return _asserted(fixed_in_advance.name, f"nothing is known of a run from arrays: {claim}.")(study)


def _initial(study: Study) -> Resolution:
    try:
        study.initial_chain()
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    held = [f"layer `{a.label}` ({a.source})" for a in study.network.affine if a.held]
    if held:
        return Resolution(
            status="refuted",
            reason=f"{', '.join(held)} uses an array that the function holds, whose initial value is not known; "
            "pass it in `params` and `init_params`",
        )
    return _by_design(
        study,
        "the initial weights are recorded and drawn from the seed alone",
        "the initial weights must have been drawn before the data were seen",
    )


recorded_initialization = Assumption(
    "recorded-initialization",
    "the reference matrices are the initial weights, drawn before the data were seen",
    _initial,
)


def _interpolates(study: Study) -> Resolution:
    errors = study.margins("train").errors
    if errors <= 0:
        return Resolution(
            status="enclosed", reason="every training example is certified to be classified correctly"
        )
    if errors > 0:
        return Resolution(
            status="refuted",
            reason=f"the training error is {float((errors / study.margins('train').size).lo):.4g}, not 0",
        )
    return Resolution(status="undecided", reason="rounding leaves open whether the training error is 0")


interpolation = Assumption("interpolation", "the training error is 0", _interpolates)


def _stored_bits(study: Study) -> Resolution:
    if not study.run.parametric:
        return Resolution(
            status="refuted",
            reason="a kernel predictor is a function of the training inputs too, which no code for its coefficients holds",
        )
    return _by_design(
        study,
        "the classifier is a function of the stored weights, which are finite numbers of fixed width",
        "the function must hold no number that depends on the data besides `params`",
    )


finite_description = Assumption(
    "finite-description", "the classifier is a deterministic function of the stored bits", _stored_bits
)


def _known_draws(study: Study) -> Resolution:
    spec = study.run.spec
    if not isinstance(spec, RunSpec) or spec.rademacher is None:
        return Resolution(
            status="refuted",
            reason="no number of random sign draws was fixed in advance"
            if spec is not None
            else "a run from arrays records no recipe to retrain by",
        )
    return Resolution(
        status="proven",
        reason=f"{spec.rademacher.draws} draws from a seed fixed in the experiment file; none is dropped",
    )


draws_fixed = Assumption(
    "draws-fixed-in-advance",
    "the random signs are independent of everything, their number fixed, none discarded",
    _known_draws,
)


def _solved(study: Study) -> Resolution:
    solution = study.run.solution
    if solution is None:
        return Resolution(
            status="refuted",
            reason="the network was trained; this speaks of the exact solution of a linear or kernel problem",
        )
    return Resolution(
        status="enclosed",
        reason=f"{solution.method}, relative residual at most {float(solution.residual.hi):.1e}",
    )


solved = Assumption(
    "solved",
    "the predictor is the solution of kernel ridge regression, or of least norm, on the training set",
    _solved,
)


def _kernel_fixed(study: Study) -> Resolution:
    solution = study.run.solution
    if solution is not None and not solution.features_fixed:
        return Resolution(
            status="refuted",
            reason="transductive features: patches, whitening and standardization come from the training inputs; take them elsewhere "
            '(`patches = "gaussian"`)',
        )
    return _asserted(
        fixed_in_advance.name, "nothing is known about how kernel, features and ridge were chosen."
    )(study)


kernel_fixed = Assumption(
    "kernel-fixed", "kernel, features, bandwidth and ridge do not depend on the training set", _kernel_fixed
)


def _bounded_kernel(study: Study) -> Resolution:
    try:
        bound = study.measure(quantities.kernel_bound)
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    assert isinstance(bound.value, Interval)
    return Resolution(
        status="proven", reason=f"sqrt(k(x, x)) is at most {float(bound.value.hi):.6g}: {bound.method}"
    )


bounded_kernel = Assumption(
    "bounded-kernel",
    "k(x, x) is bounded over all inputs by a number known before the data were seen",
    _bounded_kernel,
)


def _order_fixed(study: Study) -> Resolution:
    return _by_design(
        study,
        "the order of the data set, or of a subset drawn without looking at it",
        "the order of the examples must have been fixed before they were seen",
    )


order_fixed = Assumption(
    "order-fixed", "the order of the examples was fixed before they were seen, or is random", _order_fixed
)


def _two_classes(study: Study) -> Resolution:
    k = study.run.classes
    if k != 2:
        return Resolution(status="refuted", reason=f"there are {k} classes")
    return Resolution(status="proven", reason="counted")


two_classes = Assumption("two-classes", "there are two classes", _two_classes)


def _plain_descent(study: Study) -> Resolution:
    try:
        recipe = descent.linear_spec(study).recipe
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    extra = {
        "the optimizer is adam": recipe.optimizer != "sgd",
        f"momentum {recipe.momentum:g}": recipe.momentum != 0,
        f"weight decay {recipe.weight_decay:g}": recipe.weight_decay != 0,
        f"dropout {recipe.dropout:g}": recipe.dropout != 0,
        "random crops": recipe.random_crops,
        f"products in {recipe.precision}": recipe.precision != "float32",
    }
    if found := [name for name, there in extra.items() if there]:
        return Resolution(status="refuted", reason=f"not plain gradient descent: {', '.join(found)}")
    epochs = descent.epochs(study)
    if epochs < recipe.epochs:
        return Resolution(
            status="refuted",
            reason=f"training ended after {epochs} of {recipe.epochs} epochs because the training error was 0, so the number "
            f"of steps depends on the data; give `epochs = {epochs}` in a file that is written before the data are seen",
        )
    return Resolution(
        status="proven",
        reason=f"{epochs} epochs as planned, batches of {recipe.batch} in an order that knows neither inputs nor labels",
    )


plain_descent = Assumption(
    "plain-descent",
    "stochastic gradient descent on the mean loss of each batch, every example once an epoch in random order, for a number of epochs fixed in "
    "advance, and nothing else",
    _plain_descent,
)


def _projected_descent(study: Study) -> Resolution:
    try:
        descent.linear_spec(study)
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    return Resolution(
        status="refuted",
        reason="the training does not project the weights onto a bounded set, and without one the regularized loss has no "
        "Lipschitz constant",
    )


projected_descent = Assumption(
    "projected-descent",
    "stochastic gradient descent on a strongly convex loss, projected onto a bounded convex set after each step",
    _projected_descent,
)


def _single_examples(study: Study) -> Resolution:
    try:
        batch = descent.linear_spec(study).recipe.batch
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    if batch != 1:
        return Resolution(status="refuted", reason=f"a step uses {batch} examples; give `batch = 1`")
    return Resolution(status="proven", reason="by the recipe")


single_examples = Assumption("single-examples", "each step uses one example", _single_examples)


def _convex_loss(study: Study) -> Resolution:
    try:
        descent.linear_spec(study)
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    return Resolution(status="proven", reason="the cross-entropy of logits that are linear in the weights")


convex_loss = Assumption("convex-loss", "the loss of each example is convex in the weights", _convex_loss)


def _short_steps(study: Study) -> Resolution:
    try:
        spec = descent.linear_spec(study)
        smooth = study.measure(quantities.loss_smoothness).value
    except UnavailableError as error:
        return Resolution(status="refuted", reason="; ".join(error.reasons))
    assert isinstance(smooth, Interval)
    # The rate never grows from epoch to epoch.
    if descent.step_of(spec, 1) * smooth <= 2:
        return Resolution(
            status="enclosed", reason=f"{spec.recipe.learning_rate:g} is at most 2/{float(smooth.hi):.6g}"
        )
    return Resolution(
        status="refuted",
        reason=f"the first step is {spec.recipe.learning_rate:g}, and 2/B is {2 / float(smooth.hi):.3g}; give a `learning_rate` of at most that",
    )


short_steps = Assumption(
    "short-steps", "every step is at most 2/B, B the smoothness of the loss", _short_steps
)

bounded_loss = Assumption(
    "bounded-loss",
    "the loss lies in [0, 1] for all weights",
    lambda study: Resolution(
        status="refuted", reason="the cross-entropy is not bounded; what is known of it is convexity"
    ),
)
