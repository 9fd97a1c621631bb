"""Random signs and what training on them certifies."""

import itertools
import shutil
from fractions import Fraction

import jax
import numpy as np
import pytest

from boundcheck import Interval, evaluate, load, storage
from boundcheck.quantities import retraining
from boundcheck.quantities.rademacher import (
    lower_end,
    missed_targets,
    rademacher_complexity,
    signs_and_targets,
)
from boundcheck.quantities.study import Study, silent
from boundcheck.spec import RunSpec
from boundcheck.training import DivergedError, Trained, fit, fit_all, loop
from boundcheck.workflow import train


def test_half_of_the_targets_stay_true_and_the_others_never_do():
    labels = np.arange(20_000) % 10
    plus, targets = signs_and_targets(labels, 10, seed=5, draw=0)
    assert np.array_equal(targets == labels, ~plus)
    assert abs(plus.mean() - 0.5) < 4 * 0.5 / np.sqrt(20_000)
    shifts = np.bincount((targets - labels)[plus] % 10, minlength=10)
    assert shifts[0] == 0
    assert np.all(np.abs(shifts[1:] - plus.sum() / 9) < 5 * np.sqrt(plus.sum() / 9))


def test_draws_differ_and_are_reproducible():
    labels = np.zeros(500, int)
    first, _ = signs_and_targets(labels, 3, seed=1, draw=0)
    again, _ = signs_and_targets(labels, 3, seed=1, draw=0)
    other, _ = signs_and_targets(labels, 3, seed=1, draw=1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_identity_between_complexity_and_misses_on_every_small_class():
    """Rad = 1/2 - E min error, by enumeration of all signs for random classes in {0,1}^5."""
    rng = np.random.default_rng(2)
    signs = np.array(list(itertools.product((-1, 1), repeat=5)))
    for _ in range(20):
        vectors = rng.integers(0, 2, (rng.integers(1, 8), 5))
        rad = np.mean([(s @ vectors.T).max() / 5 for s in signs])
        bits = (signs + 1) // 2
        missed = np.mean([np.abs(vectors - b).sum(axis=1).min() / 5 for b in bits])
        assert abs(rad - (0.5 - missed)) < 1e-12


def test_coverage_of_the_lower_end_by_exact_enumeration():
    """For one draw over all 2^8 signs the claim fails no more often than delta."""
    rng = np.random.default_rng(4)
    signs = np.array(list(itertools.product((0, 1), repeat=8)))
    for _ in range(10):
        vectors = rng.integers(0, 2, (6, 8))
        missed = [int(np.abs(vectors - b).sum(axis=1).min()) for b in signs]
        rad = Fraction(1, 2) - Fraction(sum(missed), 8 * len(signs))
        for delta in (Fraction(1, 100), Fraction(1, 5), Fraction(9, 10)):
            claims = {k: lower_end([Fraction(k, 8)], 8, delta) for k in set(missed)}
            failures = sum(claims[k] > rad for k in missed)
            assert Fraction(failures, len(signs)) <= delta


SPEC = RunSpec.model_validate(
    {
        "name": "signs",
        "dataset": "digits",
        "model": {"name": "mlp", "hidden": [256], "bias": True},
        "recipe": {"learning_rate": 0.1, "momentum": 0.9, "epochs": 2},
        "seed": 3,
        "rademacher": {"draws": 4, "epochs": 60},
        "assume": ["iid"],
    }
)
N = 1437


@pytest.fixture
def run(tmp_path):
    train([SPEC], tmp_path, silent)
    return load(tmp_path / SPEC.name)


def missed_of(run):
    stored = [run.directory / f"quantities/rademacher/{draw}/missed.json" for draw in range(4)]
    return [storage.read_json(path, "a draw")["missed"] for path in stored]


def recorded(monkeypatch, together=None):
    """What `fit_all` is given and yields, by the seed of the training."""
    outcomes = {}

    def noted(members, **arguments):
        arguments["together"] = together or arguments["together"]
        for place, outcome in fit_all(members, **arguments):
            outcomes[members[place].seed] = outcome
            yield place, outcome

    monkeypatch.setattr(retraining, "fit_all", noted)
    return outcomes


def test_draws_train_together_and_each_gets_the_bits_it_gets_alone(run, tmp_path, monkeypatch):
    outcomes = recorded(monkeypatch)
    together = missed_targets(Study(run, Fraction(1, 20)))
    assert missed_of(run) == together
    side_by_side = dict(outcomes)
    shutil.rmtree(run.directory / "quantities")
    outcomes = recorded(monkeypatch, together=1)
    assert missed_targets(Study(run, Fraction(1, 20))) == together
    assert outcomes.keys() == side_by_side.keys() == {SPEC.seed * 1009 + 1 + draw for draw in range(4)}
    for seed, alone in outcomes.items():
        assert alone.history == side_by_side[seed].history
        pairs = zip(jax.tree.leaves(alone.params), jax.tree.leaves(side_by_side[seed].params), strict=True)
        assert all(a.tobytes() == b.tobytes() for a, b in pairs)
    _, labels = signs_and_targets(run.sample("train").labels, 10, SPEC.seed, 2)
    spec, budget = run.spec, SPEC.recipe.model_copy(update={"epochs": 60})
    single = fit(
        architecture=spec.model,
        recipe=budget,
        images=run.sample("train").images,
        labels=labels,
        classes=10,
        preparation=spec.prepared,
        seed=SPEC.seed * 1009 + 3,
    )
    assert single.history == side_by_side[SPEC.seed * 1009 + 3].history


def test_what_was_done_before_a_kill_is_not_done_again(run, monkeypatch):
    """Killed when the first draw is done: it is kept, the others go on from where they were, to the same numbers."""
    study = Study(run, Fraction(1, 20))
    seen = []

    def killed(members, **arguments):
        for place, outcome in fit_all(members, **arguments):
            if seen:
                raise KeyboardInterrupt
            seen.append(place)
            yield place, outcome

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(retraining, "fit_all", killed)
    with pytest.raises(KeyboardInterrupt):
        missed_targets(study)
    folder = run.directory / "quantities" / "rademacher"
    (first,) = seen
    assert [(folder / str(draw) / "missed.json").exists() for draw in range(4)] == [
        d == first for d in range(4)
    ]
    assert [(folder / str(draw) / "checkpoint").exists() for draw in range(4)] == [
        d != first for d in range(4)
    ]
    outcomes, told = recorded(monkeypatch), {}
    again = Study(
        run, Fraction(1, 20), lambda task, done, total: told.setdefault(task, []).append((done, total))
    )
    resumed = missed_targets(again)
    assert len(outcomes) == 3
    assert not list(folder.rglob("checkpoint"))
    assert sorted(told) == [f"random signs {draw + 1} of 4" for draw in range(4) if draw != first]
    assert all(steps[0] == (1, 60) and steps[-1] == (60, 60) for steps in told.values())
    outcomes.clear()
    assert missed_targets(study) == resumed
    assert outcomes == {}
    shutil.rmtree(folder)
    assert missed_targets(study) == resumed


def test_a_draw_whose_training_diverges_misses_every_target_and_stays_a_draw(run, monkeypatch):
    """The second of four trainings diverges."""

    def with_a_wild_second_draw(members, **arguments):
        for place, outcome in fit_all(members, **arguments):
            wild = members[place].seed == SPEC.seed * 1009 + 2
            yield place, DivergedError(arguments["recipe"], (), "it is so") if wild else outcome

    monkeypatch.setattr(retraining, "fit_all", with_a_wild_second_draw)
    quantity = rademacher_complexity.measure(Study(run, Fraction(1, 20)))
    missed = missed_of(run)
    assert missed[1] == N
    assert max(missed[0], missed[2], missed[3]) < N / 2
    kept, dropped = (
        lower_end([Fraction(count, N) for count in counts], N, Fraction(1, 40))
        for counts in (missed, [missed[0], *missed[2:]])
    )
    assert 0 < kept < dropped
    assert quantity.value == Interval.hull(kept, Fraction(1, 2))
    assert quantity.method.startswith("4 random sign draws")


def test_trainings_that_overflow_miss_every_target(run, monkeypatch):
    def wild(members, *, recipe, **arguments):
        return fit_all(members, recipe=recipe.model_copy(update={"learning_rate": 1e38}), **arguments)

    monkeypatch.setattr(retraining, "fit_all", wild)
    assert missed_targets(Study(run, Fraction(1, 20))) == [N] * 4


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_numbers_miss_every_target(run, monkeypatch, value):
    """Also where the training itself noticed nothing: all weights nan or infinite."""

    def to_nothing(members, **_):
        params = jax.tree.map(lambda leaf: np.full_like(leaf, value), run.params)
        nothing = np.zeros(0, np.float32)
        trained = Trained(
            params=params,
            initial=params,
            history=(),
            step_loss=nothing,
            step_error=nothing,
            missed=None,
            epochs=0,
            interpolated=True,
        )
        return [(place, trained) for place in range(len(members))]

    monkeypatch.setattr(retraining, "fit_all", to_nothing)
    assert missed_targets(Study(run, Fraction(1, 20))) == [N] * 4


def test_two_perfect_fits_certify_that_the_bound_is_vacuous(tmp_path):
    spec = RunSpec.model_validate(
        {
            "name": "fitted",
            "dataset": "digits",
            "model": {"name": "mlp", "hidden": [256], "bias": True},
            "recipe": {"learning_rate": 0.1, "momentum": 0.9, "batch": 32, "epochs": 30},
            "examples": 200,
            "rademacher": {"draws": 2, "epochs": 300},
            "assume": ["iid", "fixed-in-advance"],
        }
    )
    train([spec], tmp_path, silent)
    run = load(tmp_path / "fitted")
    assert missed_targets(Study(run, Fraction(1, 20))) == [0, 0]
    (outcome,) = evaluate(run, bounds=["mohri2018-rademacher"]).outcomes
    assert outcome.verdict == "vacuous"
