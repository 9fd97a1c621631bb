"""The compiled part of training: one epoch of several networks, and one evaluation, as a single device program each.

A program depends on the architecture, the shapes, the optimizer and the regularization alone. Images, labels, the
learning rates and the seeds are its arguments, so that training the same networks on other labels compiles nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, UInt8

from ..data import PREPARATIONS, prepare
from ..models import Architecture, Batch, Model, build, split, statistics
from .ball import Ball, projected
from .compilation import compiler_options
from .recipe import Recipe

GAP: Final = 1e-5
"""An example counts as fitted when its label's logit leads every other by more than this times the largest
|logit|.

Float32 logits of a few dense layers err by about 1e-6 of that; so exact arithmetic agrees that the example is
fitted.
"""

_CHUNK: Final = 2048
_CHUNK_OF_MAPS: Final = 256
"""Examples that are evaluated at once: by dense networks, and by those that take maps."""

_PRECISION: Final = {"float32": "highest", "tf32": "tensorfloat32", "bfloat16": "bfloat16"}


class State(NamedTuple):
    """What an epoch changes: the weights, and what the optimizer remembers."""

    params: Any
    optimizer: Any


class Steps(NamedTuple):
    """Each step's batch at the weights before it: its summed loss and errors, [steps]."""

    loss: Float[Array, " s"]
    errors: Int[Array, " s"]


