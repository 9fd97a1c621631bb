"""Small worlds whose true error is known exactly, with learners that do their worst.

A world is a uniform law on a finite list of labelled examples (the support) and a learner. A training set is drawn from
it, with replacement; the true error of what the learner returns is a count over the support.

The memorizers are right on every example they saw and wrong on every other: zero training error, the largest true error
that there is. A theorem about all classifiers of the class holds for them too. They come at several scales, since a
formula that forgets a norm is only wrong where that norm is large: of the inputs, of one layer, of an activation's slope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from math import comb
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from ..interval import Interval
from ..predictors import kernel_run
from ..quantities.inputs import input_norm_bound
from ..quantities.margins import traced_margins
from ..quantities.quantity import Evidence, Quantity
from ..quantities.study import ONLINE, Study, margins_of
from ..run import Run
from .networks import ASSERTED, frozen

POINTS: Final = 2048
SAMPLE: Final = 512
"""A memorizer sees 512 of 2048 examples, some twice: it errs on almost four of five."""

UNSEEN: Final = 2.0**-6
"""The size of the weights of an example that was not seen: enough to be wrong on it, and little to add to a norm."""

TESTED: Final = 64

KERNEL_POINTS: Final = 400
KERNEL_SAMPLE: Final = 200

Examples = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A training set and what was learned from it. `known`: quantities that need a recipe to measure, worked out here."""

    run: Run
    support: Examples
    known: Mapping[str, Quantity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`draw(i)`: the i-th training set. `draws`: how many there are, each bound being evaluated at `delta`."""

    name: str
    draw: Callable[[int], Drawn]
    draws: int
    delta: Fraction
    test_sets: bool = False
    """Whether what is drawn is the test set, from a law for which test-set bounds are tight."""


class Trial:
    """One training set of a world under examination, shared by all bounds."""

    def __init__(self, drawn: Drawn, delta: Fraction) -> None:
        known = {input_norm_bound: _largest_norm(drawn.support[0])}
        self.study = Study(frozen(drawn.run), delta, known=known)
        self.known = drawn.known
        self._support = drawn.support
        self._errors: dict[str, Interval] = {}

    def true_error(self, kind: str) -> Interval:
        """The error on the whole support of the classifier of this kind."""
        if kind not in self._errors:
            run = self.study.of(kind).run
            if kind in ONLINE:
                # The test set of such a run is the whole support.
                fractions = getattr(run.solution, ONLINE[kind])
                self._errors[kind] = Interval(float(fractions.mean()) * (1 - 2.0**-40))
                return self._errors[kind]
            if run.enclose is not None:
                margins = traced_margins(run.enclose, iter([self._support]))
                self._errors[kind] = margins.errors / margins.size
                return self._errors[kind]
            margins = margins_of(run.network, run.predict, run.params, iter([self._support]))
            self._errors[kind] = margins.errors / margins.size
        return self._errors[kind]


def _largest_norm(x: np.ndarray) -> Quantity:
    """Of every input that can occur: there are finitely many."""
    squares = np.square(x.reshape(len(x), -1).astype(np.float64)).sum(axis=1)
    # Far above the rounding of a float64 sum.
    bound = (Interval(float(squares.max())) * (1 + Interval(2) ** -30)).sqrt()
    return Quantity(value=Interval(bound.hi), evidence=Evidence.ENCLOSED, method="the largest of the support")


@cache
def trial(name: str, index: int) -> Trial:
    """The trial number `index` of a world."""
    world = WORLDS[name]
    return Trial(world.draw(index), world.delta)


def _run(
    f: Callable[[Any, Any], Any], params: dict[str, Any], *, train: Examples, test: Examples, name: str
) -> Run:
    initial = {key: 0 * value for key, value in params.items()}
    return Run.from_arrays(f, params, init_params=initial, train=train, test=test, assume=ASSERTED, name=name)


# Memorizers -----------------------------------------------------------------------------------------------------------


def _lookup(p: Any, x: Any) -> Any:
    return p["out"] @ x


def _scaled(x: Any, kernel: Any) -> Any:
    """Every coordinate times one number, as a convolution of width 1."""
    return jax.lax.conv_general_dilated(x[None, None], kernel, (1,), "VALID")[0, 0]


def _two_layers(p: Any, x: Any) -> Any:
    return p["out"] @ jnp.maximum(_scaled(x, p["kernel"]), 0)


def _steep(p: Any, x: Any) -> Any:
    h = _scaled(x, p["kernel"])
    return p["out"] @ jnp.where(h > 0, 1e6 * h, 0)


def _memorizer(
    name: str, f: Callable[[Any, Any], Any], *, inputs: float = 1, kernel: float | None = None, out: float = 1
) -> World:
    """Example i is `inputs` times the i-th unit vector; every example seen gets a margin of 1."""

    def draw(index: int) -> Drawn:
        random = np.random.default_rng([3, index])
        truth = random.integers(0, 2, POINTS)
        seen, fresh = random.integers(0, POINTS, SAMPLE), random.integers(0, POINTS, TESTED)
        known = np.isin(np.arange(POINTS), seen)
        first = np.where(known, 1, UNSEEN) * np.where((truth == 0) == known, out / 2, -out / 2)
        params: dict[str, Any] = {"out": np.stack([first, -first]).astype(np.float32)}
        if kernel is not None:
            params["kernel"] = np.full((1, 1, 1), kernel, np.float32)
        x = _unit_vectors(inputs)
        run = _run(f, params, train=(x[seen], truth[seen]), test=(x[fresh], truth[fresh]), name=name)
        return Drawn(run=run, support=(x, truth), known={"rademacher-complexity": _of_all_labellings(seen)})

    return World(name=name, draw=draw, draws=4, delta=Fraction(1, 100))


@cache
def _unit_vectors(length: float) -> np.ndarray:
    return np.eye(POINTS, dtype=np.float32) * np.float32(length)


def _of_all_labellings(seen: np.ndarray) -> Quantity:
    """The empirical Rademacher complexity of all functions to {0, 1}: E max(0, S)/n summed over distinct points.

    S is a sum of r signs at a point seen r times; E max(0, S) = r C(r-1, floor((r-1)/2)) / 2^r.
    """
    _, repeats = np.unique(seen, return_counts=True)
    total = sum(Fraction(r * comb(r - 1, (r - 1) // 2), 2**r) for r in map(int, repeats))
    return Quantity(value=Interval(total / len(seen)), evidence=Evidence.EXACT, method="by counting")


# Noise ----------------------------------------------------------------------------------------------------------------


def _constant(p: Any, x: Any) -> Any:
    """Two logits, w x and -w x: always the first class, for the positive inputs used here."""
    return p["out"] @ x


def _always_first(
    name: str, *, errors: int, of: int, train: int, test: int, draws: int, delta: Fraction
) -> World:
    """A classifier of two weights, fixed before the data are seen, that errs on `errors` of `of` examples."""
    x = 1 + np.arange(of, dtype=np.float32)[:, None] / of
    truth = (np.arange(of) < errors).astype(np.int64)
    params = {"out": np.array([[1.0], [-1.0]], np.float32)}

    def draw(index: int) -> Drawn:
        random = np.random.default_rng([4, index])
        first, second = random.integers(0, of, train), random.integers(0, of, test)
        run = _run(
            _constant, params, train=(x[first], truth[first]), test=(x[second], truth[second]), name=name
        )
        return Drawn(run=run, support=(x, truth))

    return World(name=name, draw=draw, draws=draws, delta=delta, test_sets=draws > 100)


# Kernel predictors ------------------------------------------------------------------------------------------------------


def _kernel(name: str, *, bandwidth: float, ridge: float, classes: int) -> World:
    """Points with random labels: what was seen is fitted, and of the rest nothing can be known."""
    random = np.random.default_rng([5, classes])
    x = random.normal(size=(KERNEL_POINTS, 4)).astype(np.float32)
    truth = random.integers(0, classes, KERNEL_POINTS)

    def draw(index: int) -> Drawn:
        seen = np.random.default_rng([6, index]).integers(0, KERNEL_POINTS, KERNEL_SAMPLE)
        run = kernel_run(
            train=(x[seen], truth[seen]),
            test=(x, truth),
            classes=classes,
            bandwidth=bandwidth,
            ridge=ridge,
            assume=ASSERTED,
            name=name,
        )
        return Drawn(run=run, support=(x, truth))

    return World(name=name, draw=draw, draws=4, delta=Fraction(1, 100))


WORLDS: Final[dict[str, World]] = {
    world.name: world
    for world in (
        _memorizer("memorizer", _lookup),
        _memorizer("memorizer of large inputs", _lookup, inputs=1e6, out=1e-6),
        _memorizer("memorizer with a large first layer", _two_layers, kernel=1e6, out=1e-6),
        _memorizer("memorizer with a large last layer", _two_layers, inputs=1e-3, kernel=1e-3, out=1e6),
        _memorizer("memorizer with a steep activation", _steep, kernel=1e-3, out=1e-3),
        _kernel("kernel ridge", bandwidth=0.3, ridge=1e-4, classes=3),
        _kernel("kernel ridge with two classes", bandwidth=0.3, ridge=1e-4, classes=2),
        _kernel("kernel ridge with a large ridge", bandwidth=0.5, ridge=30.0, classes=3),
        _always_first("noise", errors=3, of=10, train=4000, test=TESTED, draws=6, delta=Fraction(1, 100)),
        _always_first("test sets", errors=3, of=10, train=20, test=300, draws=800, delta=Fraction(1, 4)),
        _always_first(
            "test sets with rare errors", errors=1, of=64, train=20, test=50, draws=400, delta=Fraction(1, 4)
        ),
    )
}
