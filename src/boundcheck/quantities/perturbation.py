"""How far the weights can be perturbed before the training error rises: flatness by noise, sharpness by the worst direction.

All four are searches on a fixed subset of the training set, by bisection over a logarithmic scale; they return the last
scale at which the error had not risen by more than `TOLERANCE`, the safe end, and the next one at which it had. They rank
networks, and certify nothing.

Definitions: Jiang, Neyshabur, Mobahi, Krishnan and Bengio 2020, appendix C.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from ..interval import Interval
from ..run import is_real
from .quantity import Evidence, Quantity, measurement
from .study import Study

TOLERANCE: Final = 0.1
"""By how much the training error may rise."""

EXAMPLES: Final = 1000
DRAWS: Final = 8
STEPS: Final = 12
"""Bisections of a scale from 2^-16 to 2^6."""

ASCENT: Final = 15
"""Gradient steps of a worst-case perturbation, each a fifth of the box."""

SMALLEST: Final = 1e-3
"""What a magnitude-aware perturbation adds to |w|, so that a weight of 0 is perturbed too."""

LOW: Final = -16
HIGH: Final = 6


@measurement("standard deviation of noise on the weights that raises the training error by 0.1")
def flatness(study: Study) -> Quantity:
    """sigma: independent N(0, sigma^2) on every weight; the mean error over the draws counts."""
    return _searched(study, "flatness", aware=False, worst=False)


@measurement("relative standard deviation of noise on the weights that raises the training error by 0.1")
def relative_flatness(study: Study) -> Quantity:
    """sigma': noise of standard deviation sigma' (|w| + 0.001) on the weight w."""
    return _searched(study, "relative-flatness", aware=True, worst=False)


@measurement(
    "largest change of every weight that raises the training error by less than 0.1, in the worst direction found"
)
def sharpness_radius(study: Study) -> Quantity:
    """alpha: a box |u| <= alpha, searched by projected sign-gradient ascent on the cross entropy."""
    return _searched(study, "sharpness", aware=False, worst=True)


@measurement(
    "largest relative change of every weight that raises the training error by less than 0.1, in the worst direction found"
)
def relative_sharpness_radius(study: Study) -> Quantity:
    """alpha': a box |u| <= alpha' (|w| + 0.001)."""
    return _searched(study, "relative-sharpness", aware=True, worst=True)


def _searched(study: Study, name: str, *, aware: bool, worst: bool) -> Quantity:
    settings = f"{EXAMPLES} {DRAWS} {STEPS} {ASCENT} {SMALLEST} {TOLERANCE} {LOW} {HIGH}"
    value = study.remember(
        name,
        (study.run.digests["train"], settings),
        lambda: _search(study, name.replace("-", " "), Perturbed(study, aware=aware), worst=worst),
    )
    how = (
        f"{ASCENT} steps of projected gradient ascent from the middle of the box"
        if worst
        else f"mean over {DRAWS} draws, the same at every scale"
    )
    size = min(EXAMPLES, study.run.sizes["train"])
    return Quantity(
        value=value,
        evidence=Evidence.ESTIMATED,
        method=f"bisection on {size} training examples; {how}",
    )


def _search(study: Study, task: str, perturbed: Perturbed, *, worst: bool) -> Interval:
    error_at = perturbed.worst if worst else perturbed.mean
    limit = perturbed.error + TOLERANCE
    known = {"safe": float(LOW), "unsafe": float(HIGH)}

    def safe(exponent: float) -> bool:
        return error_at(2.0**exponent) <= limit

    if not safe(LOW):
        return Interval(0, 2.0**LOW)
    if safe(HIGH):
        return Interval(2.0**HIGH, math.inf)
    for step in range(STEPS):
        middle = (known["safe"] + known["unsafe"]) / 2
        known["safe" if safe(middle) else "unsafe"] = middle
        study.progress(task, step + 1, STEPS)
    return Interval(2.0 ** known["safe"], 2.0 ** known["unsafe"])


class Perturbed:
    """The network with perturbed weights on a fixed subset of the training examples.

    `aware`: the scale of a perturbation is |w| + `SMALLEST` for each weight in place of 1.
    """

    def __init__(self, study: Study, *, aware: bool) -> None:
        run = study.run
        sample = run.sample("train")
        order = np.random.Generator(np.random.Philox(key=[0xF1A7, len(sample)])).permutation(len(sample))
        chosen = np.sort(order[: min(EXAMPLES, len(sample))])
        blocks = [sample.inputs(int(i), int(i) + 1) for i in chosen]
        self._inputs = jnp.asarray(np.concatenate([np.asarray(b) for b in blocks]))
        self._labels = jnp.asarray(sample.labels[chosen])
        leaves, structure = jax.tree.flatten(run.params)
        real = [_is_weight(leaf) for leaf in leaves]
        self._weights = [jnp.asarray(leaf) for leaf, w in zip(leaves, real, strict=True) if w]
        self._scales = [jnp.abs(w) + SMALLEST if aware else jnp.ones_like(w) for w in self._weights]

        def logits(weights: list[Any]) -> Any:
            filled = iter(weights)
            mixed = [next(filled) if w else leaf for leaf, w in zip(leaves, real, strict=True)]
            params = jax.tree.unflatten(structure, mixed)
            return jax.vmap(run.predict, in_axes=(None, 0))(params, self._inputs)

        def moved(directions: list[Any], size: Any) -> list[Any]:
            return [
                (w + size * s * u).astype(w.dtype)
                for w, s, u in zip(self._weights, self._scales, directions, strict=True)
            ]

        def error(directions: list[Any], size: Any) -> Any:
            return jnp.mean(jnp.argmax(logits(moved(directions, size)), axis=1) != self._labels)

        def noisy(key: Any, size: Any) -> Any:
            keys = jax.random.split(key, len(self._weights))
            pairs = zip(keys, self._weights, strict=True)
            return error([jax.random.normal(k, w.shape, w.dtype) for k, w in pairs], size)

        def loss(directions: list[Any], size: Any) -> Any:
            scores = jax.nn.log_softmax(logits(moved(directions, size)))
            return -jnp.mean(jnp.take_along_axis(scores, self._labels[:, None], axis=1))

        def ascend(directions: list[Any], size: Any) -> tuple[list[Any], Any]:
            slopes = jax.grad(loss)(directions, size)
            pairs = zip(directions, slopes, strict=True)
            stepped = [jnp.clip(u + jnp.sign(g) / 5, -1, 1) for u, g in pairs]
            return stepped, error(stepped, size)

        self._error: Callable[..., Any] = jax.jit(error)
        self._noisy: Callable[..., Any] = jax.jit(noisy)
        self._ascend: Callable[..., Any] = jax.jit(ascend)

    @property
    def error(self) -> float:
        """The error of the weights as they are, on the subset."""
        return float(self._error([jnp.zeros_like(w) for w in self._weights], 0.0))

    def mean(self, sigma: float) -> float:
        """The mean error over draws of noise of standard deviation `sigma`; the draws are the same for every sigma."""
        keys = jax.random.split(jax.random.key(0), DRAWS)
        return float(np.mean([float(self._noisy(key, sigma)) for key in keys]))

    def worst(self, alpha: float) -> float:
        """The largest error met on the way of gradient ascent in the box of radius `alpha`."""
        directions = [jnp.zeros_like(w) for w in self._weights]
        largest = self.error
        for _ in range(ASCENT):
            directions, error = self._ascend(directions, alpha)
            largest = max(largest, float(error))
        return largest


def _is_weight(leaf: Any) -> bool:
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return not is_key and is_real(np.asarray(leaf))
