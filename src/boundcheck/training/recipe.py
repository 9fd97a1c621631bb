"""`Recipe`: how a network is trained. Nothing in it depends on the data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Recipe(BaseModel):
    """Minibatch training on the cross-entropy until the training error is 0 or the budget is spent.

    **Fields.** `optimizer`: `sgd`, with `momentum` (Polyak's, not Nesterov's), or `adam` (Kingma and Ba 2015,
    arXiv:1412.6980, with its defaults beta = 0.9, 0.999 and epsilon = 1e-8). `learning_rate`: of the first
    epoch. `decay`: what the rate is multiplied by after each epoch. `batch`: examples a step. `epochs`: the
    budget. `weight_decay`: times each matrix and kernel, added to its gradient; biases, scales and shifts have none.
    `dropout`: the probability that a unit of a hidden dense layer, or a feature of the last layer, is left out.
    `random_crops`: each time an example is seen, a crop of the size that the preparation reads, at a uniformly random
    place, instead of the central one. `precision`: of products in training: `float32`; `tf32`, whose products have 10 bits
    where the device has such; `bfloat16`, in which weights (kept in float32) and activations are rounded to 8 bits. What is
    measured is always computed in float32 or better.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: Annotated[Real, Field(gt=0, le=1000)]
    momentum: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    decay: Annotated[Real, Field(gt=0, le=1)] = 1.0
    batch: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 128
    epochs: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]

    weight_decay: Annotated[Real, Field(ge=0, le=1)] = 0.0
    dropout: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    random_crops: Annotated[bool, Field(strict=True)] = False
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @model_validator(mode="after")
    def _momentum_is_of_sgd(self) -> Recipe:
        if self.optimizer == "adam" and self.momentum != 0:
            raise ValueError("`momentum` is of `sgd`; `adam` has its own. Leave it out.")
        return self

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 1."""
        return self.learning_rate * self.decay ** (epoch - 1)
