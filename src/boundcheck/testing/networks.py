"""Small stock networks, one of each kind that a theorem may have to refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from ..run import Run, stored_arrays

ASSERTED: Final = ("iid", "fixed-in-advance", "fresh-test-set")

EXAMPLES: Final = 96
"""Two thirds of them to train."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """A network f(params, x) with weights and examples.

    `refutes`: the assumptions that do not hold of it. `structure`: whether it is a layer that refutes them, which the
    reason must then name. `labels`: its own predictions, or `random`.
    """

    name: str
    f: Callable[[Any, Any], Any]
    params: Mapping[str, np.ndarray]
    shape: tuple[int, ...]
    refutes: frozenset[str]
    structure: bool = True
    labels: str = "predicted"
    recorded: bool = True

    def run(self, params: Mapping[str, np.ndarray] | None = None, order: np.ndarray | None = None) -> Run:
        """The network on its examples, with other weights or in another order of the training set if given."""
        # A copy: what is under test may write into it.
        weights = {k: v.copy() for k, v in (self.params if params is None else params).items()}
        x, y = self.examples()
        cut = 2 * EXAMPLES // 3
        first = np.arange(cut) if order is None else order
        return Run.from_arrays(
            self.f,
            weights,
            init_params={k: 0 * v for k, v in weights.items()} if self.recorded else None,
            train=(x[first], y[first]),
            test=(x[cut:], y[cut:]),
            assume=ASSERTED,
            name=self.name,
        )

    def examples(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs [96, ...] float32 and labels [96], the same at each call."""
        random = np.random.default_rng(11)
        x = random.normal(size=(EXAMPLES, *self.shape)).astype(np.float32)
        logits = np.asarray(jax.vmap(self.f, (None, 0))(dict(self.params), x))
        if self.labels == "random":
            return x, random.integers(0, logits.shape[1], EXAMPLES)
        return x, logits.argmax(axis=1)


def frozen(run: Run) -> Run:
    """A run that many bounds share, its weights closed to writing."""
    for _, array in stored_arrays(run.params):
        array.flags.writeable = False
    return run


def _weights(seed: int, **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _dense(p: Any, x: Any) -> Any:
    return p["out"] @ jnp.maximum(p["in"] @ x, 0)


def _biased(p: Any, x: Any) -> Any:
    return p["out"] @ jnp.maximum(p["in"] @ x + p["in_bias"], 0) + p["out_bias"]


def _tanh(p: Any, x: Any) -> Any:
    return p["out"] @ jnp.tanh(p["in"] @ x)


def _steep(p: Any, x: Any) -> Any:
    h = p["in"] @ x
    return p["out"] @ jnp.where(h > 0, 1000 * h, 0)


def _residual(p: Any, x: Any) -> Any:
    h = jnp.maximum(p["in"] @ x, 0)
    return p["out"] @ (h + jnp.maximum(p["middle"] @ h, 0))


def _squared(p: Any, x: Any) -> Any:
    h = p["in"] @ x
    return p["out"] @ (h * h)


def _convolve(kernel: Any, image: Any) -> Any:
    """A 3x3 convolution of one image [channels, height, width] with zeros around it."""
    return jax.lax.conv_general_dilated(image[None], kernel, (1, 1), "SAME")[0]


def _convolutional(p: Any, x: Any) -> Any:
    return p["out"] @ jnp.maximum(_convolve(p["kernel"], x), 0).reshape(-1)


def _pooled(p: Any, x: Any) -> Any:
    h = jnp.maximum(_convolve(p["kernel"], x), 0)
    pooled = jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 3, 3), (1, 1, 1), "VALID")
    return p["out"] @ pooled.reshape(-1)


DENSE: Final = {"in": (8, 6), "out": (3, 8)}

STRUCTURAL: Final = frozenset(
    {"chain", "chain-without-biases", "homogeneous", "path-normed", "piecewise-linear"}
)

TRAINED: Final = frozenset({"solved", "plain-descent", "projected-descent"})
"""What a network from arrays is not: the solution of a linear or kernel problem, or the end of recorded steps."""


@lru_cache
def stock() -> dict[str, Stock]:
    """The stock networks by name."""
    curved = frozenset({"homogeneous", "path-normed", "piecewise-linear"})
    plain = frozenset({"chain-without-biases"})
    networks = (
        Stock(name="dense", f=_dense, params=_weights(1, **DENSE), shape=(6,), refutes=TRAINED),
        Stock(
            name="convolutional",
            f=_convolutional,
            params=_weights(2, kernel=(3, 2, 3, 3), out=(3, 75)),
            shape=(2, 5, 5),
            refutes=frozenset(),
        ),
        Stock(
            name="biased",
            f=_biased,
            params=_weights(3, **DENSE, in_bias=(8,), out_bias=(3,)),
            shape=(6,),
            refutes=plain,
        ),
        Stock(name="tanh", f=_tanh, params=_weights(4, **DENSE), shape=(6,), refutes=curved),
        Stock(
            name="steep",
            f=_steep,
            params=_weights(5, **DENSE),
            shape=(6,),
            refutes=frozenset({"homogeneous"}),
        ),
        Stock(
            name="residual",
            f=_residual,
            params=_weights(6, **DENSE, middle=(8, 8)),
            shape=(6,),
            refutes=plain,
        ),
        Stock(
            name="pooled",
            f=_pooled,
            params=_weights(7, kernel=(3, 2, 3, 3), out=(3, 27)),
            shape=(2, 5, 5),
            refutes=plain,
        ),
        Stock(name="squared", f=_squared, params=_weights(8, **DENSE), shape=(6,), refutes=STRUCTURAL),
        Stock(
            name="unrecorded",
            f=_dense,
            params=_weights(9, **DENSE),
            shape=(6,),
            refutes=frozenset({"recorded-initialization"}),
            structure=False,
            recorded=False,
        ),
        Stock(
            name="noisy",
            f=_dense,
            params=_weights(10, **DENSE),
            shape=(6,),
            refutes=frozenset({"interpolation"}),
            structure=False,
            labels="random",
        ),
    )
    return {network.name: network for network in networks}
