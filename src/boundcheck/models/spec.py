"""`ModelSpec`: an architecture as an experiment names it, and what can be made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypedDict, TypeVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from ..errors import UnknownNameError
from .alexnet import AlexNet
from .inception import Inception
from .mlp import MLP
from .normalization import BatchNorm
from .wide_resnet import WideResNet

M = TypeVar("M", bound=eqx.Module)
Model = MLP | Inception | AlexNet | WideResNet

Width = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Flag = Annotated[bool, Field(strict=True)]


class Spec(BaseModel):
    """An architecture: its input shape and number of classes are the data's. `convolutional`: whether it takes maps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def convolutional(self) -> bool:
        return True


class MLPSpec(Spec):
    """The multilayer perceptron with these hidden widths."""

    name: Literal["mlp"]
    hidden: Annotated[tuple[Width, ...], Field(max_length=64)]
    bias: Flag = True

    @property
    def convolutional(self) -> bool:
        return False

    def build(self, input_shape: Sequence[int], classes: int, key: PRNGKeyArray) -> MLP:
        return MLP(input_shape, classes, hidden=self.hidden, bias=self.bias, key=key)


class InceptionSpec(Spec):
    """The small Inception network, with batch normalization or without."""

    name: Literal["inception"]
    batch_norm: Flag = True

    def build(self, input_shape: Sequence[int], classes: int, key: PRNGKeyArray) -> Inception:
        return Inception(input_shape, classes, batch_norm=self.batch_norm, key=key)


class AlexNetSpec(Spec):
    """The small AlexNet."""

    name: Literal["alexnet"]

    def build(self, input_shape: Sequence[int], classes: int, key: PRNGKeyArray) -> AlexNet:
        return AlexNet(input_shape, classes, key=key)


class WideResNetSpec(Spec):
    """The wide residual network of depth 6 k + 4."""

    name: Literal["wide-resnet"]
    depth: Annotated[int, Field(strict=True, ge=10, le=1000)]
    widen: Annotated[int, Field(strict=True, ge=1, le=64)]

    @field_validator("depth")
    @classmethod
    def _blocks_fit(cls, depth: int) -> int:
        if depth % 6 != 4:
            raise ValueError("the depth of a wide residual network is 6 k + 4, such as 10, 16, 22 or 28")
        return depth

    def build(self, input_shape: Sequence[int], classes: int, key: PRNGKeyArray) -> WideResNet:
        return WideResNet(input_shape, classes, depth=self.depth, widen=self.widen, key=key)


def _by_name(value: Any) -> Any:
    return find_model(value) if isinstance(value, str) else value


Architecture = MLPSpec | InceptionSpec | AlexNetSpec | WideResNetSpec

ModelSpec = Annotated[Architecture, Field(discriminator="name"), BeforeValidator(_by_name)]
"""Validates from a name (`"mlp-2x512"`, `"wide-resnet-16-4"`) or from a table (`{name = "mlp", hidden = [512, 512],
bias = true}`). An unknown name is an error that suggests the nearest one."""


def _mlp(depth: int, width: int, bias: bool) -> tuple[str, Architecture]:
    spec = MLPSpec(name="mlp", hidden=(width,) * depth, bias=bias)
    return f"mlp-{depth}x{width}{'' if bias else '-nobias'}", spec


MODELS: Final = MappingProxyType[str, Architecture](
    {
        **dict(
            _mlp(depth, width, bias)
            for depth, width in ((1, 512), (2, 256), (2, 512), (3, 512))
            for bias in (True, False)
        ),
        "alexnet": AlexNetSpec(name="alexnet"),
        "inception": InceptionSpec(name="inception"),
        "inception-nobatchnorm": InceptionSpec(name="inception", batch_norm=False),
        "wide-resnet-10-1": WideResNetSpec(name="wide-resnet", depth=10, widen=1),
        "wide-resnet-16-4": WideResNetSpec(name="wide-resnet", depth=16, widen=4),
        "wide-resnet-28-10": WideResNetSpec(name="wide-resnet", depth=28, widen=10),
    }
)
"""Architectures by name. Of the families `mlp-DEPTHxWIDTH`, `mlp-DEPTHxWIDTH-nobias` and `wide-resnet-DEPTH-WIDEN` every
member has its name; these are some.

`alexnet`, `inception`, `inception-nobatchnorm`, `mlp-1x512` and `mlp-3x512` are those of Zhang et al. 2017
(arXiv:1611.03530, appendix A): 1,387,786, 1,649,402, 1,649,402, 1,209,866 and 1,735,178 weights on 28x28x3.
"""


