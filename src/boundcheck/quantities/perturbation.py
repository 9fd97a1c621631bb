"""How far the weights can be perturbed before the training error rises: flatness by noise, sharpness by the worst direction.

All four are searches on a fixed subset of the training set, by bisection over a logarithmic scale; they return the last
scale at which the error had not risen by more than `TOLERANCE`, the safe end, and the next one at which it had. They rank
networks, and certify nothing.

Definitions: Jiang, Neyshabur, Mobahi, Krishnan and Bengio 2020, appendix C.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import DataError
from ..interval import Interval
from ..models import statistics
from ..run import is_real
from ..training.compilation import compiler_options
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study

TOLERANCE: Final = 0.1
"""By how much the training error may rise."""

EXAMPLES: Final = 1000
FEWEST: Final = 32
WORK: Final = 1.5e10
"""Floating-point operations of one pass over the subset: it is smaller for a costly network, but not below `FEWEST`."""

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
    if not study.run.parametric:
        raise UnavailableError(
            "a kernel predictor consists of its training inputs, not of weights that could be moved."
        )
    size = _examples(study)
    settings = f"{size} {DRAWS} {STEPS} {ASCENT} {SMALLEST} {TOLERANCE} {LOW} {HIGH}"
    try:
        value = study.remember(
            name,
            (study.run.digests["train"], settings),
            lambda: _search(study, name.replace("-", " "), Perturbed(study, size, aware=aware), worst=worst),
        )
    except DataError as error:
        raise UnavailableError(str(error)) from error
    how = (
        f"{ASCENT} steps of projected gradient ascent from the middle of the box"
        if worst
        else f"mean over {DRAWS} draws, the same at every scale"
    )
    return Quantity(
        value=value,
        evidence=Evidence.ESTIMATED,
        method=f"bisection on {size} training examples; {how}",
    )


def _examples(study: Study) -> int:
    """How many training examples the searches look at."""
    run = study.run
    lowered = jax.jit(run.predict).lower(run.params, run.example)
    each = (lowered.cost_analysis() or {}).get("flops", 2.0 * run.parameters)
    return min(EXAMPLES, run.sizes["train"], max(FEWEST, int(WORK / max(each, 1.0))))


def _search(study: Study, task: str, perturbed: Perturbed, *, worst: bool) -> Interval:
    limit = perturbed.error + TOLERANCE

    def safe(exponent: float) -> bool:
        scale = 2.0**exponent
        return (perturbed.worst(scale, limit) if worst else perturbed.mean(scale)) <= limit

    if not safe(LOW):
        return Interval(0, 2.0**LOW)
    if safe(HIGH):
        return Interval(2.0**HIGH, math.inf)
    last_safe, first_unsafe = float(LOW), float(HIGH)
    for step in range(STEPS):
        middle = (last_safe + first_unsafe) / 2
        if safe(middle):
            last_safe = middle
        else:
            first_unsafe = middle
        study.progress(task, step + 1, STEPS)
    return Interval(2.0**last_safe, 2.0**first_unsafe)


class Perturbed:
    """The network with perturbed weights on a fixed subset of the training examples.

    `size`: how many. Running statistics of a normalization are no weights and stay. `aware`: the scale of a perturbation is |w| + `SMALLEST` for each weight in place of 1.
    """

    def __init__(self, study: Study, size: int, *, aware: bool) -> None:
        run = study.run
        sample = run.sample("train")
        order = np.random.Generator(np.random.Philox(key=[0xF1A7, len(sample)])).permutation(len(sample))
        chosen = np.sort(order[:size])
        blocks = [sample.inputs(int(i), int(i) + 1) for i in chosen]
        self._inputs = jnp.asarray(np.concatenate([np.asarray(b) for b in blocks]))
        self._labels = jnp.asarray(sample.labels[chosen])
        leaves, structure = jax.tree.flatten(run.params)
        running = jax.tree.leaves(statistics(run.params))
        real = [_is_weight(leaf) and not aside for leaf, aside in zip(leaves, running, strict=True)]
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

        def share_wrong(scores: Any) -> Any:
            # Weights far away can overflow, or a perturbed variance become negative: no logits are no right answer.
            nothing = jnp.isnan(scores).any(axis=1)
            return jnp.mean(nothing | (jnp.argmax(scores, axis=1) != self._labels))

        def error(directions: list[Any], size: Any) -> Any:
            return share_wrong(logits(moved(directions, size)))

        def noisy(key: Any, size: Any) -> Any:
            keys = jax.random.split(key, len(self._weights))
            pairs = zip(keys, self._weights, strict=True)
            return error([jax.random.normal(k, w.shape, w.dtype) for k, w in pairs], size)

        def loss(directions: list[Any], size: Any) -> tuple[Any, Any]:
            scores = logits(moved(directions, size))
            own = jnp.take_along_axis(jax.nn.log_softmax(scores), self._labels[:, None], axis=1)
            return -jnp.mean(own), scores

        def ascend(directions: list[Any], size: Any) -> tuple[list[Any], Any]:
            slopes, scores = jax.grad(loss, has_aux=True)(directions, size)
            pairs = zip(directions, slopes, strict=True)
            stepped = [jnp.clip(u + jnp.nan_to_num(jnp.sign(g)) / 5, -1, 1) for u, g in pairs]
            return stepped, share_wrong(scores)

        compiled = functools.partial(jax.jit, compiler_options=compiler_options())
        self._error: Callable[..., Any] = compiled(error)
        self._noisy: Callable[..., Any] = compiled(noisy)
        self._ascend: Callable[..., Any] = compiled(ascend)

    @property
    def error(self) -> float:
        """The error of the weights as they are, on the subset."""
        return float(self._error([jnp.zeros_like(w) for w in self._weights], 0.0))

    def mean(self, sigma: float) -> float:
        """The mean error over draws of noise of standard deviation `sigma`; the draws are the same for every sigma."""
        keys = jax.random.split(jax.random.key(0), DRAWS)
        return float(np.mean([float(self._noisy(key, sigma)) for key in keys]))

    def worst(self, alpha: float, enough: float = 1.0) -> float:
        """The largest error met on the way of gradient ascent in the box of radius `alpha`; the first above `enough`."""
        directions = [jnp.zeros_like(w) for w in self._weights]
        largest = 0.0
        for _ in range(ASCENT):
            directions, error = self._ascend(directions, alpha)
            largest = max(largest, float(error))
            if largest > enough:
                return largest
        return max(largest, float(self._error(directions, alpha)))


def _is_weight(leaf: Any) -> bool:
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return not is_key and is_real(np.asarray(leaf))
