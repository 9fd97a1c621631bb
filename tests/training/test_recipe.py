import pytest
from pydantic import ValidationError

from boundcheck.training import Recipe


def test_the_rate_decays_after_each_epoch():
    recipe = Recipe(learning_rate=0.1, decay=0.5, epochs=3)
    assert [recipe.rate(epoch) for epoch in (1, 2, 3)] == [0.1, 0.05, 0.025]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("optimizer", "rmsprop"),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate", "0.1"),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("decay", 0.0),
        ("decay", 1.1),
        ("batch", 0),
        ("batch", 1.5),
        ("epochs", 0),
        ("epochs", True),
        ("nesterov", True),
    ],
)
def test_a_value_out_of_range_is_refused(field: str, value: object):
    with pytest.raises(ValidationError, match=field):
        Recipe.model_validate({"learning_rate": 0.1, "epochs": 3} | {field: value})


def test_adam_takes_no_momentum():
    with pytest.raises(ValidationError, match="`momentum` is of `sgd`"):
        Recipe(optimizer="adam", learning_rate=0.1, momentum=0.9, epochs=3)


def test_a_recipe_survives_json():
    recipe = Recipe(learning_rate=0.1, momentum=0.9, decay=0.97, batch=64, epochs=3)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
