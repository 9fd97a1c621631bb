"""Do the bounds hold as often as they promise? Small worlds whose true errors are known exactly, thousands of training sets.

A world is a law on finitely many examples and a class of classifiers, by their losses on those. A training set fails a bound
when *some* classifier of the class errs more than the bound says at its training error: the worst that a learner
could do. No bound may fail more often than delta allows.

    python benchmarks/coverage.py [--draws 2000] [--seed 0] > benchmarks/coverage.md
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.stats import binom

from boundcheck import Interval, Run
from boundcheck.bound import Bound
from boundcheck.quantities.quantity import UnavailableError
from boundcheck.quantities.study import Study
from boundcheck.registry import installed

SURPRISE = 1e-6
"""A count of failures this unlikely under delta says that the bound is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A law on N examples and H classifiers: `law` [N], `losses` [H, N] of 0 and 1; VC dimension `d` of the loss class."""

    name: str
    law: np.ndarray
    losses: np.ndarray
    n: int
    d: int

    @property
    def errors(self) -> np.ndarray:
        """The true error of each classifier, [H]."""
        return self.losses @ self.law


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How often a bound failed in a world."""

    world: str
    bound: str
    n: int
    delta: float
    failures: int
    draws: int
    nearest: float
    """The smallest distance from the true error up to the bound, over all training sets and classifiers."""

    @property
    def surprising(self) -> bool:
        """Whether that many failures refute the promise."""
        return bool(binom.sf(self.failures - 1, self.draws, self.delta) < SURPRISE)


# Worlds -------------------------------------------------------------------------------------------------------------


def one_classifier() -> World:
    """A single classifier with error 0.3: where tail inversions are tight."""
    return World(
        name="one classifier",
        law=np.array([0.3, 0.7]),
        losses=np.array([[1, 0]]),
        n=40,
        d=0,
    )


def finite_class(bits: int, seed: int) -> World:
    """2^bits classifiers that err on random subsets of 200 examples; some err on few."""
    rng = np.random.default_rng(seed)
    rates = rng.choice([0.02, 0.1, 0.3, 0.5], 2**bits)
    losses = (rng.random((2**bits, 200)) < rates[:, None]).astype(int)
    return World(name=f"{2**bits} classifiers", law=np.full(200, 1 / 200), losses=losses, n=60, d=bits)


def thresholds(n: int = 30) -> World:
    """x >= t on 24 points of a line, labels flipped on every fifth: VC dimension 1."""
    x = np.arange(24)
    labels = (x >= 12) ^ (x % 5 == 0)
    losses = np.array([(x >= t) != labels for t in range(25)]).astype(int)
    return World(name="thresholds on a line", law=np.full(24, 1 / 24), losses=losses, n=n, d=1)


def half_planes(n: int = 60) -> World:
    """Every dichotomy of 18 points of the plane by a line, labels by another with noise: VC dimension 3."""
    rng = np.random.default_rng(4)
    points = rng.normal(size=(18, 2))
    labels = (points @ np.array([1.0, -0.5]) > 0.1) ^ (rng.random(18) < 0.15)
    sides = set()
    for i, j in itertools.combinations(range(18), 2):
        normal = np.array([points[j, 1] - points[i, 1], points[i, 0] - points[j, 0]])
        height = (points - points[i]) @ normal
        for a, b in itertools.product((False, True), repeat=2):
            side = height > 0
            side[i], side[j] = a, b
            sides |= {tuple(side), tuple(~side)}
    sides |= {(True,) * 18, (False,) * 18}
    losses = np.array([np.array(s) != labels for s in sorted(sides)]).astype(int)
    return World(name="half-planes", law=np.full(18, 1 / 18), losses=losses, n=n, d=3)


# What fills a bound -------------------------------------------------------------------------------------------------


def filled(bound: Bound, numbers: Mapping[str, Any]) -> dict[Any, Any] | None:
    """The values of a bound's symbols by the name of their measurement; None if one is not known here."""
    values: dict[Any, Any] = {}
    for symbol, measurement in bound.symbols.items():
        if measurement.name not in numbers:
            return None
        values[symbol] = numbers[measurement.name]
    return values


def combinatorial(world: World, delta: Fraction) -> dict[str, Any]:
    """Everything but the training error: counts, the dimension, and patterns that do not help."""
    many = Interval(10**9)
    return {
        "sample-size": Interval(world.n),
        "test-size": Interval(world.n),
        "failure-probability": Interval(delta),
        "parameter-bits": Interval(len(world.losses)).log() / Interval(2).log(),
        "classes": Interval(2),
        "rounds": Interval(1),
        "tests-by-round": (many,),
        "parameters-by-round": (many,),
        "degrees-by-round": (Interval(1),),
        "graph-dimension": Interval(world.d),
        "natarajan-dimension": Interval(world.d),
    }


