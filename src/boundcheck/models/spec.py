"""`ModelSpec`: an architecture as an experiment names it, and what can be made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypedDict, TypeVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray
from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, model_validator

from ..errors import UnknownNameError
from .mlp import MLP

M = TypeVar("M", bound=eqx.Module)

Width = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class ModelSpec(BaseModel):
    """An architecture: its input shape and number of classes are the data's.

    Validates from a registered name (`"mlp-2x512"`) or from a table (`{name = "mlp", hidden = [512, 512],
    bias = true}`); `bias` defaults to true. An unknown name is an error that suggests the nearest one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["mlp"]
    hidden: Annotated[tuple[Width, ...], Field(max_length=64)]
    bias: Annotated[bool, Field(strict=True)] = True

    def __hash__(self) -> int:
        return hash((self.name, self.hidden, self.bias))

    @model_validator(mode="wrap")
    @classmethod
    def _by_name(cls, value: Any, handler: ModelWrapValidatorHandler[ModelSpec]) -> ModelSpec:
        if isinstance(value, str):
            return find_model(value)
        return handler(value)


def _family(layers: Sequence[tuple[int, int]]) -> dict[str, ModelSpec]:
    specs: dict[str, ModelSpec] = {}
    for depth, width in layers:
        for bias in (True, False):
            name = f"mlp-{depth}x{width}{'' if bias else '-nobias'}"
            specs[name] = ModelSpec(name="mlp", hidden=(width,) * depth, bias=bias)
    return specs


MODELS: Final = MappingProxyType(_family([(1, 512), (2, 256), (2, 512), (3, 512)]))
"""The registered architectures: `mlp-DEPTHxWIDTH`, with `-nobias` where there are none.

`mlp-1x512` and `mlp-3x512` are those of Zhang et al. 2017 (arXiv:1611.03530, appendix A): 1,209,866 and
1,735,178 parameters on 28x28x3.
"""


def find_model(name: str) -> ModelSpec:
    """The registered architecture of this name. Raises `UnknownNameError`, suggesting the nearest."""
    if name not in MODELS:
        raise UnknownNameError("model", name, MODELS)
    return MODELS[name]


def build(spec: ModelSpec, input_shape: Sequence[int], classes: int, key: PRNGKeyArray) -> MLP:
    """The module with its initial weights, drawn from `key`. It maps one input to logits [classes]."""
    return MLP(input_shape, classes, hidden=spec.hidden, bias=spec.bias, key=key)


def split(model: M) -> tuple[Callable[[M, Any], Any], M]:
    """`(f, params)` with `f(params, x)` the logits of one input: the pure function that is trained and
    traced.

    `params` is the module with its arrays alone; `f` holds everything else, and no array.
    """
    params, static = eqx.partition(model, eqx.is_array)

    def f(params: M, x: Any) -> Any:
        whole: Any = eqx.combine(params, static)
        return whole(x)

    return f, params


def count(params: Any) -> int:
    """The number of scalar weights in a pytree of arrays or shapes."""
    return sum(int(np.prod(leaf.shape, dtype=np.int64)) for leaf in jax.tree.leaves(params))


def parameters(spec: ModelSpec, input_shape: Sequence[int], classes: int) -> int:
    """The number of scalar weights on inputs of this shape; allocates nothing."""
    shapes = eqx.filter_eval_shape(build, spec, tuple(input_shape), classes, jax.random.key(0))
    return count(eqx.filter(shapes, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)))


class ModelEntry(TypedDict):
    """What `list_models` says of an architecture."""

    name: str
    parameters: dict[str, int]


_LISTED_SHAPES: Final = ((8, 8, 1), (28, 28, 1), (28, 28, 3))


def list_models() -> list[ModelEntry]:
    """Every registered architecture, and its number of weights by input shape with ten classes."""
    return [
        {"name": name, "parameters": {"x".join(map(str, s)): parameters(spec, s, 10) for s in _LISTED_SHAPES}}
        for name, spec in MODELS.items()
    ]
