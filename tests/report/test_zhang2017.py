"""The published table beside ours: which runs are in one of its settings, and how they depart from it."""

import pytest

from boundcheck.models import MODELS, parameters
from boundcheck.report import zhang2017
from boundcheck.report.report import read
from boundcheck.report.setting import Setting

MODEL = {
    "Inception": {"name": "inception", "batch_norm": True},
    "Inception without BatchNorm": {"name": "inception", "batch_norm": False},
    "AlexNet": {"name": "alexnet"},
    "MLP 3x512": {"name": "mlp", "hidden": [512, 512, 512], "bias": True},
    "MLP 1x512": {"name": "mlp", "hidden": [512], "bias": True},
}
FULL = {"sizes": (50_000, 10_000), "steps": False, "fitted": 2}


def setting_of(row, **changes):
    spec = {
        "dataset": "cifar10",
        "labels": "random" if row.random_labels else "true",
        "model": MODEL[row.architecture],
        "recipe": {"random_crops": row.random_crops, "weight_decay": 0.0005 if row.weight_decay else 0.0},
    }
    return Setting({**spec, **changes})


@pytest.mark.parametrize("row", zhang2017.TABLE)
def test_each_row_is_found_by_its_setting_alone(row):
    setting = setting_of(row)
    assert zhang2017.row_of(setting) is row
    assert zhang2017.row_of(Setting({**setting.spec, "dataset": "digits"})) is None
    assert zhang2017.row_of(Setting({**setting.spec, "pixels": "shuffled"})) is None
    assert zhang2017.row_of(Setting({**setting.spec, "labels": "true", "corruption": 0.5})) is None
    dropped = {**setting.spec["recipe"], "dropout": 0.5}
    assert zhang2017.row_of(Setting({**setting.spec, "recipe": dropped})) is None


def test_settings_that_the_paper_lacks_have_no_row():
    rows = [r for r in zhang2017.TABLE if r.architecture == "MLP 3x512" and not r.random_labels]
    crops = {"random_crops": True, "weight_decay": 0.0}
    assert zhang2017.row_of(setting_of(rows[0], recipe=crops)) is None
    thin = {"name": "mlp", "hidden": [512, 512, 512], "bias": False}
    assert zhang2017.row_of(setting_of(rows[0], model=thin)) is None
    decayed = {"random_crops": False, "weight_decay": 0.0005}
    assert zhang2017.row_of(setting_of(rows[0], recipe=decayed, labels="random")) is None


@pytest.mark.parametrize(
    ("architecture", "model"),
    [
        ("MLP 1x512", "mlp-1x512"),
        ("MLP 3x512", "mlp-3x512"),
        ("AlexNet", "alexnet"),
    ],
)
def test_the_printed_number_of_parameters_is_that_of_the_architecture(architecture, model):
    (printed,) = {row.parameters for row in zhang2017.TABLE if row.architecture == architecture}
    assert parameters(MODELS[model], (28, 28, 3), 10) == printed


def test_random_labels_leave_the_error_of_a_guess():
    for row in zhang2017.TABLE:
        assert (abs(row.test_error - 90) < 1) == row.random_labels
        assert row.train_error < 1


def differences(store, **given):
    (training,) = read([store("a", **{**FULL, **given})]).trainings
    return list(zhang2017.differences(training, zhang2017.row_of(training.setting)))


def test_the_setting_of_the_paper_differs_in_nothing(store):
    assert differences(store) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sizes": (5_000, 10_000)}, "5,000 training examples, not 50,000"),
        ({"sizes": (50_000, 1_000)}, "1,000 test examples, not 10,000"),
        ({"preparation": "unit"}, "images prepared as unit, not cropped to 28x28 and whitened one by one"),
        ({"preparation": None}, "images prepared as unit, not cropped to 28x28 and whitened one by one"),
        ({"recipe": {"optimizer": "adam", "momentum": 0.0}}, "optimizer adam, not SGD"),
        ({"recipe": {"momentum": 0.5}}, "momentum 0.5, not 0.9"),
        ({"recipe": {"learning_rate": 0.1}}, "rate 0.1, not 0.01"),
        ({"recipe": {"decay": 1.0}}, "rate times 1 an epoch, not 0.95"),
        ({"model": MODEL["MLP 1x512"]}, "1,735,178 parameters, not 1,209,866"),
    ],
)
def test_each_departure_is_named(store, given, said):
    assert differences(store, **given) == [said]


def test_inception_starts_at_another_rate(store):
    said = differences(store, model=MODEL["Inception"], recipe={"learning_rate": 0.01})
    assert "rate 0.01, not 0.1" in said


def test_what_the_paper_leaves_open_is_told(store):
    given = {**FULL, "recipe": {"weight_decay": 0.001, "precision": "bfloat16"}}
    (training,) = read([store("a", **given)]).trainings
    assert list(zhang2017.unstated(training)) == [
        "batch 100",
        "until training error 0, for 2 of at most 40 epochs",
        "coefficient of the weight decay 0.001",
        "bfloat16",
    ]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"model": {"name": "mlp", "hidden": [512, 256], "bias": False}}, "MLP 512-256 without biases"),
        ({"model": {"name": "mlp", "hidden": [], "bias": True}}, "MLP without hidden layers"),
        ({"model": {"name": "wide-resnet", "depth": 16, "widen": 4}}, "Wide ResNet 16-4"),
        ({"model": {"name": "vgg", "depth": 11}}, "vgg (depth 11)"),
        ({}, "unnamed architecture"),
    ],
)
def test_architectures_in_words(spec, words):
    assert Setting(spec).architecture == words


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "true labels"),
        ({"labels": "random"}, "random labels"),
        ({"corruption": 1.0}, "random labels"),
        ({"corruption": 0.25}, "labels corrupted with probability 0.25"),
        ({"pixels": "gaussian"}, "Gaussian images"),
        ({"pixels": "shuffled", "labels": "random"}, "shuffled pixels, random labels"),
        ({"pixels": "sorted"}, "sorted"),
    ],
)
def test_laws_in_words(spec, words):
    assert Setting(spec).law == words
