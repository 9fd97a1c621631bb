"""Linear and kernel predictors as runs: solved, stored, loaded, judged and reported like any other; and what is refused."""

import dataclasses
import json
from typing import Any

import jax
import numpy as np
import pytest

import boundcheck as bc
from boundcheck import workflow
from boundcheck.data import Dataset
from boundcheck.errors import ExperimentError, RunError
from boundcheck.evaluation import evaluate
from boundcheck.experiment import load_experiment
from boundcheck.predictors import kernel_run
from boundcheck.quantities.study import silent
from boundcheck.spec import RunSpec, SolvedSpec

ASSUME = 'assume = ["iid", "fixed-in-advance", "fresh-test-set"]'
KERNEL = 'model = { name = "kernel", bandwidth = 1.0 }'


def experiment(tmp_path, *runs, defaults=""):
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "linear.toml"
    entries = "".join(f'\n[[run]]\nname = "r{i}"\n{run}\n' for i, run in enumerate(runs))
    path.write_text(
        f'# What?\n[defaults]\ndataset = "digits"\nexamples = 300\n{ASSUME}\n{defaults}\n{entries}'
    )
    return load_experiment(path)


def solved(tmp_path, *runs, defaults=""):
    loaded = experiment(tmp_path, *runs, defaults=defaults)
    workflow.train(loaded.runs, tmp_path / "runs", silent, "linear.toml")
    return [tmp_path / "runs" / spec.name for spec in loaded.runs]


def test_labels_share_a_factorization_and_nothing_else(tmp_path, monkeypatch):
    calls = []
    original = workflow.solve_all
    monkeypatch.setattr(
        workflow, "solve_all", lambda specs, *rest: calls.append(len(specs)) or original(specs, *rest)
    )
    both = solved(tmp_path / "a", KERNEL, f'labels = "random"\n{KERNEL}')
    assert calls == [2]
    (alone,) = solved(tmp_path / "b", f'labels = "random"\n{KERNEL}')
    np.testing.assert_allclose(
        bc.load(both[1]).params["alpha"], bc.load(alone).params["alpha"], rtol=1e-9, atol=1e-11
    )


def test_a_kernel_predictor_is_judged(tmp_path):
    true, random = solved(tmp_path, KERNEL, f'labels = "random"\n{KERNEL}')
    names = [
        "cesabianchi2004-progressive",
        "cesabianchi2004-progressive-late",
        "liang2023-mistakes",
        "maurer2016-kernel-stratified",
        "bousquet2002-stability",
        "belkin2018-margin-floor",
        "golowich2018-frobenius",
        "langford2005-occam-kl",
        "langford2005-occam-kl-quantized",
    ]
    verdicts = {}
    for directory in (true, random):
        found = evaluate(bc.load(directory), bounds=names)
        assert found.observed.rate("train") == 0
        verdicts[directory.name] = {o.id: o for o in found.outcomes}
    assert verdicts["r0"]["cesabianchi2004-progressive"].verdict == "non-vacuous"
    assert verdicts["r1"]["cesabianchi2004-progressive"].verdict in (
        "uninformative",
        "vacuous",
        "inconclusive",
    )
    readings = evaluate(
        bc.load(true), bounds=["jiang2020-flatness", "jiang2020-sharpness", "jiang2020-parameter-norm"]
    )
    assert not readings.alarming
    assert all(
        reading.value is None and "kernel predictor" in reading.reasons[0] for reading in readings.readings
    )
    for outcomes in verdicts.values():
        assert outcomes["belkin2018-margin-floor"].verdict == "vacuous"
        assert outcomes["golowich2018-frobenius"].verdict == "not-applicable"
        # It consists of its training inputs, which no code for the coefficients holds.
        assert outcomes["langford2005-occam-kl"].verdict == "not-applicable"
        assert outcomes["langford2005-occam-kl-quantized"].verdict == "not-applicable"
    online = verdicts["r0"]["cesabianchi2004-progressive"]
    assert online.observed is not None
    whole: Any = bc.load(true)
    solution = whole.solution
    assert online.observed.contains(float(solution.prefix_errors.mean()))
    record = json.loads((true / "run.json").read_text())
    assert record["solved"]["diagonal"] == 0
    assert record["missed"]["train"] == 0


def test_what_is_added_to_the_diagonal_is_written_in_the_run(tmp_path, capsys):
    (directory,) = solved(tmp_path, f"ridge = 0.01\n{KERNEL}")
    assert json.loads((directory / "run.json").read_text())["solved"]["diagonal"] == 3.0
    outcomes = evaluate(bc.load(directory), bounds=["bousquet2002-stability"]).outcomes
    assert outcomes[0].value is not None
    assert outcomes[0].value.is_finite


