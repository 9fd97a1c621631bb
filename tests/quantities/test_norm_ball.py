"""How far margins inside a norm ball follow random signs, and what one may conclude from it."""

import itertools
import json
import re
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np
import pytest

from boundcheck import Interval, load
from boundcheck.quantities import norm_ball, retraining
from boundcheck.quantities.margins import Margins
from boundcheck.quantities.norm_ball import is_inside, margin_quantile, norm_balls, soft_miss
from boundcheck.quantities.quantity import UnavailableError
from boundcheck.quantities.rademacher import lower_end, signs_and_targets
from boundcheck.quantities.study import Study
from boundcheck.spec import RunSpec
from boundcheck.training import DivergedError, fit_all
from boundcheck.workflow import train

RADII = tuple(map(Fraction, ("2", "1", "1/2", "1/4")))
DELTA = Fraction(1, 20)
N = 200


def silent(task, done, total):
    pass


def complexity(vectors):
    """Rad_S of a finite class by enumeration of all signs, and the least soft miss for each of them."""
    n = vectors.shape[1]
    signs = np.array(list(itertools.product((-1, 1), repeat=n)))
    misses = np.where(signs[:, None, :] > 0, 1 - vectors[None], vectors[None]).mean(axis=2).min(axis=1)
    return (signs @ vectors.T).max(axis=1).mean() / n, misses


def test_complexity_is_a_half_minus_the_least_soft_miss_on_every_small_class():
    rng = np.random.default_rng(3)
    for _ in range(50):
        rad, misses = complexity(rng.uniform(size=(rng.integers(1, 9), 6)))
        assert rad == pytest.approx(0.5 - misses.mean(), abs=1e-12)


def test_one_sign_changes_the_least_soft_miss_by_at_most_one_over_n():
    rng, n = np.random.default_rng(5), 6
    largest = 0.0
    for vectors in [rng.uniform(size=(4, n)) for _ in range(20)] + [np.array([[0.0] * n, [1.0] * n])]:
        _, misses = complexity(vectors)
        for i in range(n):
            flipped = misses.reshape([2] * n).swapaxes(0, i)
            largest = max(largest, float(np.abs(flipped[0] - flipped[1]).max()))
    assert largest == pytest.approx(1 / n)


@pytest.mark.parametrize("draws", [1, 2])
def test_coverage_of_the_lower_end_by_exact_enumeration(draws):
    """Over all signs of all draws the claim fails no more often than delta, though each finds the very least soft miss."""
    rng = np.random.default_rng(4)
    failed_somewhere = False
    for _ in range(10):
        vectors = rng.uniform(size=(5, 7)).round(2)
        rad, misses = complexity(vectors)
        exact = [Fraction(round(float(miss) * 700), 700) for miss in misses]
        means = np.add.outer(misses, misses).ravel() / 2 if draws == 2 else misses
        for delta in (Fraction(1, 100), Fraction(1, 5), Fraction(9, 10)):
            slack = float(lower_end([Fraction(0)] * draws, 7, delta).lo)
            failures = np.mean(slack - means > rad + 1e-12)
            failed_somewhere |= bool(failures)
            assert failures <= float(delta)
            claim = lower_end([exact[0]] * draws, 7, delta)
            assert float(claim.lo) == pytest.approx(max(0.0, slack - float(exact[0])), abs=1e-12)
    assert failed_somewhere


def test_the_page_says_what_follows_from_its_numbers():
    for miss, expected in ((0, 0.4677144554), (Fraction(3, 10), 0.1677144554)):
        assert float(lower_end([Fraction(miss)], 1437, DELTA).lo) == pytest.approx(expected, abs=5e-11)
    page = (Path(__file__).parents[2] / "docs/theory/rademacher.md").read_text()
    lines = re.findall(r"^ +([0-9.]+) x +([0-9.]+) % +([0-9.]+) +([0-9.]+)$", page, re.MULTILINE)
    assert len(lines) == 14
    for radius, fitted, miss, complexity in lines:
        lower = float(lower_end([Fraction(miss)], 1437, DELTA).lo)
        assert float(complexity) == pytest.approx(lower, abs=1.01e-4), radius
        assert 1 - float(fitted) / 100 >= float(miss) - 1e-4, radius


def test_the_soft_miss_is_the_upper_end_of_its_definition():
    rng = np.random.default_rng(0)
    for _ in range(30):
        gamma = float(np.float32(rng.uniform(0.1, 5)))
        centre, wrong = rng.normal(size=50) * 3, rng.integers(0, 2, 50).astype(bool)
        lower, upper = centre - rng.uniform(size=50) * 0.1, centre + rng.uniform(size=50) * 0.1
        found = Fraction(soft_miss(Margins(lower=lower, upper=upper, traced=True), wrong, gamma))
        total = Fraction(0)
        for low, high, w in zip(lower, upper, wrong, strict=True):
            ramp = [
                min(Fraction(1), max(Fraction(0), 1 - Fraction(m) / Fraction(gamma))) for m in (low, high)
            ]
            total += 1 - ramp[1] if w else ramp[0]
        assert total / 50 <= found <= total / 50 + Fraction(1, 10**13)


