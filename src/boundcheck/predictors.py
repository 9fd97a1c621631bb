"""`Run`s of linear and kernel predictors: of a stored one, and of arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from .interval import Interval
from .models import LinearSpec, linear_like
from .run import Run, Sample
from .solving.exact import solve
from .solving.kernels import Gaussian
from .solving.predictor import KernelPredictor
from .solving.problem import Problem
from .solving.solution import Solution
from .spec import SolvedSpec
from .storage import digest


def predictor_run(
    spec: SolvedSpec,
    *,
    read: Callable[[Any], Any],
    solution: Solution,
    size: int,
    inputs: Callable[[], np.ndarray],
    made: dict[str, Any],
) -> Run:
    """The run of a stored predictor.

    **Arguments.** `read`: the stored weights, given arrays of their shapes. `size`: n. `inputs`: the training inputs [n, ...], which a kernel
    predictor consists of. `made`: everything else that a `Run` is made of.
    """
    classes, shape = made["classes"], made["example"].shape
    if isinstance(spec.model, LinearSpec):
        with jax.enable_x64(True):
            params = read(linear_like(spec.model.features, shape, classes))

        def outputs(p: Any, batch: np.ndarray) -> np.ndarray:
            with jax.enable_x64(True):
                return np.asarray(p.features.batch(batch) @ p.weight.T)

        return Run(
            **made,
            predict=lambda p, x: p(x),
            params=params,
            init_params=None,
            solution=solution,
            outputs=outputs,
        )
    bandwidth = spec.model.bandwidth
    params = read({"alpha": jax.ShapeDtypeStruct((size, classes), np.float64)})

    @functools.cache
    def predictor() -> KernelPredictor:
        with jax.enable_x64(True):
            return KernelPredictor(Gaussian(inputs(), bandwidth), params["alpha"])

    return _kernel_run(predictor, params, solution, **made)


def _kernel_run(
    predictor: Callable[[], KernelPredictor], params: dict[str, np.ndarray], solution: Solution, **made: Any
) -> Run:
    """The run of a kernel predictor, which is made when it is first asked for an output."""

    def predict(p: Any, x: Any) -> Any:
        gram = predictor().gram
        return gram.between(gram.represent(np.asarray(x)[None]), gram.rows)[0] @ p["alpha"]

    return Run(
        **made,
        predict=predict,
        params=params,
        init_params=None,
        solution=solution,
        enclose=lambda batch: predictor().enclose(batch),
    )


def kernel_run(
    *,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    classes: int,
    bandwidth: float,
    ridge: float = 0.0,
    assume: Sequence[str] = (),
    name: str = "arrays",
) -> Run:
    """The Gaussian kernel predictor of arrays: inputs [n, ...] float32 and labels [n] of training and test examples.

    Raises `NotPositiveError` or `IllConditionedError` where the problem has no solution that rounding leaves visible.
    """
    inputs = train[0]
    with jax.enable_x64(True):
        gram = Gaussian(inputs, bandwidth)
    problem = Problem(
        gram=gram,
        shift=ridge * len(inputs),
        labels=[train[1]],
        classes=classes,
        tests=test[0],
        test_labels=[test[1]],
        kernel_bound=Interval(1),
        features_fixed=True,
    )
    (found,) = solve(problem)
    assert found.alpha is not None
    predictor = KernelPredictor(gram, found.alpha)

    def sample(split: str) -> Sample:
        x, y = train if split == "train" else test
        labels = y.astype(np.int64)
        return Sample(labels=labels, clean=labels, inputs=lambda start, stop: x[start:stop])

    return _kernel_run(
        lambda: predictor,
        {"alpha": found.alpha},
        found.solution,
        name=name,
        classes=classes,
        sizes={"train": len(inputs), "test": len(test[0])},
        samples=sample,
        example=inputs[0],
        assume=assume,
        digests={"train": digest(*train), "test": digest(*test), "weights": digest(found.alpha)},
    )
