"""What the stability of gradient descent rests on, for networks whose logits are linear in the weights.

The loss is the cross-entropy of a softmax. With inputs of norm at most R (and a 1 for the bias) it is L-Lipschitz and
B-smooth in the weights: a softmax less a one-hot vector has norm at most sqrt(2), and the Hessian diag(p) - p p^T of
the loss in the logits has spectral norm at most 1/2 (docs/theory/sgd-stability.md).
"""

from __future__ import annotations

import numpy as np

from ..interval import Interval
from ..models import MLPSpec
from ..network.rounding import gam
from ..spec import RunSpec
from .inputs import input_norm_bound
from .margins import BATCH
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study


def linear_spec(study: Study) -> RunSpec:
    """The entry of a network without hidden layers. Raises `UnavailableError` for every other run."""
    spec = study.run.spec
    if not isinstance(spec, RunSpec):
        raise UnavailableError("it speaks of gradient descent, and the steps of this run are not recorded.")
    if not isinstance(spec.model, MLPSpec) or spec.model.hidden:
        raise UnavailableError(
            "the loss of a network with hidden layers is not convex in the weights, and has neither a Lipschitz constant nor a "
            "smoothness that holds for all weights."
        )
    return spec


def _reach(study: Study) -> Interval:
    """The squared norm of an input with its 1 for the bias, at most."""
    spec = linear_spec(study)
    assert isinstance(spec.model, MLPSpec)
    norm = study.measure(input_norm_bound).value
    assert isinstance(norm, Interval)
    return norm**2 + (1 if spec.model.bias else 0)


@measurement("Lipschitz constant of the cross-entropy in the weights")
def loss_lipschitz(study: Study) -> Quantity:
    """L = sqrt(2) times the largest norm of an input."""
    value = (2 * _reach(study)).sqrt()
    return Quantity(
        value=value, evidence=Evidence.ENCLOSED, method="sqrt(2) times the largest norm of an input"
    )


@measurement("smoothness of the cross-entropy in the weights")
def loss_smoothness(study: Study) -> Quantity:
    """B = half the largest squared norm of an input."""
    value = _reach(study) / 2
    return Quantity(
        value=value, evidence=Evidence.ENCLOSED, method="half the largest squared norm of an input"
    )


def epochs(study: Study) -> int:
    """How many epochs were trained."""
    return int(study.run.record["epochs"])


def step_of(spec: RunSpec, epoch: int) -> Interval:
    """The step of an epoch, counted from 1: the learning rate, rounded to float32 on the device."""
    rate, rounding = Interval(spec.recipe.rate(epoch)), Interval(2.0**-24)
    return rate * Interval((1 - rounding).lo, (1 + rounding).hi)


@measurement("number of steps", whole=True)
def steps(study: Study) -> Quantity:
    """T."""
    spec = linear_spec(study)
    count = epochs(study) * -(-study.run.sizes["train"] // spec.recipe.batch)
    return Quantity(value=Interval(count), evidence=Evidence.EXACT, method="counted")


@measurement("sum of the steps")
def step_sum(study: Study) -> Quantity:
    """sum_t a_t: every batch of every epoch at its learning rate."""
    spec = linear_spec(study)
    each = -(-study.run.sizes["train"] // spec.recipe.batch)
    total = sum((step_of(spec, e) for e in range(1, epochs(study) + 1)), Interval(0))
    return Quantity(
        value=total * each, evidence=Evidence.ENCLOSED, method="the recipe, and the epochs trained"
    )


@measurement("least c with steps a_t <= c/t")
def step_constant(study: Study) -> Quantity:
    """max_t t a_t."""
    spec = linear_spec(study)
    each = -(-study.run.sizes["train"] // spec.recipe.batch)
    ends = [step_of(spec, e) * e * each for e in range(1, epochs(study) + 1)]
    largest = ends[0]
    for end in ends[1:]:
        largest = largest.maximum(end)
    return Quantity(value=largest, evidence=Evidence.ENCLOSED, method="the recipe, and the epochs trained")


@measurement("strong convexity of the loss in the weights")
def strong_convexity(study: Study) -> Quantity:
    """m: the weight decay, where it holds for every weight."""
    spec = linear_spec(study)
    assert isinstance(spec.model, MLPSpec)
    decay = spec.recipe.weight_decay
    if decay == 0:
        raise UnavailableError("without weight decay the loss is not strongly convex.")
    if spec.model.bias:
        raise UnavailableError("biases have no weight decay, so the loss is not strongly convex in them.")
    return Quantity(value=Interval(decay), evidence=Evidence.EXACT, method="the weight decay")


@measurement("mean cross-entropy on the training set")
def training_loss(study: Study) -> Quantity:
    """(1/n) sum_i ln sum_j exp(f(x_i)_j - f(x_i)_{y_i}), of the traced network."""
    linear_spec(study)
    total = doubt = 0.0
    for inputs, labels in study.run.sample("train").batches(BATCH):
        logits, radius = study.network.enclose(inputs)
        shifted = logits - logits.max(axis=1, keepdims=True)
        losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
        total += float(losses.sum())
        # 2-Lipschitz in the largest error of a logit; the elementary functions are good to a few units of 2^-53.
        doubt += float((2 * radius.max(axis=1) + (np.abs(shifted).max(axis=1) + 8) * 2.0**-48).sum())
    n = study.run.sizes["train"]
    slack = doubt + gam(n + 8) * total
    value = (Interval(total - slack, total + slack) / n).maximum(0)
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method="logits of all training examples")