def by_errors(bound: Bound, world: World, delta: Fraction) -> np.ndarray | None:
    """The upper end of the bound for every number of training errors, [n + 1]; None if the bound asks for more.

    A bound that needs training error 0 promises nothing (infinity) elsewhere.
    """
    numbers = combinatorial(world, delta)
    realizable = any(a.name == "interpolation" for a in bound.theorem.assumptions)
    table = np.full(world.n + 1, np.inf)
    for K in range(1 if realizable else world.n + 1):
        rate = Interval(K) / world.n
        values = filled(bound, {**numbers, "train-error": rate, "test-error": rate})
        if values is None:
            return None
        table[K] = float(bound.theorem.enclose(values).hi)
    return table


def is_eligible(bound: Bound, family: str) -> bool:
    """Whether it is of the family and promises something with probability 1 - delta."""
    return bound.guarantee == "HP" and bound.object == "det" and bound.family == family


# Simulations --------------------------------------------------------------------------------------------------------


def counted(world: World, bounds: Iterator[Bound], delta: Fraction, draws: int, seed: int) -> Iterator[Row]:
    """Bounds that look at the training error alone."""
    rng = np.random.default_rng(seed)
    samples = rng.multinomial(world.n, world.law, draws)
    wrong = samples @ world.losses.T
    for bound in bounds:
        table = by_errors(bound, world, delta)
        if table is not None:
            yield _row(world.name, bound.id, world.n, delta, (table[wrong] - world.errors).min(axis=1))


def _row(world: str, bound: str, n: int, delta: Fraction, distance: np.ndarray) -> Row:
    """`distance`: of each training set, the smallest of bound minus true error."""
    return Row(
        world=world,
        bound=bound,
        n=n,
        delta=float(delta),
        failures=int((distance < -1e-12).sum()),
        draws=len(distance),
        nearest=float(distance.min()),
    )


def by_capacity(world: World, delta: Fraction, draws: int, seed: int) -> Iterator[Row]:
    """Rademacher complexity and maximum discrepancy, computed exactly on every training set (n <= 12)."""
    from boundcheck.quantities.discrepancy import first_half

    rng = np.random.default_rng(seed)
    n, signs = world.n, np.array(list(itertools.product((-1, 1), repeat=world.n)))
    first = np.where(first_half(n), 2 / n, -2 / n)
    points = rng.choice(len(world.law), (draws, n), p=world.law)
    errors, rads, discs = [], [], []
    for chosen in points:
        on = np.unique(world.losses[:, chosen], axis=0)
        rads.append((signs @ on.T).max(axis=1).mean() / n)
        discs.append((on @ first).max())
        errors.append(world.losses[:, chosen].mean(axis=1))
    capacities = {"mohri2018-rademacher": (2.0, rads), "bartlett2002-discrepancy": (1.0, discs)}
    for identifier, (factor, capacity) in capacities.items():
        bound = installed().bounds[identifier]
        none = {
            **combinatorial(world, delta),
            "paired-size": Interval(n),
            "train-error": Interval(0),
            "paired-train-error": Interval(0),
            "rademacher-complexity": Interval(0),
            "discrepancy": Interval(0),
        }
        values = filled(bound, none)
        assert values is not None
        deviation = float(bound.theorem.enclose(values).hi)
        reached = np.array(errors) + factor * np.array(capacity)[:, None] + deviation
        yield _row(world.name, identifier, n, delta, (reached - world.errors).min(axis=1))


# Tiny networks ------------------------------------------------------------------------------------------------------


