"""Training the runs of an experiment: what trains together, what a stored run holds, and what a diverged one leaves."""

import json

import jax
import numpy as np
import pytest

from boundcheck import load, workflow
from boundcheck.archive import input_shape, read_record
from boundcheck.cli import main
from boundcheck.data import load_dataset, prepare
from boundcheck.errors import RunError
from boundcheck.spec import RunSpec
from boundcheck.training import DivergedError, fit_all, suitable
from boundcheck.weights import read


def silent(task, done, total):
    pass


def spec(name, **changes):
    recipe = {"learning_rate": 0.1, "momentum": 0.9, "epochs": 3, **changes.pop("recipe", {})}
    return RunSpec.model_validate(
        {"name": name, "dataset": "digits", "model": "mlp-1x16", "recipe": recipe, "monitor": 50, **changes}
    )


def recorded(monkeypatch):
    """The groups that were trained: how many networks, and how many at a time."""
    groups = []

    def noted(members, **arguments):
        groups.append((len(members), arguments["together"]))
        return fit_all(members, **arguments)

    monkeypatch.setattr(workflow, "fit_all", noted)
    return groups


def test_like_runs_that_follow_one_another_train_together(tmp_path, monkeypatch):
    groups = recorded(monkeypatch)
    specs = [
        spec("a"),
        spec("b", labels="random"),
        spec("c", corruption=0.5, seed=7),
        spec("d", recipe={"epochs": 2}),
        spec("e", model="mlp-1x8"),
        spec("f", examples=100),
        spec("g", examples=100, labels="random"),
        spec("h", examples=100, pixels="random"),
        spec("i", examples=100, pixels="gaussian"),
    ]
    workflow.train(specs, tmp_path, silent)
    at_a_time = suitable(specs[0].model)
    assert [size for size, _ in groups] == [3, 1, 1, 2, 1, 1]
    assert {at_once for _, at_once in groups} == {at_a_time}
    groups.clear()
    workflow.train(specs, tmp_path, silent)
    assert groups == []


def test_a_run_has_the_same_bytes_in_whatever_company_it_trained(tmp_path):
    specs = [spec("a"), spec("b", labels="random"), spec("c", seed=7)]
    workflow.train(specs, tmp_path / "together", silent, together=3)
    for one in specs:
        workflow.train([one], tmp_path / "alone", silent)
    for name in "abc":
        for file in (
            "weights.safetensors",
            "init.safetensors",
            "history.csv",
            "steps.safetensors",
            "run.json",
        ):
            first, second = (tmp_path / kind / name / file for kind in ("together", "alone"))
            assert first.read_bytes() == second.read_bytes(), (name, file)
        assert not (tmp_path / "together" / name / "checkpoint").exists()


def test_the_record_counts_what_the_network_misses(tmp_path):
    workflow.train([spec("a", corruption=0.3, examples=200, test_examples=150)], tmp_path, silent)
    record, _ = read_record(tmp_path / "a")
    run = load(tmp_path / "a")
    assert record["sizes"] == {"train": 200, "test": 150}
    assert record["parameters"] == run.parameters == 64 * 16 + 16 + 16 * 10 + 10
    for split, key, labels in (
        ("train", "train", "labels"),
        ("test", "test", "labels"),
        ("test", "clean_test", "clean"),
    ):
        sample = run.sample(split)
        logits = jax.vmap(run.predict, (None, 0))(run.params, sample.inputs(0, len(sample)))
        missed = int(np.sum(np.argmax(logits, axis=1) != getattr(sample, labels)))
        assert record["missed"][key] == missed
    monitored = run.history[-1]["test_error"]
    test = run.sample("test")
    predicted = np.argmax(jax.vmap(run.predict, (None, 0))(run.params, test.inputs(0, 50)), axis=1)
    assert monitored == np.mean(predicted != test.labels[:50])
    steps, _ = read(tmp_path / "a" / "steps.safetensors")
    assert {name: array.shape for name, array in steps.items()} == {"loss": (6,), "error": (6,)}


