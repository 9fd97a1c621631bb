"""The compiled part of training: one epoch, and one evaluation of the training error, as a single device
program each.

A program depends on the architecture, the shapes and the optimizer alone. Images, labels, the learning rate
and the seed are its arguments, so that training the same network on other labels compiles nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt8

from ..data import PREPARATIONS, prepare
from ..models import ModelSpec, build, split
from .recipe import Recipe

GAP: Final = 1e-5
"""An example counts as fitted when its label's logit leads every other by more than this times the largest
|logit|.

Float32 logits of a few dense layers err by about 1e-6 of that; so exact arithmetic agrees that the example is
fitted.
"""

_CHUNK: Final = 2048
"""Examples that are evaluated at once."""


class State(NamedTuple):
    """What an epoch changes: the weights, and what the optimizer remembers."""

    params: Any
    optimizer: Any


class EpochSums(NamedTuple):
    """Sums over the examples of an epoch, each at the weights before its own step; scalars."""

    loss: Float[Array, ""]
    errors: Int[Array, ""]


class Evaluation(NamedTuple):
    """How many training examples are not fitted, and whether all logits are finite."""

    unfitted: Int[Array, ""]
    finite: Bool[Array, ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Compiled on first use, once for each number of examples.

    `initial(key) -> State`. `epoch(state, images, labels, key, rate) -> (State, EpochSums)` consumes `state`.
    `evaluate(params, images, labels) -> Evaluation`. Images are uint8 [n, h, w, c], labels int32 [n].
    """

    initial: Callable[[PRNGKeyArray], State]
    epoch: Callable[..., tuple[State, EpochSums]]
    evaluate: Callable[..., Evaluation]


def program(
    model_spec: ModelSpec, recipe: Recipe, *, preparation: str, image_shape: tuple[int, ...], classes: int
) -> Program:
    """The program of a training; the same object whenever only rates or the budget differ."""
    return _program(
        model_spec, recipe.optimizer, recipe.momentum, recipe.batch, preparation, image_shape, classes
    )


@functools.lru_cache(maxsize=16)
def _program(
    model_spec: ModelSpec,
    optimizer: str,
    momentum: float,
    batch: int,
    preparation: str,
    image_shape: tuple[int, ...],
    classes: int,
) -> Program:
    PREPARATIONS[preparation].check(image_shape)
    spec = jax.ShapeDtypeStruct((1, *image_shape), jnp.uint8)
    input_shape = jax.eval_shape(lambda x: prepare(preparation, x, jnp), spec).shape[1:]
    predict, _ = split(build(model_spec, input_shape, classes, jax.random.key(0)))
    direction = optax.scale_by_adam() if optimizer == "adam" else optax.trace(decay=momentum)

    def logits_of(params: Any, images: UInt8[Array, "b h w c"]) -> Float[Array, "b k"]:
        return jax.vmap(predict, in_axes=(None, 0))(params, prepare(preparation, images, jnp))

    @jax.jit
    def initial(key: PRNGKeyArray) -> State:
        params: Any = split(build(model_spec, input_shape, classes, key))[1]
        return State(params, direction.init(params))

    def loss_of(params: Any, images: Any, labels: Any, valid: Any) -> tuple[Any, EpochSums]:
        logits = logits_of(params, images)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        losses = jnp.where(valid, losses, 0.0)
        wrong = (jnp.argmax(logits, axis=1).astype(jnp.int32) != labels) & valid
        sums = EpochSums(jnp.sum(losses), jnp.sum(wrong, dtype=jnp.int32))
        return sums.loss / jnp.sum(valid, dtype=jnp.float32), sums

    @functools.partial(jax.jit, donate_argnums=0)
    def epoch(
        state: State, images: Any, labels: Any, key: PRNGKeyArray, rate: Any
    ) -> tuple[State, EpochSums]:
        n = images.shape[0]
        steps = -(-n // batch)
        order = jax.random.permutation(key, jnp.arange(n, dtype=jnp.int32))
        # The last batch is filled up with examples that do not count: its gradient is the mean over the rest.
        place = jnp.arange(steps * batch, dtype=jnp.int32)
        rows = order[place % n].reshape(steps, batch)
        valid = (place < n).reshape(steps, batch)

        def step(state: State, chosen: tuple[Any, Any]) -> tuple[State, EpochSums]:
            rows, valid = chosen
            gradient, sums = jax.grad(loss_of, has_aux=True)(state.params, images[rows], labels[rows], valid)
            with jax.numpy_dtype_promotion("standard"):  # Optax raises a float to an integer power
                update, memory = direction.update(gradient, state.optimizer, state.params)
            params = jax.tree.map(lambda w, u: w - rate * u, state.params, update)
            return State(params, memory), sums

        state, sums = jax.lax.scan(step, state, (rows, valid))
        return state, EpochSums(jnp.sum(sums.loss), jnp.sum(sums.errors, dtype=jnp.int32))

    @jax.jit
    def evaluate(params: Any, images: Any, labels: Any) -> Evaluation:
        n = images.shape[0]
        chunk = min(n, _CHUNK)

        def step(total: Evaluation, start: Any) -> tuple[Evaluation, None]:
            first = jnp.minimum(start, n - chunk)  # the last chunk overlaps the one before
            fresh = first + jnp.arange(chunk, dtype=jnp.int32) >= start
            x, y = (jax.lax.dynamic_slice_in_dim(a, first, chunk) for a in (images, labels))
            with jax.default_matmul_precision("highest"):
                logits = logits_of(params, x)
            own = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
            others = jnp.where(jnp.arange(classes, dtype=jnp.int32)[None, :] == y[:, None], -jnp.inf, logits)
            fitted = own - jnp.max(others, axis=1) > GAP * jnp.max(jnp.abs(logits), axis=1)
            unfitted = jnp.sum(fresh & ~fitted, dtype=jnp.int32)
            return Evaluation(total.unfitted + unfitted, total.finite & jnp.all(jnp.isfinite(logits))), None

        starts = jnp.arange(0, n, chunk, dtype=jnp.int32)
        total, _ = jax.lax.scan(step, Evaluation(jnp.int32(0), jnp.bool_(True)), starts)
        return total

    return Program(initial=initial, epoch=epoch, evaluate=evaluate)