def tiny_networks(seed: int, *, biases: bool) -> tuple[list[Run], np.ndarray, np.ndarray]:
    """Eight random networks 3-5-3 with ReLU on 60 points, (runs, inputs, labels); most labels are the first one's."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    x /= np.maximum(1, np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)

    def f(params, x):
        hidden = params["first"] @ x
        if "bias" in params:
            hidden = hidden + params["bias"]
        return params["second"] @ jnp.maximum(hidden, 0)

    runs: list[Run] = []
    y = rng.integers(0, 3, 60)
    for scale in (1.0, 0.5, 1.0, 2.0, 0.25, 1.0, 3.0, 0.7):
        params = {
            "first": scale * rng.normal(size=(5, 3)).astype(np.float32),
            "second": rng.normal(size=(3, 5)).astype(np.float32),
        }
        if biases:
            params["bias"] = np.asarray(0.3 * rng.normal(size=5), np.float32)
        if not runs:
            logits = np.array([f(params, row) for row in x])
            y = np.where(rng.random(60) < 0.9, logits.argmax(axis=1), y)
        runs.append(
            Run.from_arrays(
                f,
                params,
                init_params={name: np.zeros_like(w) for name, w in params.items()},
                train=(x, y),
                test=(x, y),
                assume=("iid", "fixed-in-advance"),
            )
        )
    return runs, x, y


SAMPLED = ("rms-input-norm", "rms-coordinate", "rms-patch")
"""What depends on the inputs of the training set; taken at its smallest over all draws, which only makes failures likelier."""


def by_margins(n: int, delta: Fraction, draws: int, seed: int, *, biases: bool) -> Iterator[Row]:
    """Bounds on norms and margins: a training set fails if some network at some margin errs more than the bound says."""
    runs, x, _ = tiny_networks(3, biases=biases)
    rng = np.random.default_rng(seed)
    samples = rng.multinomial(n, np.full(len(x), 1 / len(x)), draws)
    squares = x.astype(np.float64) ** 2
    mean_squares = samples @ squares / n
    norms = np.sqrt(mean_squares.sum(axis=1)).min()
    smallest = {
        "rms-input-norm": norms,
        "rms-patch": max(norms, 0.0),
        "rms-coordinate": np.sqrt(mean_squares.max(axis=1)).min(),
    }
    margins = 2.0 ** np.arange(-4, 3)
    for bound in installed().bounds.values():
        if not (is_eligible(bound, "norm") or is_eligible(bound, "margin")):
            continue
        distance = np.full(draws, np.inf)
        for run in runs:
            study = Study(run, delta)
            if any(a.check(study).status == "refuted" for a in bound.theorem.assumptions):
                continue
            found = study.margins("train")
            true = float(np.mean(found.upper <= 0))
            for gamma in margins:
                try:
                    values = _at_margin(bound, study, n, delta, float(gamma), smallest)
                except UnavailableError:
                    continue
                complexity = float(bound.theorem.enclose(values).hi)
                ramp = np.clip(1 - found.upper / gamma, 0, 1)
                if any(m.name == "margin-error" for m in bound.symbols.values()):
                    ramp = (found.upper <= gamma).astype(float)
                distance = np.minimum(distance, samples @ ramp / n + complexity - true)
        if np.isfinite(distance).all():
            kind = "tiny networks with biases" if biases else "tiny networks"
            yield _row(kind, bound.id, n, delta, distance)


def _at_margin(
    bound: Bound, study: Study, n: int, delta: Fraction, gamma: float, smallest: Mapping[str, float]
) -> dict[Any, Any]:
    """The symbols of a margin bound for empirical risk 0: what it adds to the empirical risk."""
    values: dict[Any, Any] = {}
    for symbol, m in bound.symbols.items():
        if m.role == "delta":
            values[symbol] = Interval(delta)
        elif m.role == "margin":
            values[symbol] = Interval(gamma)
        elif m.name == "sample-size":
            values[symbol] = Interval(n)
        elif m.name in smallest:
            values[symbol] = Interval(smallest[m.name])
        elif m.name in ("ramp-risk", "margin-error"):
            values[symbol] = Interval(0)
        else:
            value = study.measure(m).value
            values[symbol] = value if isinstance(value, Interval | tuple) else value.at(Interval(gamma))
    return values


# The table ----------------------------------------------------------------------------------------------------------


def simulate(draws: int, seed: int) -> Iterator[Row]:
    """Every row."""
    bounds = installed().bounds
    for delta in (Fraction(1, 20), Fraction(1, 5)):
        worlds = {
            "test-set": [one_classifier()],
            "counting": [one_classifier(), finite_class(6, 1), finite_class(10, 2)],
            "vc": [thresholds(), half_planes()],
            "rademacher": [thresholds(), half_planes()],
        }
        for family, small in worlds.items():
            for world in small:
                chosen = (b for b in bounds.values() if is_eligible(b, family))
                yield from counted(world, chosen, delta, draws, seed)
        for world in (thresholds(10), half_planes(10)):
            yield from by_capacity(world, delta, draws, seed)
        for biases in (False, True):
            yield from by_margins(4_000_000, delta, draws, seed, biases=biases)


def table(rows: list[Row]) -> str:
    """The rows as markdown."""
    lines = [
        "| world | bound | n | delta | failures | of | rate | nearest |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        mark = " **refuted**" if r.surprising else ""
        lines.append(
            f"| {r.world} | `{r.bound}` | {r.n:,} | {r.delta:g} | {r.failures}{mark} | {r.draws:,} | {r.failures / r.draws:.4f} "
            f"| {r.nearest:+.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = list(simulate(options.draws, options.seed))
    refuted = sum(r.surprising for r in rows)
    names = {r.bound for r in rows}
    print("# Coverage by simulation\n")
    print(
        "How often a bound is exceeded by the true error of some classifier of a class, over training sets drawn from a law under "
        "which every true error is known exactly (`python benchmarks/coverage.py`). "
        f"{len(names)} bounds, {len(rows)} comparisons of {options.draws:,} training sets each; {refuted} refuted: "
        f"more failures than delta allows, at a level of {SURPRISE:g}. "
        "The last column is the smallest distance from a true error up to the bound.\n"
    )
    print(table(rows))


if __name__ == "__main__":
    main()
