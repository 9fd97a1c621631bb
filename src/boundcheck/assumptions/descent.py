"""What stochastic gradient descent must have been for its stability to be known."""

from __future__ import annotations

from .. import quantities
from ..interval import Interval
from ..quantities import descent
from ..quantities.study import Study
from ..theorem import Assumption, Resolution
from .check import available


@available
def _plain_descent(study: Study) -> Resolution:
    recipe = descent.linear_spec(study).recipe
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


@available
def _projected_descent(study: Study) -> Resolution:
    descent.linear_spec(study)
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


@available
def _single_examples(study: Study) -> Resolution:
    batch = descent.linear_spec(study).recipe.batch
    if batch != 1:
        return Resolution(status="refuted", reason=f"a step uses {batch} examples; give `batch = 1`")
    return Resolution(status="proven", reason="by the recipe")


single_examples = Assumption("single-examples", "each step uses one example", _single_examples)


@available
def _convex_loss(study: Study) -> Resolution:
    descent.linear_spec(study)
    return Resolution(status="proven", reason="the cross-entropy of logits that are linear in the weights")


convex_loss = Assumption("convex-loss", "the loss of each example is convex in the weights", _convex_loss)


@available
def _short_steps(study: Study) -> Resolution:
    spec = descent.linear_spec(study)
    smooth = study.measure(quantities.loss_smoothness).value
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
