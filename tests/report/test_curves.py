"""The figures of trainings: lines are the stored numbers, marks stand where they should, and names cover nothing."""

import itertools

import numpy as np
import pytest
from matplotlib.text import Text

from boundcheck.report import corruption, curves, trainings
from boundcheck.report.comparison import by_corruption, by_law
from boundcheck.report.report import read

LAWS = (
    {},
    {"labels": "random"},
    {"pixels": "shuffled"},
    {"pixels": "random"},
    {"pixels": "gaussian"},
)


@pytest.fixture
def laws(store):
    """Five runs, one a law, which reach training error 0 after 10, 13, 16, 19 and 22 epochs."""
    return read([store(f"run{i}", fitted=10 + 3 * i, **law) for i, law in enumerate(LAWS)])


@pytest.fixture
def corrupted(store):
    fates = {0.0: 10, 0.25: 14, 0.5: 21, 1.0: None}
    return read(
        [
            store(
                f"p{p}",
                fitted=k,
                corruption=p,
                missed=(0 if k else 9, int(200 + 250 * p), int(200 + 240 * p)),
            )
            for p, k in fates.items()
        ]
    )


def lines_of(ax):
    """The lines of some axes, but the single points."""
    return [line for line in ax.lines if len(line.get_xdata()) > 1]


def points_of(ax):
    return {tuple(np.ravel(line.get_xydata())) for line in ax.lines if len(line.get_xdata()) == 1}


def test_figures_are_drawn_where_the_runs_span_their_axis(store, laws, corrupted):
    assert set(trainings.pictures(laws)) == {"optimization", "training"}
    assert set(trainings.pictures(corrupted)) >= {"slowdown", "generalization", "training"}
    alone = read([store("alone", fitted=3, missed=(0, 1, 1))])
    assert set(trainings.pictures(alone)) == {"training"}
    fewer = read(
        [store("a", fitted=3, missed=(0, 1, 1)), store("b", fitted=5, corruption=0.5, missed=(0, 2, 2))]
    )
    assert set(trainings.pictures(fewer)) == {"training"}


def test_the_loss_runs_to_the_last_step_and_the_dot_stands_at_interpolation(laws):
    figure = curves.optimization(by_law(laws.trainings))
    (ax,) = figure.axes
    assert len(lines_of(ax)) == 5
    for line, training in zip(lines_of(ax), laws.trainings, strict=True):
        assert line.get_xdata()[-1] == len(training.losses) == 10 * training.epochs
    assert sorted(x for x, _ in points_of(ax)) == [100, 130, 160, 190, 220]


def test_a_run_that_does_not_reach_error_zero_has_no_dot(store):
    runs = read([store("true", fitted=10), store("noise", labels="random")])
    (ax,) = curves.optimization(by_law(runs.trainings)).axes
    assert [x for x, _ in points_of(ax)] == [100]


def test_a_curve_averages_within_epochs_and_loses_no_step(store):
    (training,) = read([store("a", fitted=7)]).trainings
    x, y = curves.curve(training)
    widths = np.diff([0, *x])
    assert np.sum(widths * y) == pytest.approx(float(training.losses.sum(dtype=float)), rel=1e-12)
    assert set(range(10, 71, 10)) <= set(x)
    each = np.repeat(np.arange(1.0, 8), 10).astype(np.float32)
    x, y = curves.curve(type(training)(record=training.record, history=training.history, losses=each))
    assert list(y) == [np.ceil(step / 10) for step in x]


def test_many_steps_become_few_points_with_the_beginning_finer(store):
    (training,) = read([store("a", fitted=40, recipe={"batch": 1})]).trainings
    assert len(training.losses) == 40_000
    x, _ = curves.curve(training)
    assert list(x) == [*range(100, 1000, 100), *range(1000, 40_001, 1000)]
    (short,) = read([store("b", fitted=3, recipe={"batch": 1})]).trainings
    assert len(curves.curve(short)[0]) == curves.POINTS


