import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from boundcheck.errors import ExperimentError, UnknownNameError
from boundcheck.experiment import load_experiment
from boundcheck.models import MODELS, MLPSpec
from boundcheck.spec import ASSUMPTIONS, RunSpec, SolvedSpec
from boundcheck.training import Recipe

GOOD = """# Does it hold?
[defaults]
dataset = "digits"
model = "mlp-2x256"
recipe = { learning_rate = 0.1, momentum = 0.9, epochs = 100 }

[[run]]
name = "a"

[[run]]
name = "b"
labels = "random"
seed = 7
model = { name = "mlp", hidden = [32], bias = false }
recipe = { epochs = 50 }
rademacher = { draws = 3, epochs = 20 }
assume = ["iid"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "experiment.toml"
    path.write_text(text)
    return path


def test_runs_take_what_they_share_from_the_defaults(tmp_path: Path):
    experiment = load_experiment(write(tmp_path, GOOD))
    a, b = experiment.runs
    assert experiment.question == "Does it hold?"
    assert (a.name, a.dataset, a.model, a.labels, a.seed) == ("a", "digits", MODELS["mlp-2x256"], "true", 0)
    assert (a.recipe.learning_rate, a.recipe.epochs, a.rademacher, a.assume) == (0.1, 100, None, ())
    assert (b.recipe.learning_rate, b.recipe.epochs) == (0.1, 50)
    assert b.model == MLPSpec(name="mlp", hidden=(32,), bias=False)
    assert b.rademacher is not None
    assert (b.rademacher.draws, b.rademacher.epochs, b.assume) == (3, 20, ("iid",))


def test_a_question_may_be_a_key(tmp_path: Path):
    text = 'question = "Why?"\n' + GOOD.split("\n", 1)[1]
    assert load_experiment(write(tmp_path, text)).question == "Why?"


def test_the_preparation_is_the_data_sets_unless_named(tmp_path: Path):
    experiment = load_experiment(write(tmp_path, GOOD + 'preparation = "unit"'))
    assert [spec.prepared for spec in experiment.runs] == ["unit16", "unit"]


def test_random_and_corrupted_labels_are_randomized(tmp_path: Path):
    a, b = load_experiment(write(tmp_path, GOOD.replace('"a"', '"a"\ncorruption = 0.25'))).runs
    assert (a.randomized, a.corruption, b.randomized) == (True, 0.25, True)
    assert not load_experiment(write(tmp_path, GOOD)).runs[0].randomized


def test_a_run_survives_json(tmp_path: Path):
    for spec in load_experiment(write(tmp_path, GOOD)).runs:
        assert RunSpec.model_validate(spec.model_dump(mode="json")) == spec
        assert RunSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_run_is_found_by_name(tmp_path: Path):
    experiment = load_experiment(write(tmp_path, GOOD))
    assert experiment.run("b") is experiment.runs[1]
    with pytest.raises(UnknownNameError, match="unknown run 'c'"):
        experiment.run("c")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"digits"', '"digits', r"is not TOML: .*line 3"),
        ("# Does it hold?", "", "asks no question; write it as a comment in the first line"),
        ("# Does it hold?", "question = 3", "asks no question"),
        ("[defaults]", "runs = 3\n[defaults]", r"unknown key `runs`; did you mean `run`\?"),
        ("[defaults]", "[default]", r"unknown key `default`; did you mean `defaults`\?"),
        ("seed = 7", "sead = 7", r"`run\[1\].sead`: unknown key `sead`; did you mean `seed`\?"),
        ("[defaults]", "[defaults]\nsede = 1", r"`defaults.sede`: unknown key `sede`; did you mean `seed`\?"),
        (
            "momentum",
            "momentom",
            r"`defaults.recipe.momentom`: unknown key `momentom`; did you mean `momentum`\?",
        ),
        (
            "draws = 3",
            "draw = 3, draws = 3",
            r"`run\[1\].rademacher.draw`: unknown key `draw`; did you mean `draws`",
        ),
        (
            "bias = false",
            "biases = 1",
            r"`run\[1\].model.biases`: unknown key `biases`; did you mean `bias`\?",
        ),
        ("seed = 7", 'seed = "7"', r"`run\[1\].seed` is '7'; a valid integer is needed"),
        ("seed = 7", "seed = -7", r"`run\[1\].seed` is -7; greater than or equal to 0 is needed"),
        ("draws = 3", "draws = 0", r"`run\[1\].rademacher.draws` is 0; greater than or equal to 1 is needed"),
        (
            "hidden = [32]",
            "hidden = [32, 0]",
            r"`run\[1\].model.hidden\[1\]` is 0; greater than or equal to 1",
        ),
        (
            "learning_rate = 0.1",
            "learning_rate = nan",
            r"`defaults.recipe.learning_rate` is nan; a finite number",
        ),
        ("epochs = 50", "epochs = 5.5", r"`run\[1\].recipe.epochs` is 5.5; a valid integer is needed"),
        ("epochs = 50", 'optimizer = "adam"', r"`run\[1\].recipe` is .*`momentum` is of `sgd`"),
        (
            'labels = "random"',
            'labels = "shuffled"',
            r"`run\[1\].labels` is 'shuffled'; 'true' or 'random' is needed",
        ),
        (
            'labels = "random"',
            "corruption = 2",
            r"`run\[1\].corruption` is 2; less than or equal to 1 is needed",
        ),
        ('labels = "random"', 'labels = "random"\ncorruption = 0.5', r"`run\[1\]`: `corruption` is for"),
        (
            '["iid"]',
            '["idd"]',
            r"`run\[1\].assume\[0\]` is 'idd'; 'iid', 'fixed-in-advance' or 'fresh-test-set'",
        ),
        ('["iid"]', '["iid", "iid"]', r"`run\[1\].assume` is .* each assumption is asserted once"),
        ('["iid"]', '"iid"', r"`run\[1\].assume` is 'iid'; a valid tuple is needed"),
        ('"digits"', '"digit"', r"`defaults.dataset`: unknown data set 'digit'; did you mean 'digits'\?"),
        (
            '"mlp-2x256"',
            '"mpl-2x256"',
            r"`defaults.model`: unknown model 'mpl-2x256'; did you mean 'mlp-2x256",
        ),
        (
            "seed = 7",
            'preparation = "Unit"',
            r"`run\[1\].preparation`: unknown preparation 'Unit'; did you mean",
        ),
        (
            "seed = 7",
            'preparation = "zhang2017"',
            r"`run\[1\].preparation`: images of shape \[8, 8, 1\] cannot be",
        ),
        ('name = "b"', 'name = "a"', r"`run\[1\].name` is 'a', which an earlier run is called; rename one"),
        (
            'name = "b"',
            "",
            r"`run\[1\].name` is missing; a name, which becomes the directory of the run, is needed",
        ),
        ('model = "mlp-2x256"', "", r"`run\[0\].model` is missing; a model, such as"),
        ("epochs = 100", "decay = 0.9", r"`run\[0\].recipe.epochs` is missing"),
        ("[defaults]", '[defaults]\nname = "x"', r"`defaults.name` is 'x'; each run needs its own name"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, old: str, new: str, message: str):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ExperimentError, match=message) as caught:
        load_experiment(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["..", "../b", "b/c", "/b", ".b", "-b", "b..c", "", "b\\\\c", "b c", "b\\n", "b\\u0000", "ü", "b" * 101],
)
def test_a_name_cannot_leave_its_directory(tmp_path: Path, name: str):
    with pytest.raises(ExperimentError, match=r"`run\[1\].name` is "):
        load_experiment(write(tmp_path, GOOD.replace('name = "b"', f'name = "{name}"')))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Why?\n", r"names no run; at least one `\[\[run\]\]` is needed"),
        ("# Why?\nrun = []", "names no run"),
        ("# Why?\n[run]\nname = 'a'", r"`run` is .*; tables are needed, each begun by `\[\[run\]\]`"),
        ("# Why?\nrun = [1]", r"`run` is \[1\]; tables are needed"),
        ("# Why?\ndefaults = 1", "`defaults` is 1; a table of what the runs share is needed"),
        ("# Why?\n[[run]]\nname = 'a'\ndataset = 1", r"`run\[0\].dataset` is 1; a valid string is needed"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, message: str):
    with pytest.raises(ExperimentError, match=message):
        load_experiment(write(tmp_path, text))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(ExperimentError, match=r"absent.toml cannot be read \(No such file"):
        load_experiment(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ExperimentError, match=r"binary.toml is not UTF-8 text"):
        load_experiment(tmp_path / "binary.toml")


def test_assumptions_are_the_ones_a_run_accepts():
    spec = {
        "name": "a",
        "dataset": "digits",
        "model": "mlp-2x256",
        "recipe": {"learning_rate": 1.0, "epochs": 1},
    }
    assert RunSpec.model_validate(spec | {"assume": ASSUMPTIONS}).assume == ASSUMPTIONS
    with pytest.raises(ValidationError):
        RunSpec.model_validate(spec | {"assume": ["homogeneous"]})


SHIPPED = sorted((Path(__file__).parents[1] / "experiments").glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_experiment_loads_and_asks_its_question_first(path: Path):
    experiment = load_experiment(path)
    assert path.read_text().startswith(f"# {experiment.question}")
    assert experiment.question.endswith("?")


def test_the_experiments_of_the_reports_are_shipped():
    names = {path.stem: [spec.name for spec in load_experiment(path).runs] for path in SHIPPED}
    assert names["quickstart"] == ["digits_true", "digits_random"]
    assert names["fashion"] == [
        "fashion_true",
        "fashion_random",
        "fashion_true_nobias",
        "fashion_random_nobias",
    ]
    assert names["cifar10_mlp"] == [
        "cifar10_mlp1x512_true",
        "cifar10_mlp1x512_random",
        "cifar10_mlp3x512_true",
        "cifar10_mlp3x512_random",
    ]


COLOURS = GOOD.replace('"digits"', '"cifar10"').replace("seed = 7", "seed = 7\nMORE")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("examples = 60000", r"`run\[1\]`: `examples` is 60000; cifar10 has 50000. Ask for fewer"),
        ("test_examples = 10001", r"`test_examples` is 10001; cifar10 has 10000"),
        ("examples = 0", r"`run\[1\].examples` is 0; greater than or equal to 1 is needed"),
        ("monitor = 20000", r"`monitor` is 20000; cifar10 has 10000"),
        ("test_examples = 10\nmonitor = 11", r"`monitor` is 11; cifar10 has 10. Ask for fewer"),
        ('pixels = "blurred"', r"`run\[1\].pixels` is 'blurred'; 'true', 'shuffled', 'random' or 'gaussian'"),
        (
            "recipe.random_crops = true",
            r"`random_crops` needs true pixels and images larger .* `unit` leave nothing",
        ),
        ("recipe.dropout = 1.0", r"`run\[1\].recipe.dropout` is 1.0; less than 1 is needed"),
        (
            'recipe.precision = "double"',
            r"`run\[1\].recipe.precision` is 'double'; 'float32', 'tf32' or 'bfloat16'",
        ),
        (
            "recipe.weight_deacy = 0.1",
            r"`run\[1\].recipe.weight_deacy`: unknown key `weight_deacy`; did you mean `weight_decay`",
        ),
    ],
)
def test_what_the_data_and_the_recipe_cannot_be_is_told(tmp_path: Path, more: str, message: str):
    text = COLOURS.replace("MORE", more)
    if more.startswith("recipe."):
        text = COLOURS.replace("\nMORE", "").replace(
            "recipe = { epochs = 50", "recipe = { " + more[7:] + ", epochs = 50"
        )
    with pytest.raises(ExperimentError, match=message):
        load_experiment(write(tmp_path, text))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            '{ name = "cnn" }',
            r"`run\[1\].model.name` is 'cnn'; 'mlp', 'inception', 'alexnet' or 'wide-resnet' is needed",
        ),
        ("{ hidden = [3] }", r"`run\[1\].model.name` is None; 'mlp', 'inception'"),
        (
            '{ name = "inception", batchnorm = true }',
            r"`run\[1\].model.batchnorm`: unknown key .*; did you mean `batch_norm`",
        ),
        (
            '{ name = "wide-resnet", depth = 17, widen = 1 }',
            r"`run\[1\].model.depth` is 17: the depth of a wide residual",
        ),
        ('{ name = "wide-resnet", depth = 16 }', r"`run\[1\].model.widen` is missing"),
        ("3", r"`run\[1\].model.* is 3; .*is needed"),
    ],
)
def test_a_malformed_model_is_told_by_its_kind(tmp_path: Path, model: str, message: str):
    text = GOOD.replace('{ name = "mlp", hidden = [32], bias = false }', model)
    assert text != GOOD
    with pytest.raises(ExperimentError, match=message):
        load_experiment(write(tmp_path, text))


@pytest.mark.parametrize("name", ["zhang2017", "zhang2017_cpu"])
def test_the_experiments_of_the_paper_are_well_formed(name: str):
    experiment = load_experiment(Path(__file__).parents[1] / "experiments" / f"{name}.toml")
    specs = {spec.name: spec for spec in experiment.runs}
    assert {spec.corruption for spec in experiment.runs} >= {k / 10 for k in range(10)}
    assert {spec.pixels for spec in experiment.runs} == {"true", "shuffled", "random", "gaussian"}
    assert {spec.dataset for spec in experiment.runs} == {"cifar10", "fashion-mnist"}
    assert all(spec.prepared == "zhang2017" for spec in experiment.runs)
    trained = [spec for spec in experiment.runs if isinstance(spec, RunSpec)]
    assert len(trained) == len(experiment.runs)
    assert all(spec.recipe.momentum == 0.9 for spec in trained)
    # Of 1,000 images or fewer, batches of 128 would be a handful of steps an epoch.
    assert all(spec.recipe.batch == 128 or (spec.examples or 50_000) <= 1000 for spec in trained)
    assert specs["inception_random"].labels == "random"
    assert specs["inception_random"].recipe.learning_rate == 0.1
    assert specs["mlp3x512_random"].recipe.learning_rate == 0.01
    decays = {(spec.recipe.decay, spec.examples) for spec in experiment.runs if spec.dataset == "cifar10"}
    # The same for each 50,000 examples seen; and faster where there are 63 small batches an epoch.
    assert decays <= {(0.95, None), (0.999, 1000), (0.97, 1000), (0.97, 300)}
    assert all(spec.recipe.decay != 0.97 or spec.recipe.batch == 16 for spec in trained)


def test_the_example_of_the_documentation_is_an_experiment(tmp_path: Path):
    page = (Path(__file__).parents[1] / "docs" / "experiments.md").read_text()
    text, solved = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert {type(spec) for spec in load_experiment(write(tmp_path, solved)).runs} == {SolvedSpec}
    experiment = load_experiment(write(tmp_path, text))
    assert [spec.name for spec in experiment.runs] == ["true", "half", "random", "noise"]
    noise = experiment.run("noise")
    assert (noise.recipe.learning_rate, noise.recipe.momentum, noise.recipe.weight_decay) == (0.1, 0.9, 5e-4)
    # Every key of a run and of its recipe is explained.
    for key in (*RunSpec.model_fields, *SolvedSpec.model_fields, *Recipe.model_fields):
        assert re.search(rf"\b{key}\b", page), key
    for name in MODELS:
        family = re.sub(r"\d+x\d+", "DEPTHxWIDTH", re.sub(r"resnet-\d+-\d+", "resnet-DEPTH-WIDEN", name))
        assert f"`{family}`" in page