@pytest.mark.parametrize("pixels", ["shuffled", "random", "gaussian"])
def test_a_run_on_changed_pixels_is_read_back_with_the_same_inputs(tmp_path, pixels):
    one = spec("a", pixels=pixels, examples=120, seed=3)
    workflow.train([one], tmp_path, silent)
    run = load(tmp_path / "a")
    train, test = one.law.draw(load_dataset("digits"), one.prepared)
    for part, split in ((train, "train"), (test, "test")):
        sample = run.sample(split)
        assert np.array_equal(sample.inputs(0, len(sample)), prepare("unit16", part.images, np))
        assert np.array_equal(sample.labels, part.labels)
    assert run.example.shape == train.images.shape[1:]
    path = tmp_path / "a" / "run.json"
    record = json.loads(path.read_text())
    record["spec"]["seed"] = 4
    path.write_text(json.dumps(record))
    with pytest.raises(RunError, match="differ from those recorded"):
        load(tmp_path / "a").sample("train")


def test_inputs_of_changed_pixels_have_the_shape_that_is_read():
    colours = {"dataset": "cifar10", "preparation": "zhang2017", "monitor": 0}
    assert (
        input_shape(spec("a", **colours))
        == input_shape(spec("a", pixels="shuffled", **colours))
        == (28, 28, 3)
    )


def test_a_network_with_statistics_and_one_without_are_trained_stored_and_read_back(tmp_path):
    for model in ("inception", "alexnet"):
        one = spec(
            model, model=model, examples=30, test_examples=20, monitor=0, recipe={"epochs": 1, "batch": 16}
        )
        workflow.train([one], tmp_path, silent)
        run = load(tmp_path / model)
        sample = run.sample("train")
        logits = jax.vmap(run.predict, (None, 0))(run.params, sample.inputs(0, 30))
        record, _ = read_record(tmp_path / model)
        assert record["missed"]["train"] >= np.sum(np.argmax(logits, axis=1) != sample.labels)
        assert run.spec == one


def diverging(members, **arguments):
    for place, outcome in fit_all(members, **arguments):
        yield (
            place,
            (
                DivergedError(arguments["recipe"], outcome.history[:2], "the loss is not a finite number")
                if place == 1
                else outcome
            ),
        )


def test_a_training_that_diverges_is_marked_and_the_others_are_stored(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(workflow, "fit_all", diverging)
    experiment = tmp_path / "three.toml"
    experiment.write_text(
        "# Why?\n[defaults]\ndataset = 'digits'\nmodel = 'mlp-1x16'\nrecipe = { learning_rate = 0.1, epochs = 3 }\n"
        + "".join(f"[[run]]\nname = '{name}'\nseed = {seed}\n" for seed, name in enumerate("abc"))
    )
    for _ in range(2):  # the second time nothing is trained, and the same is said
        with pytest.raises(SystemExit) as exit:
            main(("train", str(experiment), "--runs", str(tmp_path / "runs")))
        printed = capsys.readouterr()
        assert exit.value.code == 2
        assert printed.out.count("epochs,") == 2
        assert (
            "b diverged after 2 epochs: the loss is not a finite number. Lower `learning_rate`" in printed.err
        )
    assert sorted(p.name for p in (tmp_path / "runs" / "b").iterdir()) == ["history.csv", "run.json"]
    with pytest.raises(
        RunError, match=r"diverged after 2 epochs.*no network to judge; lower `learning_rate`"
    ):
        load(tmp_path / "runs" / "b")
    load(tmp_path / "runs" / "a")
    load(tmp_path / "runs" / "c")


def test_an_interrupted_group_keeps_what_is_done(tmp_path, monkeypatch):
    specs = [spec("a"), spec("b", labels="random")]

    def interrupted(members, **arguments):
        yield next(fit_all(members, **arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "fit_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        workflow.train(specs, tmp_path, silent, together=1)
    assert (tmp_path / "a" / "run.json").exists()
    assert not (tmp_path / "b" / "run.json").exists()
    monkeypatch.undo()
    workflow.train(specs, tmp_path, silent)
    workflow.train([specs[1]], tmp_path / "alone", silent)
    whole, resumed = (folder / "b" / "weights.safetensors" for folder in (tmp_path / "alone", tmp_path))
    assert whole.read_bytes() == resumed.read_bytes()


def test_a_bar_follows_its_task_while_what_it_says_changes():
    with workflow.Bars() as bars:
        for epoch, error in enumerate((0.5, 0.25, 0.1), start=1):
            bars(f"a: training error {error}, epoch", epoch, 4)
            bars(f"b: training error {error}, epoch", epoch, 4)
        tasks = bars._progress.tasks
        assert [(task.description, task.completed) for task in tasks] == [
            ("a: training error 0.1, epoch", 3),
            ("b: training error 0.1, epoch", 3),
        ]
        bars("a: training error 0.0, epoch", 4, 4)
        assert [task.description for task in bars._progress.tasks] == ["b: training error 0.1, epoch"]