@pytest.mark.parametrize(
    "features",
    [
        '"pixels"',
        '{ name = "random-relu", count = 400 }',
        '{ name = "random-convolutional", filters = 100, patch = 3, pool = 3, stride = 3 }',
    ],
)
def test_linear_predictors_come_back_as_they_were(tmp_path, features):
    (directory,) = solved(tmp_path, f'model = {{ name = "linear", features = {features} }}')
    run: Any = bc.load(directory)
    record = json.loads((directory / "run.json").read_text())
    observed = evaluate(run, bounds=["clopper1934-test-set"]).observed
    assert observed.rate("test") == record["missed"]["test"] / run.sizes["test"]
    assert observed.rate("train") == record["missed"]["train"] / run.sizes["train"]
    sample = run.sample("test")
    with jax.enable_x64(True):
        one = run.predict(run.params, sample.inputs(0, 1)[0])
    np.testing.assert_allclose(one, run.outputs(run.params, sample.inputs(0, 1))[0], rtol=1e-5, atol=1e-6)


def test_a_linear_predictor_in_the_pixels_is_a_network(tmp_path):
    (directory,) = solved(tmp_path, 'ridge = 0.01\nmodel = { name = "linear", features = "pixels" }')
    run: Any = bc.load(directory)
    (piece,) = run.network.affine
    assert float(piece.frobenius_norm().lo) == pytest.approx(
        float(run.solution.stored_norm_squared.sqrt().lo)
    )
    assert piece.frobenius_norm().intersects(run.solution.stored_norm_squared.sqrt())
    found = {
        o.id: o for o in evaluate(run, bounds=["golowich2018-frobenius", "maurer2016-kernel-margin"]).outcomes
    }
    assert found["golowich2018-frobenius"].verdict != "not-applicable"


def test_features_of_the_training_images_carry_no_certificate(tmp_path):
    model = 'model = {{ name = "linear", features = {{ name = "random-convolutional", filters = 200, patch = 3, pool = 3, stride = 3, patches = "{}" }} }}'
    fitted, noise = solved(
        tmp_path, "ridge = 0.001\n" + model.format("train"), "ridge = 0.001\n" + model.format("gaussian")
    )
    (first,) = evaluate(bc.load(fitted), bounds=["cesabianchi2004-progressive"]).outcomes
    assert first.verdict == "not-applicable"
    assert "transductive" in " ".join(first.reasons)
    (second,) = evaluate(bc.load(noise), bounds=["cesabianchi2004-progressive"]).outcomes
    assert second.verdict == "non-vacuous"


def test_conjugate_gradients_give_the_same_predictor(tmp_path):
    exact, iterated = solved(
        tmp_path, f"ridge = 0.001\n{KERNEL}", f'ridge = 0.001\nsolver = "conjugate-gradient"\n{KERNEL}'
    )
    np.testing.assert_allclose(
        bc.load(exact).params["alpha"], bc.load(iterated).params["alpha"], rtol=1e-5, atol=1e-6
    )
    (outcome,) = evaluate(bc.load(iterated), bounds=["cesabianchi2004-progressive"]).outcomes
    assert outcome.verdict == "not-applicable"
    runs: list[Any] = [bc.load(d) for d in (exact, iterated)]
    one, other = (r.solution.stored_norm_squared for r in runs)
    assert float(one.midpoint()) == pytest.approx(float(other.midpoint()), rel=1e-6)


def test_gradient_descent_is_set_beside_the_closed_form(tmp_path):
    (directory,) = solved(tmp_path, f"ridge = 0.05\ndescent = 5000\n{KERNEL}")
    loaded: Any = bc.load(directory)
    path = loaded.solution.descent
    assert path.shape[0] == 4
    assert path[1][-1] < 1e-6
    assert path[0][-1] == 5000