def find_model(name: str) -> Architecture:
    """The architecture of this name. Raises `UnknownNameError`, suggesting the nearest."""
    if name in MODELS:
        return MODELS[name]
    if found := re.fullmatch(r"mlp-([1-9]\d?)x([1-9]\d{0,5})(-nobias)?", name):
        depth, width = int(found[1]), int(found[2])
        if depth <= 64:
            return _mlp(depth, width, found[3] is None)[1]
    if found := re.fullmatch(r"wide-resnet-([1-9]\d{0,2})-([1-9]\d?)", name):
        depth, widen = int(found[1]), int(found[2])
        if depth >= 10 and depth % 6 == 4 and widen <= 64:
            return WideResNetSpec(name="wide-resnet", depth=depth, widen=widen)
    raise UnknownNameError("model", name, MODELS)


def name_of(spec: Architecture) -> str:
    """The name of an architecture; of a perceptron with unequal layers, its widths: `mlp-300-100`."""
    for name, known in MODELS.items():
        if known == spec:
            return name
    match spec:
        case MLPSpec(hidden=hidden, bias=bias):
            equal = len(set(hidden)) == 1
            return _mlp(len(hidden), hidden[0], bias)[0] if equal else "mlp-" + "-".join(map(str, hidden))
        case WideResNetSpec(depth=depth, widen=widen):
            return f"wide-resnet-{depth}-{widen}"
        case _:
            return spec.name


def build(spec: Architecture, input_shape: Sequence[int], classes: int, key: PRNGKeyArray) -> Model:
    """The module with its initial weights, drawn from `key`. It maps one input to logits [classes]."""
    return spec.build(input_shape, classes, key)


def split(model: M) -> tuple[Callable[[M, Any], Any], M]:
    """`(f, params)` with `f(params, x)` the logits of one input: the pure function that is traced.

    `params` is the module with its arrays alone; `f` holds everything else, and no array.
    """
    params, static = eqx.partition(model, eqx.is_array)

    def f(params: M, x: Any) -> Any:
        whole: Any = eqx.combine(params, static)
        return whole(x)

    return f, params


def statistics(params: Any) -> Any:
    """True at every running statistic of a normalization, False at every weight: the same pytree, of bools."""

    def mark(node: Any) -> Any:
        nothing = jax.tree.map(lambda _: False, node)
        if not isinstance(node, BatchNorm):
            return nothing
        return eqx.tree_at(lambda norm: (norm.mean, norm.variance), nothing, (True, True))

    return jax.tree.map(mark, params, is_leaf=lambda node: isinstance(node, BatchNorm))


def count(params: Any) -> int:
    """The number of scalar weights in a pytree of arrays or shapes; running statistics are not trained and not counted."""
    leaves, masks = jax.tree.leaves(params), jax.tree.leaves(statistics(params))
    return sum(
        int(np.prod(leaf.shape, dtype=np.int64))
        for leaf, statistic in zip(leaves, masks, strict=True)
        if not statistic
    )


def parameters(spec: Architecture, input_shape: Sequence[int], classes: int) -> int:
    """The number of scalar weights on inputs of this shape; allocates nothing."""
    shapes = eqx.filter_eval_shape(build, spec, tuple(input_shape), classes, jax.random.key(0))
    return count(eqx.filter(shapes, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)))


class ModelEntry(TypedDict):
    """What `list_models` says of an architecture."""

    name: str
    parameters: dict[str, int]


_LISTED_SHAPES: Final = ((8, 8, 1), (28, 28, 1), (28, 28, 3), (32, 32, 3))


def list_models() -> list[ModelEntry]:
    """Some of the architectures, and their number of weights by input shape with ten classes."""
    return [
        {"name": name, "parameters": {"x".join(map(str, s)): parameters(spec, s, 10) for s in _LISTED_SHAPES}}
        for name, spec in MODELS.items()
    ]
