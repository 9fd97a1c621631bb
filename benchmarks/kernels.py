"""Kernel interpolation with all that its factor tells, against `scipy.linalg.cho_factor` and `cho_solve` on the same matrix.

    python benchmarks/kernels.py [--examples 20000] [--rounds 3]

Fashion-MNIST, ten outputs, bandwidth 5. Each round measures, one after the other: the peer on the matrix held in memory (the time to
make it not counted); our solution with leave-one-out errors, progressive errors, prefixes and residuals; and the parts of ours by the clock. Printed are the
medians, their ratio, and the peak memory of each in a process of its own, as a multiple of the matrix.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from typing import Any

import jax
import numpy as np

from boundcheck.data import Law, load_dataset, prepare
from boundcheck.interval import Interval
from boundcheck.solving.exact import solve
from boundcheck.solving.kernels import Gaussian
from boundcheck.solving.problem import Problem, centred


def problem(examples: int) -> Problem:
    """Fashion-MNIST with true labels."""
    train, test = Law(examples=examples).draw(load_dataset("fashion-mnist"), "unit")
    inputs, tests = (np.asarray(prepare("unit", part.images, np)) for part in (train, test))
    with jax.enable_x64(True):
        gram = Gaussian(inputs, 5.0)
    return Problem(
        gram=gram,
        shift=0.0,
        labels=[train.labels],
        classes=10,
        tests=tests,
        test_labels=[test.labels],
        kernel_bound=Interval(1),
        features_fixed=True,
    )


def peer(given: Problem) -> dict[str, float]:
    """Seconds of `cho_factor` and `cho_solve`."""
    from scipy.linalg import cho_factor, cho_solve

    n = given.size
    whole = np.empty((n, n))
    with jax.enable_x64(True):
        for start in range(0, n, 1000):
            rows = slice(start, min(start + 1000, n))
            whole[rows] = given.gram.between(given.gram.rows[rows], given.gram.rows)
        targets = np.asarray(centred(given.labels[0], 10))
    begun = time.perf_counter()
    cho_solve(cho_factor(whole, lower=True), targets)
    return {"total": time.perf_counter() - begun}


def ours(given: Problem) -> dict[str, float]:
    """Seconds in all, and when each part ended."""
    ends: dict[str, float] = {}
    begun = time.perf_counter()

    def told(task: str, done: int, total: int) -> None:
        ends[task] = time.perf_counter() - begun

    solve(given, told)
    return {**ends, "total": time.perf_counter() - begun}


def measured(which: str, examples: int, results: Any) -> None:
    """One measurement in a process of its own, so that its peak memory is its own."""
    given = problem(examples)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = peer(given) if which == "peer" else ours(given)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results.put({**seconds, "memory": (peak - before) * 1024 / (8 * examples**2)})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    found: dict[str, list[dict[str, float]]] = {"peer": [], "ours": []}
    for _ in range(options.rounds):
        for which, kept in found.items():
            results = context.Queue()
            process = context.Process(target=measured, args=(which, options.examples, results))
            process.start()
            kept.append(results.get())
            process.join()
            print(which, {k: round(v, 2) for k, v in kept[-1].items()}, file=sys.stderr)
    medians = {which: statistics.median(one["total"] for one in kept) for which, kept in found.items()}
    print(f"{options.examples:,} examples, medians of {options.rounds} interleaved rounds")
    for which, kept in found.items():
        print(
            f"{which}: {medians[which]:.1f} s, peak memory {max(one['memory'] for one in kept):.2f} of the matrix"
        )
    print(f"ratio {medians['ours'] / medians['peer']:.2f}")


if __name__ == "__main__":
    main()
