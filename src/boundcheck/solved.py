"""Linear and kernel predictors: from the entry of an experiment to what is stored, and back to a predictor."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float64

from .data import DATASETS, PREPARATIONS, Part, prepare
from .errors import RunError
from .interval import Interval
from .models import Features, KernelSpec, LinearPredictor, LinearSpec, build_features, title_of
from .network.rounding import gam
from .solving.accuracy import IllConditionedError
from .solving.cholesky import NotPositiveError
from .solving.conjugate import iterate
from .solving.descent import descend
from .solving.exact import solve
from .solving.kernels import Gaussian, Gram, Inner, duplicates
from .solving.least_squares import solve_features
from .solving.memory import check_features_fit, check_fits
from .solving.predictor import KernelPredictor
from .solving.problem import Problem, Told, centred
from .solving.solution import Solution, Solved
from .spec import SolvedSpec


@dataclass(frozen=True, slots=True)
class Outcome:
    """`params`: what is stored as the predictor. `missed`: how many training, test and clean test labels it gets wrong."""

    params: Any
    solution: Solution
    missed: dict[str, int]


def shared(spec: SolvedSpec) -> tuple[Any, ...]:
    """What runs must have in common to be solved with one factorization: everything but the labels."""
    law = spec.law
    alone = (spec.seed,) if law.pixels != "true" or isinstance(spec.model, LinearSpec) else ()
    return (
        spec.dataset,
        spec.prepared,
        spec.model,
        spec.ridge,
        spec.solver,
        law.pixels,
        law.examples,
        law.test_examples,
        *alone,
    )


def solve_all(
    specs: Sequence[SolvedSpec], parts: Sequence[tuple[Part, Part]], classes: int, progress: Told
) -> list[Outcome]:
    """The predictors of runs that differ in their labels alone, with one factorization.

    Raises `RunError` where the problem does not fit into memory, or has no unique solution that rounding leaves visible.
    """
    first, (train, test) = specs[0], parts[0]
    inputs, tests = (np.asarray(prepare(first.prepared, part.images, np)) for part in (train, test))
    labels = [part[0].labels for part in parts]
    title = f"{first.name}: " if len(specs) == 1 else f"{first.name} and {len(specs) - 1} more: "

    def told(task: str, done: int, total: int) -> None:
        progress(f"{title}{task}", done, total)

    n, mu = len(inputs), first.ridge * len(inputs)
    with jax.enable_x64(True):
        features, fixed = None, _fixed(first)
        if isinstance(first.model, LinearSpec):
            check_features_fit(first.model.features, inputs.shape[1:], n)
            features = build_features(first.model.features, inputs, seed=first.seed)
            rows = features.batch(inputs)
            gram: Gram = Inner(rows, features.batch)
        else:
            gram = Gaussian(inputs, first.model.bandwidth)
        bound = _kernel_bound(first, features)
        if features is not None and mu == 0 and gram.rows.shape[1] < n:
            found = [solve_features(gram, y, classes, bound, fixed) for y in labels]
        else:
            if first.solver == "cholesky":
                check_fits(n, gram.rows.shape[1], 2 * (classes * len(specs) + 1) + 200)
            if mu == 0:
                _refuse_duplicates(first.name, inputs, labels)
            problem = Problem(
                gram=gram,
                shift=mu,
                labels=labels,
                classes=classes,
                tests=tests,
                test_labels=[part[1].labels for part in parts],
                kernel_bound=bound,
                features_fixed=fixed,
            )
            found = _solve(first, problem, told)
        # Features are long to compute; the labellings share those of the test images.
        mapped = None if features is None else features.batch(tests)
        outcomes = [
            _outcome(features, gram, one, pair, tests, mapped) for one, pair in zip(found, parts, strict=True)
        ]
        if not first.descent:
            return outcomes
        return [
            dataclasses.replace(out, solution=_descended(first, gram, one, out.solution, pair, tests, told))
            for out, one, pair in zip(outcomes, found, parts, strict=True)
        ]


def _descended(
    spec: SolvedSpec,
    gram: Gram,
    found: Solved,
    solution: Solution,
    parts: tuple[Part, Part],
    tests: np.ndarray,
    told: Told,
) -> Solution:
    if found.alpha is None:
        raise RunError(
            f"{spec.name}: `descent` is for problems solved by their Gram matrix; with more examples than features give a `ridge`, or leave it out."
        )
    path = descend(
        gram,
        float(solution.shift.hi),
        centred(parts[0].labels, found.alpha.shape[1]),
        jax.numpy.asarray(found.alpha),
        tests=gram.represent(tests),
        labels=parts[1].labels,
        steps=spec.descent,
        advance=lambda done, total: told("gradient descent", done, total),
    )
    return dataclasses.replace(
        solution, descent=np.stack([path.steps, path.distance, path.residual, path.error])
    )


def _solve(spec: SolvedSpec, problem: Problem, told: Told) -> list[Solved]:
    try:
        return solve(problem, told) if spec.solver == "cholesky" else iterate(problem, told)
    except (NotPositiveError, IllConditionedError) as error:
        other = "bandwidth" if isinstance(spec.model, KernelSpec) else "feature map"
        raise RunError(
            f"{spec.name} ({title_of(spec.model)}, {problem.size:,} examples, {problem.shift:g} on the diagonal): {error}. Give a `ridge`, "
            f"such as {max(1e-9, 10 * spec.ridge):g}, or another {other}; what is added to the diagonal, ridge times the number of examples, is "
            "written in the run."
        ) from None


def _outcome(
    features: Features | None,
    gram: Gram,
    found: Solved,
    parts: tuple[Part, Part],
    tests: np.ndarray,
    mapped: Any,
) -> Outcome:
    """What is stored, and its errors. A linear predictor is stored by its weights, whose norm is its own."""
    params: Any = {"alpha": found.alpha}
    solution = found.solution
    if features is None:
        assert found.alpha is not None
        outputs = KernelPredictor(gram, found.alpha).enclose(tests)[0]
    else:
        weight = (
            np.ascontiguousarray(np.asarray(gram.rows.T @ found.alpha).T)
            if found.weight is None
            else found.weight
        )
        squares = float(np.square(weight).sum())
        rounding = gam(weight.size + 8)
        stored = Interval(squares) * Interval(1 - rounding, 1 + rounding)
        solution = dataclasses.replace(solution, stored_norm_squared=stored)
        params = LinearPredictor(features=features, weight=weight)
        outputs = np.asarray(mapped @ weight.T)
    train, test = parts
    missed = {
        "train": _wrong(found.fitted, train.labels),
        "test": _wrong(outputs, test.labels),
        "clean_test": _wrong(outputs, test.clean),
    }
    return Outcome(params, solution, missed)


def _wrong(outputs: Float64[np.ndarray, "n k"], labels: np.ndarray) -> int:
    return int(np.count_nonzero(outputs.argmax(axis=1) != labels))


def _kernel_bound(spec: SolvedSpec, features: Any) -> Interval | None:
    """sup k(x, x) over everything that the preparation can make of an image; None where none is known."""
    if features is None:
        return Interval(1)
    largest = features.largest_norm(input_norm(spec))
    return None if largest is None else largest**2


def input_norm(spec: SolvedSpec) -> Interval:
    """The largest norm that an input can have."""
    definition, preparation = DATASETS[spec.dataset], PREPARATIONS[spec.prepared]
    return preparation.largest_norm(definition.shape, definition.brightest)


def _fixed(spec: SolvedSpec) -> bool:
    return not (
        isinstance(spec.model, LinearSpec) and getattr(spec.model.features, "patches", "gaussian") == "train"
    )


def _refuse_duplicates(name: str, inputs: np.ndarray, labels: Sequence[np.ndarray]) -> None:
    pairs = duplicates(inputs)
    if not pairs:
        return
    i, j = next(((i, j) for i, j in pairs if any(y[i] != y[j] for y in labels)), pairs[0])
    differ = next((y for y in labels if y[i] != y[j]), None)
    what = (
        "with one label"
        if differ is None
        else f"with labels {differ[i]} and {differ[j]}, so that no function fits both"
    )
    raise RunError(
        f"{name}: training examples {i} and {j} are the same input, {what}, and {len(pairs)} such pairs make the Gram matrix singular. "
        "Give a `ridge` above 0, such as 1e-6, or fewer `examples`."
    )