def test_margins_that_are_no_numbers_are_missed_and_infinite_ones_decided():
    lower, upper = np.array([np.nan, np.nan, -np.inf, np.inf, -np.inf]), np.full(5, np.nan)
    upper[2:] = [-np.inf, np.inf, np.inf]
    wrong = np.array([True, False, True, False, True])
    margins = Margins(lower=lower, upper=upper, traced=True)
    assert soft_miss(margins, wrong, 1.0) == pytest.approx(3 / 5)
    assert norm_ball.fitted(margins, wrong, 1.0) == 2


def test_a_network_is_inside_when_every_array_certainly_is():
    norms = {"w": Interval(5), "b": Interval(0)}
    w = np.array([3.0, 4.0], np.float32)
    assert is_inside({"w": w / 2, "b": np.zeros(3)}, norms, Fraction(501, 1000))
    assert not is_inside({"w": w, "b": np.zeros(3)}, norms, Fraction(999, 1000))
    assert not is_inside({"w": w, "b": np.array([0, 1e-30, 0])}, norms, Fraction(2))
    assert not is_inside({"w": w * np.float32(np.nan), "b": np.zeros(3)}, norms, Fraction(2))


def entry(**changes):
    return RunSpec.model_validate(
        {
            "name": "ball",
            "dataset": "digits",
            "model": {"name": "mlp", "hidden": [128], "bias": False},
            "recipe": {"learning_rate": 0.1, "momentum": 0.9, "batch": 32, "epochs": 30},
            "examples": N,
            "seed": 1,
            "rademacher": {"draws": 1, "epochs": 40},
            "assume": ["iid"],
            **changes,
        }
    )


def trained(folder, **changes):
    spec = entry(**changes)
    train([spec], folder, silent)
    return load(folder / spec.name)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("balls"))


@pytest.fixture(scope="module")
def found(run):
    return measured(run)


def measured(run, radii=RADII, progress=silent, **changes):
    arguments = {"draws": 2, "epochs": 60, "quantile": Fraction(1, 2), **changes}
    return norm_balls(Study(run, DELTA, progress), radii, **arguments)


def test_the_margin_is_a_quantile_rounded_up(run):
    margins = np.sort(Study(run, DELTA).margins("train").upper)
    for quantile, k in ((Fraction(1, 2), 100), (Fraction(1, 1000), 1), (Fraction(1), N)):
        gamma = margin_quantile(Study(run, DELTA), quantile)
        assert margins[k - 1] <= gamma <= margins[k - 1] * (1 + 1e-6)
        assert gamma == np.float32(gamma)


def test_the_smaller_the_ball_the_worse_the_fit(found):
    assert [ball.radius for ball in found.balls] == list(RADII)
    misses = [np.mean([fit.soft_miss for fit in ball.fits]) for ball in found.balls]
    assert misses[0] < 0.02
    assert misses[0] + 0.1 < misses[1] < misses[2] - 0.05
    assert all(a.lower.hi >= b.lower.hi for a, b in itertools.pairwise(found.balls))
    assert found.balls[0].lower.lo > 0.4 > 0.2 > found.balls[-1].lower.hi
    for ball in found.balls:
        assert all(fit.inside for fit in ball.fits)
        assert ball.lower == lower_end([Fraction(miss) for miss in ball.misses], N, DELTA)


