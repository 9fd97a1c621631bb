"""What is concluded from trainings: only what their numbers say."""

import pytest

from boundcheck.report import findings
from boundcheck.report.comparison import by_corruption, by_law, delays
from boundcheck.report.report import read


def said(function, directories, group=None):
    trainings = read(directories).trainings
    return "\n".join(function(trainings if group is None else group(trainings)))


def timed(trainings):
    return by_corruption(trainings, timed=True)


def test_all_randomized_runs_that_fit_are_said_to(store):
    runs = [
        store("true", fitted=10),
        store("noise", fitted=25, labels="random"),
        store("gauss", fitted=12, pixels="gaussian"),
    ]
    text = said(findings.optimization, runs, by_law)
    assert text.startswith("All 2 runs on random labels and Gaussian images reached training error 0")
    assert "random labels: after 25 epochs (2.5 times as long as on true labels)" in text
    assert "Gaussian images: after 12 epochs (1.2 times as long as on true labels)" in text


def test_some_and_none_are_not_all(store):
    runs = [store("true", fitted=10), store("noise", labels="random", missed=(13, 450, 450))]
    text = said(findings.optimization, runs, by_law)
    assert "The one run on random labels did not reach training error 0 within the budget." in text
    assert "random labels: not within 40 epochs, 1.30 % of the examples still missed" in text
    text = said(findings.optimization, [*runs, store("mixed", fitted=12, pixels="shuffled")], by_law)
    assert "Of the 2 runs on random labels and shuffled pixels, 1 reached training error 0" in text


def test_times_at_different_rates_are_not_compared(store):
    runs = [
        store("true", fitted=10),
        store("noise", fitted=25, labels="random", recipe={"learning_rate": 0.1}),
    ]
    text = said(findings.optimization, runs, by_law)
    assert "random labels: after 25 epochs" in text
    assert "times as long" not in text
    assert timed(read(runs).trainings) == ()


def test_without_randomized_runs_nothing_is_said(store):
    assert said(findings.optimization, [store("a", fitted=3), store("b", fitted=4)], by_law) == ""


def corrupted(store, fates, **given):
    return [
        store(f"p{int(100 * p)}", fitted=fitted, missed=(0 if fitted else 9, 250, 250), corruption=p, **given)
        for p, fitted in fates.items()
    ]


def test_the_slowdown_is_the_ratio_of_epochs(store):
    runs = corrupted(store, {0.0: 10, 0.3: 15, 0.6: 22, 0.9: None})
    (comparison,) = timed(read(runs).trainings)
    assert [(p.corruption, p.factor, p.reached) for p in delays(comparison)] == [
        (0.0, 1.0, True),
        (0.3, 1.5, True),
        (0.6, 2.2, True),
        (0.9, 4.0, False),
    ]
    text = said(findings.slowdown, runs, timed)
    assert "training error 0 is reached by 2 of 3 runs on corrupted labels" in text
    assert "the longest of these takes 2.2 times as long as on true labels, with corruption 0.6" in text
    assert "with corruption 0.9 it was not reached in 40 epochs, 4 times as long" in text
    assert "the time grows with the corruption at each step" in text


def test_growth_is_claimed_where_it_is_seen(store):
    rising = corrupted(store, {0.0: 10, 0.3: 12, 0.6: 14, 1.0: 18})
    assert "the time grows with the corruption at each step" in said(findings.slowdown, rising, timed)


def test_what_was_not_reached_below_what_was_is_no_growth(store):
    runs = corrupted(store, {0.0: 10, 0.3: 15, 0.6: None, 0.9: 30})
    assert "grows" not in said(findings.slowdown, runs, timed)


def test_a_dip_is_not_growth(store):
    runs = corrupted(store, {0.0: 10, 0.3: 16, 0.6: 14, 1.0: 18})
    text = said(findings.slowdown, runs, timed)
    assert "training error 0 is reached at every corruption up to 1" in text
    assert "grows" not in text


def test_a_first_step_down_is_not_growth(store):
    """Faster than on true labels at first, slower later."""
    runs = corrupted(store, {0.0: 10, 0.3: 8, 0.6: 14, 1.0: 18})
    assert "grows" not in said(findings.slowdown, runs, timed)


def test_seeds_share_the_unit(store):
    runs = [*corrupted(store, {0.0: 10, 0.3: 18, 0.6: 24}), store("again", fitted=14, seed=1)]
    (comparison,) = timed(read(runs).trainings)
    assert sorted(p.factor for p in delays(comparison)) == pytest.approx([10 / 12, 14 / 12, 1.5, 2])


def test_without_a_fit_on_true_labels_there_is_no_unit(store):
    runs = corrupted(store, {0.0: None, 0.3: 18, 0.6: 24})
    (comparison,) = timed(read(runs).trainings)
    assert delays(comparison) == ()
    assert said(findings.slowdown, runs, timed) == ""


def test_two_levels_of_corruption_are_no_curve(store):
    assert timed(read(corrupted(store, {0.0: 10, 1.0: 18})).trainings) == ()


def test_what_generalizes_without_regularization(store):
    runs = [
        store("true", fitted=10, missed=(0, 240, 240)),
        store("noise", fitted=25, missed=(0, 450, 452), labels="random"),
    ]
    text = said(findings.generalization, runs)
    assert "the one run errs less than a guess, by the confidence interval" in text
    assert "with random labels, also fitted exactly, on 90.00 %" in text


def test_a_network_that_only_may_be_better_than_a_guess_is_not_said_to_be(store):
    text = said(findings.generalization, [store("true", fitted=10, missed=(0, 440, 440))])
    assert "0 of 1 runs err less than a guess" in text
    assert "does not keep" not in text


@pytest.mark.parametrize("given", [{"fitted": None}, {"fitted": 9, "recipe": {"dropout": 0.5}}])
def test_what_is_regularized_or_not_fitted_answers_nothing(store, given):
    assert said(findings.generalization, [store("a", missed=(0, 100, 100), **given)]) == ""


@pytest.mark.parametrize(
    ("missed", "verdict"),
    [
        (100, "which is less"),
        (400, "which is more"),
        (235, "which the intervals do not tell apart"),
    ],
)
def test_regularization_is_compared_by_intervals(store, missed, verdict):
    runs = [
        store("plain", fitted=10, missed=(0, 240, 240)),
        store("decay", fitted=10, missed=(0, missed, missed), recipe={"weight_decay": 0.001}),
    ]
    assert f"with weight decay 0.001 on {missed / 5:.2f} %" in said(findings.generalization, runs)
    assert verdict in said(findings.generalization, runs)


def test_other_amounts_of_data_are_not_compared(store):
    runs = [
        store("plain", fitted=10, missed=(0, 240, 240)),
        store("more", fitted=10, missed=(0, 100, 100), sizes=(2000, 500), recipe={"weight_decay": 0.001}),
    ]
    assert "weight decay 0.001" not in said(findings.generalization, runs)


def test_early_stopping_that_gains_nothing_is_said_to(store):
    runs = [store("a", fitted=4, missed=(0, 100, 100), test_errors=[0.8, 0.5, 0.3, 0.2])]
    assert "early stopping would have gained nothing" in said(findings.generalization, runs)