def test_without_steps_a_curve_has_a_point_an_epoch(store):
    (training,) = read([store("a", fitted=7, old=True)]).trainings
    x, y = curves.curve(training)
    assert list(x) == [10.0 * k for k in range(1, 8)]
    assert list(y) == [row["loss"] for row in training.history]


def test_losses_that_are_no_numbers_are_left_out(store):
    (training,) = read([store("a", fitted=2)]).trainings
    losses = np.array([2.0] * 10 + [np.inf] * 10, np.float32)
    x, y = curves.curve(type(training)(record=training.record, history=training.history, losses=losses))
    assert np.isfinite(y).all()
    assert max(x) == 10


def test_the_slowdown_is_drawn_at_its_factors_with_open_triangles_for_bounds(corrupted):
    (ax,) = corruption.slowdown(by_corruption(corrupted.trainings, timed=True)).axes
    assert points_of(ax) == {(0.0, 1.0), (0.25, 1.4), (0.5, 2.1), (1.0, 4.0)}
    triangles = [line for line in ax.lines if line.get_marker() == "^"]
    assert [tuple(np.ravel(line.get_xydata())) for line in triangles] == [(1.0, 4.0)]
    assert triangles[0].get_markerfacecolor() == "white"


def test_the_ends_are_the_errors_with_their_intervals(corrupted):
    (ax,) = corruption.generalization(by_corruption(corrupted.trainings, timed=False)).axes
    drawn = [line.get_ydata() for line in lines_of(ax)]
    test, clean = ([t.error(which) for t in corrupted.trainings] for which in ("test", "clean_test"))
    assert any(np.array_equal(y, test) for y in drawn)
    assert any(np.array_equal(y, clean) for y in drawn)
    bars = [np.ravel(segment) for c in ax.collections for segment in c.get_segments()]
    for training in corrupted.trainings:
        for which in ("test", "clean_test"):
            low, high = training.confidence(which)
            x = training.setting.corruption
            assert any(np.allclose(bar, [x, low, x, high], atol=1e-12) for bar in bars)


def test_the_epochs_of_every_run_are_drawn_and_the_best_is_marked(store):
    runs = read(
        [store("watched", fitted=5, test_errors=[0.6, 0.4, 0.3, 0.3, 0.5]), store("unwatched", fitted=4)]
    )
    watched, unwatched = curves.errors(runs.trainings).axes
    assert [list(line.get_ydata()) for line in lines_of(watched)] == [
        [row["train_error"] for row in runs.trainings[0].history],
        [0.6, 0.4, 0.3, 0.3, 0.5],
    ]
    assert points_of(watched) == {(3.0, 0.3)}
    assert len(lines_of(unwatched)) == 1
    assert "stop at epoch 3: 30.00 %" in watched.get_title(loc="left")


@pytest.mark.parametrize("figure", ["optimization", "slowdown", "generalization", "training"])
def test_names_cover_neither_each_other_nor_a_line_and_stay_inside(laws, corrupted, figure):
    report = laws if figure == "optimization" else corrupted
    drawn = trainings.pictures(report)[figure].draw()
    drawn.draw_without_rendering()
    for ax in drawn.axes:
        boxes = [Text.get_window_extent(text) for text in ax.texts]
        assert boxes
        frame = ax.get_window_extent()
        for box in boxes:
            assert frame.x0 - 1 <= box.x0
            assert box.x1 <= frame.x1 + 1
            assert frame.y0 - 1 <= box.y0
            assert box.y1 <= frame.y1 + 1
            for line in lines_of(ax):
                assert (
                    not line.get_path().transformed(line.get_transform()).intersects_bbox(box, filled=False)
                )
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_dollars_in_names_are_no_formulas(store):
    runs = read([store("a", fitted=3, dataset="$x"), store("b", fitted=4, dataset="$x", labels="random")])
    for picture in trainings.pictures(runs).values():
        picture.draw().draw_without_rendering()