def test_what_is_stored_is_what_the_trained_weights_say(run, found, monkeypatch):
    """Logits in float64 of the weights that `fit_all` yields, compared with what was kept."""
    outcomes = {}

    def noted(members, **arguments):
        for place, outcome in fit_all(members, **arguments):
            outcomes[place] = outcome
            yield place, outcome

    monkeypatch.setattr(retraining, "fit_all", noted)
    again = norm_balls(
        Study(run, DELTA, folder="again"), RADII[:2], draws=2, epochs=60, quantile=Fraction(1, 2)
    )
    assert [ball.fits for ball in again.balls] == [ball.fits for ball in found.balls[:2]]
    sample = run.sample("train")
    x, y = np.asarray(sample.inputs(0, N), float).reshape(N, -1), sample.labels
    sizes = [np.linalg.norm(w.astype(float)) for w in jax.tree.leaves(run.params)]
    for place, outcome in outcomes.items():
        ball, draw = again.balls[place // 2], place % 2
        first, second = (w.astype(float) for w in jax.tree.leaves(outcome.params))
        for w, size in zip((first, second), sizes, strict=True):
            assert np.linalg.norm(w) <= size * float(ball.radius) * (1 - 5e-6)
        logits = np.maximum(x @ first.T, 0) @ second.T
        own = logits[np.arange(N), y]
        logits[np.arange(N), y] = -np.inf
        plus, _ = signs_and_targets(y, 10, 1, draw)
        ramp = np.clip(1 - (own - logits.max(axis=1)) / again.gamma, 0, 1)
        expected = np.where(plus, 1 - ramp, ramp).mean()
        assert ball.fits[draw].soft_miss == pytest.approx(expected, abs=1e-9)


def test_what_is_known_is_not_trained_again(run, found, monkeypatch):
    monkeypatch.setattr(retraining, "fit_all", lambda *_, **__: pytest.fail("trained again"))
    assert measured(run) == found
    assert measured(run, RADII[1:3]).gamma == found.gamma
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        measured(run, epochs=61)
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        measured(run, quantile=Fraction(1, 4))


def test_what_was_done_before_a_kill_is_not_done_again(run, found, monkeypatch):
    trainings = []

    def killed(members, **arguments):
        for place, outcome in fit_all(members, **arguments):
            if len(trainings) == 3:
                raise KeyboardInterrupt
            trainings.append(place)
            yield place, outcome

    def ball_of(folder, progress=silent):
        return norm_balls(
            Study(run, DELTA, progress, folder), RADII, draws=2, epochs=60, quantile=Fraction(1, 2)
        )

    monkeypatch.setattr(retraining, "fit_all", killed)
    with pytest.raises(KeyboardInterrupt):
        ball_of("killed")
    assert len(list((run.directory / "killed").rglob("missed.json"))) == 3
    monkeypatch.setattr(retraining, "fit_all", fit_all)
    told = {}
    assert ball_of("killed", lambda task, done, total: told.update({task: (done, total)})) == found
    assert len([task for task in told if task.startswith("ball of radius")]) == 8 - 3
    assert all(done == total for done, total in told.values())
    assert not list((run.directory / "killed").rglob("checkpoint"))


def test_trainings_that_diverge_or_end_outside_miss_everything_and_stay_draws(run, monkeypatch):
    def spoiled(members, **arguments):
        for place, outcome in fit_all(members, **arguments):
            if place == 0:
                yield place, DivergedError(arguments["recipe"], (), "it is so")
                continue
            if place == 1:
                for w in jax.tree.leaves(outcome.params):
                    w *= np.float32(2)
            yield place, outcome

    monkeypatch.setattr(retraining, "fit_all", spoiled)
    study = Study(run, DELTA, folder="spoiled")
    (ball,) = norm_balls(study, [Fraction(1)], draws=3, epochs=3, quantile=Fraction(1, 2)).balls
    assert [fit.inside for fit in ball.fits] == [False, False, True]
    assert [fit.soft_miss == 1 for fit in ball.fits] == [True, True, False]
    assert ball.lower == lower_end([Fraction(miss) for miss in ball.misses], N, DELTA)
    assert len(ball.misses) == 3


def test_a_bias_that_is_zero_has_no_room(tmp_path, monkeypatch):
    """The biases of a network that was stopped before they moved: their ball is the single point 0."""
    run = trained(tmp_path, model={"name": "mlp", "hidden": [64], "bias": True})
    still = run.with_params(jax.tree.map(lambda w: w * 0 if w.ndim == 1 else w, run.params))
    kept = []

    def noted(members, **arguments):
        for place, outcome in fit_all(members, **arguments):
            kept.append(outcome.params)
            yield place, outcome

    monkeypatch.setattr(retraining, "fit_all", noted)
    (ball,) = measured(still, [Fraction(1)], draws=1, epochs=3).balls
    assert ball.fits[0].inside
    assert [np.abs(w).max() == 0 for w in jax.tree.leaves(kept[0])] == [
        w.ndim == 1 for w in jax.tree.leaves(run.params)
    ]


def test_what_cannot_be_asked(small_run, tmp_path):
    with pytest.raises(UnavailableError, match="a run from arrays records none"):
        measured(small_run)
    normalized = trained(
        tmp_path, model="wide-resnet-10-1", examples=20, recipe={"learning_rate": 0.01, "epochs": 1}
    )
    with pytest.raises(UnavailableError, match="batch normalization, after which the scale"):
        measured(normalized)
    untrained = trained(tmp_path, name="untrained", recipe={"learning_rate": 1e-6, "epochs": 1})
    with pytest.raises(
        UnavailableError, match=r"the 0\.5-quantile of the training margins is -.*larger `quantile`"
    ):
        measured(untrained)
    assert untrained.directory is not None
    assert not (untrained.directory / "quantities" / "norm-ball").exists()


def test_a_damaged_outcome_is_measured_again(run, found):
    (path,) = (run.directory / "quantities/norm-ball").glob("1-4-*/0/missed.json")
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "soft_miss": "much"}))
    assert measured(run) == found
    assert json.loads(path.read_text()) == stored
