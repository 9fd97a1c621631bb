"""Gradient descent on networks without hidden layers: constants, steps, loss, and how far one example moves the weights."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck import Interval, evaluate, load
from boundcheck import quantities as q
from boundcheck.quantities import Study
from boundcheck.quantities.quantity import UnavailableError
from boundcheck.spec import RunSpec
from boundcheck.workflow import train

DELTA = Fraction(1, 20)
HARDT = ["hardt2016-descent", "hardt2016-descent-strongly-convex", "hardt2016-descent-nonconvex"]


def trained(folder, name, model=None, **recipe):
    spec = RunSpec(
        name=name,
        dataset="digits",
        model={"name": "mlp", "hidden": []} | (model or {}),
        recipe={"learning_rate": 0.03, "epochs": 2, "decay": 0.5} | recipe,
        examples=300,
        test_examples=200,
        seed=2,
        assume=["iid", "fixed-in-advance", "fresh-test-set"],
    )
    train([spec], folder, lambda *_: None)
    return load(folder / spec.name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(folder):
    return trained(folder, "linear")


@pytest.fixture(scope="module")
def study(run):
    return Study(run, DELTA)


def cross_entropy(weights, x, y):
    logits = weights @ x
    return jax.nn.logsumexp(logits) - logits[y]


@pytest.mark.parametrize("k", [2, 3, 10])
def test_gradients_and_hessians_stay_below_the_constants_and_come_close(k):
    """The largest over random weights, against sqrt(2) |x| and |x|^2 / 2, which is where they lead for extreme weights."""
    rng = np.random.default_rng(k)
    steepest = sharpest = 0.0
    with jax.enable_x64(True):
        gradient = jax.jit(jax.grad(cross_entropy))
        hessian = jax.jit(jax.hessian(cross_entropy))
        for trial in range(60):
            x = rng.normal(size=3)
            norm = float(np.linalg.norm(x))
            weights = rng.normal(size=(k, 3)) * 4.0 ** (trial % 4 - 1)
            if trial % 3 == 0:  # two classes share all probability: where the curvature is largest
                weights = weights - np.outer(weights @ x, x) / norm**2
                weights[2:] -= 40 * x / norm**2
            slope = float(jnp.linalg.norm(gradient(weights, x, trial % k)))
            curvature = np.linalg.norm(np.asarray(hessian(weights, x, 0)).reshape(3 * k, 3 * k), 2)
            steepest = max(steepest, slope / (np.sqrt(2) * norm))
            sharpest = max(sharpest, float(curvature) / (norm**2 / 2))
    assert 0.99 < steepest <= 1 + 1e-12
    assert 0.99 < sharpest <= 1 + 1e-12


def descended(x, y, k, orders, batch, rate):
    """Plain float64 gradient descent of softmax regression from 0, over given orders of the examples."""
    weights = np.zeros((k, x.shape[1]))
    for order in orders:
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            logits = x[rows] @ weights.T
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            p[np.arange(len(rows)), y[rows]] -= 1
            weights = weights - rate * p.T @ x[rows] / len(rows)
    return weights


@pytest.mark.parametrize("batch", [1, 4, 5, 13])
def test_replacing_an_example_moves_the_weights_as_little_as_the_theorem_says(batch):
    """For any fixed orders the mean over the replaced example is at most (2L/n) sum_t a_t, with a short last batch too."""
    rng = np.random.default_rng(batch)
    n, d, k = 13, 4, 3
    x = rng.normal(size=(n + 1, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = rng.integers(0, k, n + 1)
    lipschitz, smooth = np.sqrt(2), 0.5
    rate = 2 / smooth
    orders = [rng.permutation(n) for _ in range(5)]
    before = descended(x[:n], y[:n], k, orders, batch, rate)
    moved = []
    for i in range(n):
        inputs, labels = x[:n].copy(), y[:n].copy()
        inputs[i], labels[i] = -x[i], (y[i] + 1) % k
        moved.append(np.linalg.norm(descended(inputs, labels, k, orders, batch, rate) - before))
    total = rate * len(orders) * -(-n // batch)
    assert 0.02 * (2 * lipschitz * total / n) < np.mean(moved) <= 2 * lipschitz * total / n


def test_a_step_beyond_two_over_smoothness_expands():
    """Why the premise is needed: near p = 1/2 a step of 6/B throws two weight vectors apart."""
    x, y = np.ones((1, 1)), np.zeros(1, int)
    near = np.array([[0.0], [0.0]])

    def step(weights, rate):
        p = np.exp(weights @ x[0])
        return weights - rate * np.outer(p / p.sum() - np.eye(2)[y[0]], x[0])

    other = np.array([[0.05], [-0.05]])
    distance = np.linalg.norm(other - near)
    assert np.linalg.norm(step(other, 2 / 0.5) - step(near, 2 / 0.5)) <= distance
    assert np.linalg.norm(step(other, 6 / 0.5) - step(near, 6 / 0.5)) > 1.5 * distance


def value(study, measurement):
    return study.measure(measurement).value


def wide(interval):
    return float(interval.hi) - float(interval.lo)


def test_constants_and_steps_are_those_of_the_recipe(study):
    radius = value(study, q.input_norm_bound)
    assert abs(value(study, q.loss_lipschitz) - (2 * (radius**2 + 1)).sqrt()).hi < 1e-12
    assert abs(value(study, q.loss_smoothness) - (radius**2 + 1) / 2).hi < 1e-10
    # 300 examples in batches of 128: three steps an epoch, at 0.03 and then at 0.015.
    assert value(study, q.steps) == Interval(6)
    assert value(study, q.step_sum).contains(Interval(Fraction(3 * 45, 1000)))
    assert wide(value(study, q.step_sum)) < 1e-7
    # t a_t is largest at the third step of the first epoch or the sixth of all: 0.09 both.
    assert value(study, q.step_constant).contains(Interval(Fraction(9, 100)))


def test_training_loss_is_the_mean_cross_entropy_of_the_stored_weights(run, study):
    total = 0.0
    with jax.enable_x64(True):
        for x, y in run.sample("train").batches(100):
            (layer,) = run.params.layers
            weights, bias = np.asarray(layer.weight, np.float64), np.asarray(layer.bias, np.float64)
            logits = np.asarray(x, np.float64).reshape(len(x), -1) @ weights.T + bias
            losses = jax.nn.logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]
            total += float(losses.sum())
    found = value(study, q.training_loss)
    assert float(found.lo) - 1e-12 <= total / 300 <= float(found.hi) + 1e-12
    assert wide(found) < 1e-9


def test_the_convex_form_applies_and_the_others_are_refused(run):
    outcomes = {o.id: o for o in evaluate(run, bounds=HARDT).outcomes}
    convex = outcomes["hardt2016-descent"]
    assert convex.guarantee == "EXP"
    assert convex.value is not None
    assert {r.status for _, _, r in convex.assumptions} <= {"proven", "enclosed", "asserted"}
    assert convex.verdict in ("inconclusive", "vacuous")
    assert outcomes["hardt2016-descent-strongly-convex"].verdict == "not-applicable"
    assert any("not bounded" in r for r in outcomes["hardt2016-descent-nonconvex"].reasons)


@pytest.mark.parametrize(
    ("recipe", "model", "reason"),
    [
        ({"learning_rate": 1.0}, {}, "the first step is 1, and 2/B is"),
        ({"momentum": 0.9}, {}, "momentum 0.9"),
        ({"weight_decay": 0.001}, {}, "weight decay 0.001"),
        ({"optimizer": "adam"}, {}, "adam"),
        ({"precision": "bfloat16"}, {}, "bfloat16"),
        ({}, {"hidden": [16]}, "hidden layers"),
    ],
    ids=["long", "momentum", "decay", "adam", "narrow", "hidden"],
)
def test_what_the_theorem_does_not_speak_of_is_refused_with_the_number(
    folder, request, recipe, model, reason
):
    run = trained(folder, request.node.callspec.id, model, **recipe)
    (outcome,) = evaluate(run, bounds=["hardt2016-descent"]).outcomes
    assert outcome.verdict == "not-applicable"
    assert reason in " ".join(outcome.reasons)


def test_a_training_that_ends_when_all_is_fitted_is_refused(folder):
    """The number of its steps depends on the data; as many epochs, planned, are fine."""
    eager = trained(folder, "eager", learning_rate=0.05, epochs=2000, decay=1.0, batch=4)
    assert eager.interpolated
    ended = eager.record["epochs"]
    assert ended < 2000
    (outcome,) = evaluate(eager, bounds=["hardt2016-descent"]).outcomes
    assert outcome.verdict == "not-applicable"
    assert f"give `epochs = {ended}`" in " ".join(outcome.reasons)


def test_strong_convexity_is_the_weight_decay_where_it_holds_for_every_weight(folder):
    with_bias = Study(trained(folder, "with-bias", weight_decay=0.01), DELTA)
    with pytest.raises(UnavailableError, match="biases have no weight decay"):
        with_bias.measure(q.strong_convexity)
    without = Study(trained(folder, "without", {"bias": False}, weight_decay=0.01), DELTA)
    assert without.measure(q.strong_convexity).value == Interval(0.01)
    assert abs(value(without, q.loss_lipschitz) ** 2 - 2 * value(without, q.input_norm_bound) ** 2).hi < 1e-9


def test_a_run_without_a_recipe_is_refused(small_run):
    (outcome,) = evaluate(small_run, bounds=["hardt2016-descent"]).outcomes
    assert outcome.verdict == "not-applicable"
    assert "the steps of this run are not recorded" in " ".join(outcome.reasons)