def test_reports_need_no_evaluation_and_say_the_same_twice(tmp_path):
    directories = solved(tmp_path, f"descent = 200\n{KERNEL}", f'labels = "random"\ndescent = 200\n{KERNEL}')
    texts = []
    for place in ("one", "two"):
        path = workflow.report(directories, tmp_path / place, title="Linear")
        texts.append(path.read_text())
        for name in ("norms", "prefixes", "descent"):
            assert (tmp_path / place / "figures" / f"{name}.png").is_file()
    assert texts[0] == texts[1]
    assert "What linear predictors show" in texts[0]
    assert "random labels are fitted without an error too" in texts[0]
    judged = workflow.judge(directories[0], progress=silent)
    assert judged.run == "r0"
    assert "What linear predictors show" in (directories[0] / "report.md").read_text()


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('model = { name = "kernel", bandwidth = 0.0 }', r"bandwidth` is 0\.0; greater than 0 is needed"),
        ('model = { name = "kernel", bandwidth = -1.0 }', r"bandwidth` is -1\.0; greater than 0"),
        ('model = { name = "kernel", bandwidth = nan }', "bandwidth` is nan"),
        ('model = { name = "kernel", bandwidth = inf }', "bandwidth` is inf"),
        ('model = { name = "kernel" }', "bandwidth` is missing"),
        ('model = { name = "kernel", bandwith = 1.0 }', "bandwidth"),
        ('model = { name = "linear", features = "pixel" }', "features"),
        ('model = { name = "linear", features = { name = "random-relu", count = 0 } }', "count` is 0"),
        (f"ridge = -0.1\n{KERNEL}", r"ridge` is -0\.1"),
        (f"recipe = {{ epochs = 1, learning_rate = 0.1 }}\n{KERNEL}", "unknown key `recipe`"),
        (f'solver = "lu"\n{KERNEL}', "solver"),
    ],
)
def test_an_entry_that_means_nothing_is_one_line(tmp_path, entry, words):
    with pytest.raises(ExperimentError, match=words) as caught:
        experiment(tmp_path, entry)
    assert "\n" not in str(caught.value)


def test_networks_and_predictors_stand_in_one_file(tmp_path):
    loaded = experiment(
        tmp_path,
        KERNEL,
        'model = "mlp-1x512"',
        defaults="recipe = { learning_rate = 0.1, epochs = 1 }\nmonitor = 10",
    )
    assert [type(spec) for spec in loaded.runs] == [SolvedSpec, RunSpec]


@pytest.fixture
def twins(monkeypatch):
    """Digits, the first training image given again with another label."""
    from boundcheck.data import load_dataset

    digits = load_dataset("digits")
    images, labels = digits.train_images.copy(), digits.train_labels.copy()
    images[:] = np.where(
        np.arange(len(images))[:, None, None, None] % 2 == 1, np.roll(images, 1, axis=0), images
    )
    changed: Dataset = dataclasses.replace(digits, train_images=images, train_labels=labels)
    monkeypatch.setattr(workflow, "load_dataset", lambda name: changed)


def test_one_image_with_two_labels_is_refused_by_name(tmp_path, twins):
    with pytest.raises(
        RunError,
        match=r"are the same input, with labels \d and \d, so that no function fits both.*Give a `ridge`",
    ):
        solved(tmp_path, KERNEL)
    assert not (tmp_path / "runs" / "r0").exists()
    solved(tmp_path / "ridged", f"ridge = 0.001\n{KERNEL}")


def test_a_matrix_that_is_singular_to_working_precision_is_refused(tmp_path):
    with pytest.raises(
        RunError,
        match=r"r0 \(Gaussian kernel, bandwidth 1e\+06, 300 examples, 0 on the diagonal\): .*Give a `ridge`",
    ):
        solved(tmp_path, 'model = { name = "kernel", bandwidth = 1e6 }')
    assert not (tmp_path / "runs" / "r0").exists()


def test_what_does_not_fit_is_said_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr("boundcheck.solving.memory.available", lambda: 2**18)
    with pytest.raises(RunError, match="examples fit"):
        solved(tmp_path, KERNEL)


def test_a_damaged_solution_is_named(tmp_path):
    (directory,) = solved(tmp_path, KERNEL)
    path = directory / "solution.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(RunError, match=r"solution\.safetensors has digest"):
        bc.load(directory)


def test_arrays_are_solved_too():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    run = kernel_run(
        train=(x[:60], y[:60]),
        test=(x[60:], y[60:]),
        classes=2,
        bandwidth=1.0,
        assume=("iid", "fixed-in-advance"),
    )
    found = {
        o.id: o
        for o in evaluate(
            run, bounds=["koltchinskii2002-kernel-stratified", "cesabianchi2004-progressive"]
        ).outcomes
    }
    assert found["koltchinskii2002-kernel-stratified"].verdict == "vacuous"
    # The order of arrays is asserted to be fixed in advance, not known.
    statuses = {name: r.status for name, _, r in found["cesabianchi2004-progressive"].assumptions}
    assert statuses["order-fixed"] == "asserted"