class Evaluation(NamedTuple):
    """How many examples are not fitted, how many are misclassified, and whether all logits are finite."""

    unfitted: Int[Array, ""]
    wrong: Int[Array, ""]
    finite: Bool[Array, ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Compiled on first use, once for each number of examples and of networks.

    `initial(key) -> State`. `epoch(states, images, labels, keys, rates, balls) -> (states, steps)` takes tuples, an entry a
    network, and consumes the states; all see the same images, each has its own labels, key, learning rate, and ball or None.
    `evaluate(params, images, labels, margin=None) -> Evaluation`, fitted being a lead by more than the margin where one is
    given. Images are uint8 [n, h, w, c], labels int32 [n]. `place(x)`: an array where the program wants it.
    `memory(members, n) -> int`: the bytes that the compiler expects an epoch over n images to take.
    """

    initial: Callable[[PRNGKeyArray], State]
    epoch: Callable[..., tuple[tuple[State, ...], tuple[Steps, ...]]]
    evaluate: Callable[..., Evaluation]
    place: Callable[[Any], Array]
    memory: Callable[[int, int], int]


def program(
    architecture: Architecture,
    recipe: Recipe,
    *,
    preparation: str,
    image_shape: tuple[int, ...],
    classes: int,
    devices: int = 1,
    vectorized: bool | None = None,
) -> Program:
    """The program of a training; the same object whenever only rates or the budget differ.

    `devices`: over how many devices each batch is shared out. `vectorized`: whether several networks are one batched
    computation (`vmap`) or stand side by side in one program; None for what is faster on the device at hand: on a CPU
    independent products of whole batches keep its cores busy.
    """
    if vectorized is None:
        vectorized = jax.default_backend() != "cpu"
    same = recipe.model_copy(update={"learning_rate": 1.0, "decay": 1.0, "epochs": 1})
    key: tuple[Any, ...] = (architecture, same, preparation, image_shape, classes, devices, vectorized)
    return _program(*key)


@functools.lru_cache(maxsize=16)
def _program(
    architecture: Architecture,
    recipe: Recipe,
    preparation: str,
    image_shape: tuple[int, ...],
    classes: int,
    devices: int,
    vectorized: bool,
) -> Program:
    PREPARATIONS[preparation].check(image_shape)
    spec = jax.ShapeDtypeStruct((1, *image_shape), jnp.uint8)
    input_shape = jax.eval_shape(lambda x: prepare(preparation, x, jnp), spec).shape[1:]
    predict, skeleton = split(build(architecture, input_shape, classes, jax.random.key(0)))
    running = statistics(skeleton)
    decayed = jax.tree.map(lambda w: w.ndim > 1, skeleton)
    del skeleton
    batch, narrow = recipe.batch, recipe.precision == "bfloat16"
    direction = optax.scale_by_adam() if recipe.optimizer == "adam" else optax.trace(decay=recipe.momentum)
    if recipe.weight_decay:
        direction = optax.chain(optax.add_decayed_weights(recipe.weight_decay, decayed), direction)
    chunk_size = _CHUNK_OF_MAPS if architecture.convolutional else _CHUNK

    # The products of dense layers gain nothing by it (`benchmarks/training.md`).
    compiled = functools.partial(
        jax.jit, compiler_options=compiler_options() if architecture.convolutional else None
    )

    mesh = Mesh(np.array(jax.devices()[:devices]), ("batch",)) if devices > 1 else None

    def place(x: Any) -> Array:
        return jnp.asarray(x) if mesh is None else jax.device_put(x, NamedSharding(mesh, PartitionSpec()))

    def shared_out(x: Any) -> Any:
        if mesh is None:
            return x
        return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, PartitionSpec("batch")))

    def seen(images: UInt8[Array, "b h w c"], key: PRNGKeyArray) -> Any:
        """The inputs of a step."""
        if recipe.random_crops:
            images = _cropped(images, PREPARATIONS[preparation].crop, key)
        return prepare(preparation, images, jnp)

    @jax.jit
    def initial(key: PRNGKeyArray) -> State:
        params: Any = split(build(architecture, input_shape, classes, key))[1]
        return State(params, direction.init(params))

    def loss_of(
        params: Any, images: Any, labels: Any, valid: Any, key: PRNGKeyArray, ball: Ball | None
    ) -> tuple[Any, Any]:
        at_crop, at_drop = jax.random.split(key) if recipe.random_crops or recipe.dropout else (key, key)
        x = seen(images, at_crop)
        narrowed = params
        if narrow:
            x = x.astype(jnp.bfloat16)
            narrowed = jax.tree.map(lambda s, w: w if s else w.astype(jnp.bfloat16), running, params)
        model: Model = narrowed
        logits, moved = model.train(x, Batch(valid, recipe.dropout, at_drop))
        if ball is None:
            losses = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), labels)
        else:
            scaled = logits.astype(jnp.float32) / ball.unit
            losses = ball.unit * optax.softmax_cross_entropy_with_integer_labels(scaled, labels)
        losses = jnp.where(valid, losses, 0.0)
        wrong = (jnp.argmax(logits, axis=1).astype(jnp.int32) != labels) & valid
        sums = Steps(jnp.sum(losses), jnp.sum(wrong, dtype=jnp.int32))
        return sums.loss / jnp.sum(valid, dtype=jnp.float32), (sums, moved)

    def step(
        state: State, images: Any, labels: Any, rows: Any, valid: Any, key: Any, rate: Any, ball: Ball | None
    ) -> tuple[State, Steps]:
        rows = shared_out(rows)
        gradient, (sums, moved) = jax.grad(loss_of, has_aux=True)(
            state.params, images[rows], labels[rows], valid, key, ball
        )
        with jax.numpy_dtype_promotion("standard"):  # Optax raises a float to an integer power
            update, memory = direction.update(gradient, state.optimizer, state.params)
        params = jax.tree.map(
            lambda statistic, w, u, fresh: fresh.astype(w.dtype) if statistic else w - rate * u,
            running,
            state.params,
            update,
            moved,
        )
        return State(params if ball is None else projected(params, ball.radii), memory), sums

    def order(key: PRNGKeyArray, n: int, steps: int) -> tuple[Any, Any]:
        """The rows of each step [steps, batch], and which of them count."""
        order = jax.random.permutation(key, jnp.arange(n, dtype=jnp.int32))
        # The last batch is filled up with examples that do not count: its gradient is the mean over the rest.
        place = jnp.arange(steps * batch, dtype=jnp.int32)
        return order[place % n].reshape(steps, batch), (place < n).reshape(steps, batch)

    @functools.partial(compiled, donate_argnums=0)
    def epoch(
        states: tuple[State, ...], images: Any, labels: Any, keys: Any, rates: Any, balls: Any = None
    ) -> tuple[tuple[State, ...], tuple[Steps, ...]]:
        n = images.shape[0]
        steps = -(-n // batch)
        balls = (None,) * len(states) if balls is None else balls

        def one(
            state: State, labels: Any, key: Any, rate: Any, ball: Any, rows: Any, valid: Any, number: Any
        ) -> Any:
            return step(state, images, labels, rows, valid, jax.random.fold_in(key, number), rate, ball)

        numbers = jnp.arange(steps, dtype=jnp.int32)
        with jax.default_matmul_precision(_PRECISION[recipe.precision]):
            if vectorized and len(states) > 1:
                rows, valid = jax.vmap(lambda key: order(key, n, steps), out_axes=(1, None))(jnp.stack(keys))
                state, labels, keys, rates, ball = (
                    jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)
                    for each in (states, labels, keys, rates, balls)
                )

                def together(state: Any, chosen: Any) -> Any:
                    rows, valid, number = chosen
                    return jax.vmap(one, in_axes=(0, 0, 0, 0, 0, 0, None, None))(
                        state, labels, keys, rates, ball, rows, valid, number
                    )

                state, sums = jax.lax.scan(together, state, (rows, valid, numbers))
                return _apart(state, len(states), 0), _apart(sums, len(states), 1)

            orders = [order(key, n, steps) for key in keys]

            def each(states: Any, chosen: Any) -> Any:
                orders, number = chosen
                members = zip(states, labels, keys, rates, balls, orders, strict=True)
                pairs = [
                    one(state, y, key, rate, ball, rows, valid, number)
                    for state, y, key, rate, ball, (rows, valid) in members
                ]
                return tuple(state for state, _ in pairs), tuple(sums for _, sums in pairs)

            return jax.lax.scan(each, tuple(states), (tuple(orders), numbers))

    @compiled
    def evaluate(params: Any, images: Any, labels: Any, margin: Any = None) -> Evaluation:
        n = images.shape[0]
        chunk = min(n, chunk_size)

        def part(total: Evaluation, start: Any) -> tuple[Evaluation, None]:
            first = jnp.minimum(start, n - chunk)  # the last chunk overlaps the one before
            fresh = first + jnp.arange(chunk, dtype=jnp.int32) >= start
            x, y = (jax.lax.dynamic_slice_in_dim(a, first, chunk) for a in (images, labels))
            with jax.default_matmul_precision("highest"):
                logits = jax.vmap(predict, in_axes=(None, 0))(params, prepare(preparation, x, jnp))
            own = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
            others = jnp.where(jnp.arange(classes, dtype=jnp.int32)[None, :] == y[:, None], -jnp.inf, logits)
            lead = own - jnp.max(others, axis=1)
            needed = GAP * jnp.max(jnp.abs(logits), axis=1)
            fitted = lead > (needed if margin is None else needed + margin)
            wrong = jnp.argmax(logits, axis=1).astype(jnp.int32) != y
            found = Evaluation(
                jnp.sum(fresh & ~fitted, dtype=jnp.int32),
                jnp.sum(fresh & wrong, dtype=jnp.int32),
                jnp.all(jnp.isfinite(logits)),
            )
            return Evaluation(
                total.unfitted + found.unfitted, total.wrong + found.wrong, total.finite & found.finite
            ), None

        starts = jnp.arange(0, n, chunk, dtype=jnp.int32)
        nothing = Evaluation(jnp.int32(0), jnp.int32(0), jnp.bool_(True))
        return jax.lax.scan(part, nothing, starts)[0]

    def memory(members: int, n: int) -> int:
        key = jax.eval_shape(lambda: jax.random.key(0))
        state = jax.eval_shape(initial, key)
        images = jax.ShapeDtypeStruct((n, *image_shape), jnp.uint8)
        labels = jax.ShapeDtypeStruct((n,), jnp.int32)
        rate = jax.ShapeDtypeStruct((), jnp.float32)
        rows = ((state,) * members, images, (labels,) * members, (key,) * members, (rate,) * members)
        stats = epoch.lower(*rows).compile().memory_analysis()
        assert stats is not None  # CPU, GPU and TPU have one
        return stats.temp_size_in_bytes + stats.argument_size_in_bytes + stats.output_size_in_bytes

    return Program(initial=initial, epoch=epoch, evaluate=evaluate, place=place, memory=memory)


def _apart(tree: Any, members: int, axis: int) -> tuple[Any, ...]:
    """The slices of every leaf along an axis, a pytree each."""
    return tuple(
        jax.tree.map(functools.partial(jax.lax.index_in_dim, index=i, axis=axis, keepdims=False), tree)
        for i in range(members)
    )


def _cropped(images: UInt8[Array, "b h w c"], side: int | None, key: PRNGKeyArray) -> UInt8[Array, "b s s c"]:
    """A square of each image at a uniformly random place, all independent."""
    assert side is not None
    room = jnp.array([images.shape[1] - side + 1, images.shape[2] - side + 1], jnp.int32)
    corners = jax.random.randint(key, (images.shape[0], 2), 0, room, jnp.int32)

    def cut(image: Any, corner: Any) -> Any:
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), (side, side, image.shape[2]))

    return jax.vmap(cut)(images, corners)
