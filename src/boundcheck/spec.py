"""What an experiment says of one run: `RunSpec` of a network that is trained, `SolvedSpec` of a predictor that is solved for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from .data import DATASETS, PREPARATIONS, Law
from .errors import UnknownNameError
from .models import ModelSpec, Predictor
from .training import Recipe

ASSUMPTIONS: Final = ("iid", "fixed-in-advance", "fresh-test-set")
"""What an experimenter can assert about the world, since no program can check it."""


class Rademacher(BaseModel):
    """The estimate of the Rademacher complexity by training on random signs.

    `draws`: how many, fixed before the first. `epochs`: the budget of each; the rest of the recipe is the
    run's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    draws: Annotated[int, Field(strict=True, ge=1, le=1000)]
    epochs: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class Entry(BaseModel):
    """What every run has: a name, the data and their law.

    `labels`, `corruption`, `pixels`, `examples`, `test_examples`: the law of the data (`data.Law`). `preparation`: None for
    the data set's own. `seed`: of the law and of everything else that is random. `assume`: names among `ASSUMPTIONS`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(strict=True, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\z")]
    dataset: Annotated[str, Field(strict=True)]
    preparation: Annotated[str, Field(strict=True)] | None = None
    labels: Literal["true", "random"] = "true"
    corruption: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.0
    pixels: Literal["true", "shuffled", "random", "gaussian"] = "true"
    examples: Annotated[int, Field(strict=True, ge=1)] | None = None
    test_examples: Annotated[int, Field(strict=True, ge=1)] | None = None
    seed: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = 0
    assume: tuple[Literal["iid", "fixed-in-advance", "fresh-test-set"], ...] = ()

    @property
    def prepared(self) -> str:
        """The name of the preparation in force."""
        return self.preparation or DATASETS[self.dataset].preparation

    @property
    def law(self) -> Law:
        """Which examples the run sees, and what is done to them."""
        return Law(
            labels=self.labels,
            corruption=self.corruption,
            pixels=self.pixels,
            examples=self.examples,
            test_examples=self.test_examples,
            seed=self.seed,
        )

    @property
    def randomized(self) -> bool:
        """Whether the labels are not simply those of the data set."""
        return self.labels == "random" or self.corruption > 0

    @field_validator("name")
    @classmethod
    def _no_parent(cls, name: str) -> str:
        if ".." in name:
            raise ValueError("the name becomes a directory and may not contain `..`")
        return name

    @field_validator("dataset")
    @classmethod
    def _known_dataset(cls, name: str) -> str:
        if name not in DATASETS:
            raise UnknownNameError("data set", name, DATASETS)
        return name

    @field_validator("preparation")
    @classmethod
    def _known_preparation(cls, name: str | None) -> str | None:
        if name is not None and name not in PREPARATIONS:
            raise UnknownNameError("preparation", name, PREPARATIONS)
        return name

    @field_validator("assume")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("each assumption is asserted once")
        return names

    @model_validator(mode="after")
    def _consistent(self) -> Entry:
        if self.labels == "random" and self.corruption > 0:
            raise ValueError(
                '`corruption` is for `labels = "true"`; random labels are corruption 1. Leave one out.'
            )
        definition, preparation = DATASETS[self.dataset], PREPARATIONS[self.prepared]
        preparation.check(definition.shape)
        for key, wanted, size in (
            ("examples", self.examples, definition.n_train),
            ("test_examples", self.test_examples, definition.n_test),
        ):
            if wanted is not None and wanted > size:
                raise ValueError(f"`{key}` is {wanted}; {definition.name} has {size}. Ask for fewer.")
        return self


class RunSpec(Entry):
    """A network that is trained: everything that its training and its judgement depend on, apart from the data.

    `seed`: of the law, the initial weights and the order of the examples. `monitor`: how many test examples, the first
    ones, are classified after each epoch, for the history; training does not look at them.
    """

    model: ModelSpec
    recipe: Recipe
    monitor: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = 0
    rademacher: Rademacher | None = None

    @model_validator(mode="after")
    def _trainable(self) -> RunSpec:
        definition, preparation = DATASETS[self.dataset], PREPARATIONS[self.prepared]
        size = self.test_examples or definition.n_test
        if self.monitor > size:
            raise ValueError(f"`monitor` is {self.monitor}; {definition.name} has {size}. Ask for fewer.")
        if self.recipe.random_crops and (
            self.pixels != "true" or preparation.crop is None or min(definition.shape[:2]) <= preparation.crop
        ):
            raise ValueError(
                f"`random_crops` needs true pixels and images larger than what the preparation reads; those of "
                f"{definition.name} with `{preparation.name}` leave nothing to choose. Leave it out."
            )
        return self


class SolvedSpec(Entry):
    """A linear or kernel predictor, the exact solution of a least-squares problem.

    `ridge`: lambda of (1/n) sum_i |f(x_i) - y_i|^2 + lambda |f|^2; 0 for the interpolant, or least-squares solution, of least norm.
    `solver`: `cholesky` holds half of the n x n matrix and tells everything; `conjugate-gradient` holds a few vectors, and tells the
    predictor alone. `descent`: so many steps of gradient descent from zero on the same problem are set beside the solution.
    """

    model: Predictor
    ridge: Annotated[float, Field(strict=True, ge=0, le=1e6, allow_inf_nan=False)] = 0.0
    solver: Literal["cholesky", "conjugate-gradient"] = "cholesky"
    descent: Annotated[int, Field(strict=True, ge=0, le=100_000_000)] = 0


Spec = RunSpec | SolvedSpec

SOLVED: Final = ("linear", "kernel")
"""Names of models that are solved for."""


def kind_of(entry: Mapping[str, Any]) -> type[Spec]:
    """Which of the two an entry of a file, or of `run.json`, describes."""
    model = entry.get("model")
    name = model.get("name") if isinstance(model, Mapping) else model
    return SolvedSpec if name in SOLVED else RunSpec
