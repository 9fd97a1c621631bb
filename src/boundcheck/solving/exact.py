"""The exact solution by one factorization, and everything that the same factor tells for next to nothing.

With L L^T = K + mu I in the order of the examples: the solution, all leave-one-out residuals alpha_i / (A^-1)_ii, all
residuals of progressive prediction L_tt (L^-1 V)_t, and the outputs of all n prefix predictors at a test point.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float64, Int

from ..interval import Interval
from ..margins import Margins, margin_ends
from ..network.rounding import gam
from .accuracy import Accuracy
from .cholesky import Factor, factorize
from .passes import Pass, multiply
from .problem import Problem, Told
from .solution import Solution, Solved, relative_residual

PROBED = 200
"""At so many test inputs every leave-one-out predictor is compared with the solution."""

ONLINE = 2000
"""On so many test examples every prefix predictor is tried."""

SPECTRUM = 2000
"""Eigenvalues are those of so many examples."""

POINTS = 60
"""Sizes at which the test error of the prefix predictors is kept."""

_WIDTH = 128
_UP = 1 + 2.0**-20


def solve(problem: Problem, progress: Told = lambda task, done, total: None) -> list[Solved]:
    """The solution of every labelling, enclosed.

    Raises `NotPositiveError` where K + mu I is singular to working precision, and `IllConditionedError` where rounding
    hides whether it is.
    """
    with jax.enable_x64(True):
        return _solve(problem, progress)


def _solve(problem: Problem, progress: Told) -> list[Solved]:
    gram, n = problem.gram, problem.size
    factor = factorize(
        gram.block,
        n,
        problem.shift,
        diagonal=gram.diagonal(),
        advance=functools.partial(progress, "factorization"),
    )
    targets = problem.targets()
    # The ones turn centred labels into plain ones: tr Y^T A^-1 Y = tr V^T A^-1 V + 1^T A^-1 1 / k.
    right = jnp.concatenate([targets, jnp.ones((n, 1))], axis=1)
    half = factor.forward(right)
    alpha = factor.backward(half)
    online = _Online(problem, factor, half[:, :-1], progress)
    inverse, rows = _inverse_norms(factor, progress)
    found = multiply(
        gram,
        jnp.concatenate([alpha, online.weights, right], axis=1),
        factor.cuts,
        functools.partial(progress, "residuals"),
    )
    accuracy = Accuracy(
        size=n,
        terms=factor.terms,
        trace=float((gram.diagonal() + problem.shift).sum()) * _UP,
        gram_error=found.error,
        inverse_squares=float(inverse.sum()),
        shift=problem.shift,
    )
    whole = _Whole(problem, factor, right, alpha, half, inverse, rows, found, accuracy, online)
    return [whole.solved(which) for which in range(len(problem.labels))]


def _inverse_norms(
    factor: Factor, progress: Told
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """The squared norms of the columns of L^-1, which are the diagonal of A^-1, and the norms of its rows."""
    columns, rows = np.zeros(factor.size), np.zeros(factor.size)
    total = len(factor.cuts) * (len(factor.cuts) + 1) // 2
    for done, (i, j, tile) in enumerate(factor.inverse(), 1):
        across, down = _sums(tile)
        columns[factor.cuts[j]] += np.asarray(down)
        rows[factor.cuts[i]] += np.asarray(across)
        progress("leave-one-out", done, total)
    return columns, np.sqrt(rows)


@jax.jit
def _sums(tile: Array) -> tuple[Array, Array]:
    squares = jnp.square(tile)
    return squares.sum(axis=1), squares.sum(axis=0)


class _Online:
    """What the predictors on prefixes do at test inputs.

    `weights`: A^-1 k_x of the first `PROBED` inputs, [n, p]; `kernel`: their k_x; `entry`: the error of its entries. `errors`, `late`: for each labelling, the fraction of prefixes, and
    of late ones, that err on each of the first `ONLINE` test examples. `curves`: the test error of each prefix predictor.
    """

    def __init__(
        self, problem: Problem, factor: Factor, half: Float64[Array, "n sk"], progress: Told
    ) -> None:
        n, tests = problem.size, problem.tests[:ONLINE]
        late = n // 2
        probed = min(PROBED, len(tests))
        self.kernel = self.weights = jnp.zeros((n, 0))
        self.entry = problem.gram.error_at(problem.gram.represent(tests[:probed]))
        errors = [[] for _ in problem.labels]
        self.curves = [np.zeros(n) for _ in problem.labels]
        for start in range(0, len(tests), _WIDTH):
            points = problem.gram.represent(tests[start : start + _WIDTH])
            kernel = jnp.concatenate(
                [problem.gram.between(problem.gram.rows[cut], points) for cut in factor.cuts]
            )
            reduced = factor.forward(kernel)
            if start < probed:
                wanted = min(probed - start, len(points))
                self.kernel = jnp.concatenate([self.kernel, kernel[:, :wanted]], axis=1)
                self.weights = jnp.concatenate([self.weights, factor.backward(reduced[:, :wanted])], axis=1)
            for which, labels in enumerate(problem.test_labels):
                truth = jnp.asarray(labels[start : start + len(points)])
                running = jnp.zeros((len(points), problem.classes))
                counts = []
                for cut in factor.cuts:
                    wrong, running = _prefixes(
                        running, reduced[cut], half[cut, problem.columns(which)], truth
                    )
                    counts.append(np.asarray(wrong))
                wrong = np.concatenate(counts)
                self.curves[which] += wrong.sum(axis=1)
                errors[which].append((wrong.mean(axis=0), wrong[late:].mean(axis=0)))
            progress("prefixes", min(start + _WIDTH, len(tests)), len(tests))
        self.errors = [np.concatenate([part[0] for part in parts]) for parts in errors]
        self.late = [np.concatenate([part[1] for part in parts]) for parts in errors]
        self.curves = [curve / len(tests) for curve in self.curves]


@jax.jit
def _prefixes(
    running: Float64[Array, "q k"],
    reduced: Float64[Array, "b q"],
    half: Float64[Array, "b k"],
    truth: Int[Array, " q"],
) -> tuple[Array, Array]:
    """Whether f_t errs, for the t of one tile before each of its rows is learned, [b, q]; and the outputs after the last."""

    def step(outputs: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        own = jnp.take_along_axis(outputs, truth[:, None], axis=1)[:, 0]
        others = jnp.where(jnp.arange(outputs.shape[1]) == truth[:, None], -jnp.inf, outputs).max(axis=1)
        return outputs + row[0][:, None] * row[1][None], own <= others

    outputs, wrong = jax.lax.scan(step, running, (reduced, half))
    return wrong, outputs


@dataclass(frozen=True, slots=True)
class _Whole:
    """Everything computed, for all labellings; `solved` reads off what belongs to one."""

    problem: Problem
    factor: Factor
    right: Float64[Array, "n r"]
    alpha: Float64[Array, "n r"]
    half: Float64[Array, "n r"]
    inverse: Float64[np.ndarray, " n"]
    rows: Float64[np.ndarray, " n"]
    found: Pass
    accuracy: Accuracy
    online: _Online

    def solved(self, which: int) -> Solved:
        """One labelling."""
        problem, n, k = self.problem, self.problem.size, self.problem.classes
        columns, labels = problem.columns(which), problem.labels[which]
        product = np.asarray(self.found.product)
        r, p = self.alpha.shape[1], self.online.weights.shape[1]
        alpha, target, image = (
            np.asarray(part[:, columns]) for part in (self.alpha, self.right, self.found.product)
        )
        one = r - 1
        norm, residual = self._norm(alpha, target, image)
        ones = self._norm(np.asarray(self.alpha[:, one:]), np.ones((n, 1)), product[:, one:r])[0]
        accuracy = self.accuracy
        relative = accuracy.inverse_diagonal
        above = self.inverse * (1 + relative)
        radius = accuracy.solution(above, residual)
        loo = alpha / self.inverse[:, None]
        loo_radius = _quotient_radius(loo, radius, self.inverse, relative)
        left_out = self._margins(target - loo, loo_radius, labels)
        pivots = self.factor.diagonal()
        innovations = pivots[:, None] * np.asarray(self.half[:, columns])
        norms = (
            np.sqrt(np.maximum(np.square(np.asarray(self.half[:, columns])).sum(axis=0), float(norm.hi)))
            * _UP
        )
        online = self._margins(target - innovations, accuracy.innovation(pivots, self.rows, norms), labels)
        # The predictor that has seen nothing is 0, and a tie counts as a mistake.
        online.lower[0] = online.upper[0] = -1.0
        late = n // 2
        aligned = product[:, r + p :][:, columns]
        sizes = (
            np.unique(np.round(np.geomspace(1, n - 1, POINTS))).astype(np.int64) if n > 1 else np.array([0])
        )
        return Solved(
            alpha,
            image,
            Solution(
                method=f"Cholesky factor of K + mu I in float64, by tiles, {self._device()}",
                size=n,
                shift=Interval(problem.shift),
                ridge=Interval(problem.shift) / n,
                residual=relative_residual(residual, target),
                eigenvalue=Interval(
                    accuracy.eigenvalue,
                    # L_tt^2 = 1 / (B_t^-1)_tt with B_t the leading block of L L^T: at least its least eigenvalue.
                    max(accuracy.eigenvalue, (float(np.square(pivots).min()) + accuracy.perturbation) * _UP),
                ),
                diagonal=problem.gram.mean_diagonal(),
                kernel_bound=problem.kernel_bound,
                stored_norm_squared=self.found.quadratic(alpha, image),
                norm_squared=norm,
                one_hot_norm_squared=norm + ones / k,
                inverse_trace=Interval(float(self.inverse.sum())) * Interval(1 - relative, 1 + relative),
                alignment=self.found.quadratic(target, aligned) / n,
                square_trace=self._square_trace(),
                largest_eigenvalue=self._largest(product[:, -1]),
                mistakes=online.errors,
                late_mistakes=_of(online, slice(late, None)).errors,
                loo_errors=left_out.errors,
                loo_ramp=left_out.at(Interval(1)),
                observed_removal=self._removal(which, alpha, loo, loo_radius, residual),
                spectrum=self._spectrum(),
                features_fixed=problem.features_fixed,
                loo=loo,
                progressive=innovations,
                prefix_errors=self.online.errors[which],
                late_prefix_errors=self.online.late[which],
                sizes=sizes.astype(np.float64),
                curve=self.online.curves[which][sizes],
            ),
        )

    def _device(self) -> str:
        return jax.devices()[0].platform

    def _margins(self, outputs: np.ndarray, radius: np.ndarray, labels: np.ndarray) -> Margins:
        lower, upper = margin_ends(outputs, radius * _UP + 2.0**-1000, labels)
        return Margins(lower=lower, upper=upper, traced=True)

    def _norm(
        self, alpha: np.ndarray, target: np.ndarray, image: np.ndarray
    ) -> tuple[Interval, Float64[np.ndarray, " m"]]:
        """tr V^T A^-1 V, enclosed from any alpha; and the residuals of the columns.

        2 <a, v> - <a, A a> is greatest at a = A^-1 v, and short of its maximum by (v - A a)^T A^-1 (v - A a).
        """
        residual = self.found.residual(alpha, target, image, self.problem.shift)
        mu = self.problem.shift
        lengths = np.sqrt(np.square(alpha).sum(axis=0)) * _UP
        terms = np.abs(alpha) * (2 * np.abs(target) + np.abs(image) + mu * np.abs(alpha))
        middle = float((alpha * (2 * target - image - mu * alpha)).sum())
        slack = (
            float((lengths * self.found.product_error(alpha)).sum() + gam(alpha.size + 8) * terms.sum()) * _UP
        )
        short = float(np.square(residual).sum()) / self.accuracy.eigenvalue * _UP
        return Interval(middle - slack, middle + slack + short).maximum(0), residual

    def _square_trace(self) -> Interval:
        size = math.sqrt(self.found.squares)
        slack = self.found.error + size * 2.0**-20
        return Interval(max(size - slack, 0.0), size + slack) ** 2 / self.problem.size**2

    def _largest(self, image: Float64[np.ndarray, " n"]) -> Interval:
        """Of K/n: at least |K 1| / |1|, and at most the Frobenius norm."""
        n = self.problem.size
        error = float(self.found.product_error(np.ones((n, 1)))[0])
        least = (float(np.sqrt(np.square(image).sum())) / _UP - error) / math.sqrt(n)
        most = (math.sqrt(self.found.squares) + self.found.error) * _UP
        return Interval(max(least, 0.0), max(most, least)) / n

    def _spectrum(self) -> tuple[Interval, ...]:
        rows = slice(0, min(SPECTRUM, self.problem.size))
        block = np.asarray(self.problem.gram.block(rows, rows))
        values = np.linalg.eigvalsh((block + block.T) / 2)[::-1] / len(block)
        # The backward error of the symmetric eigenvalue problem is a small multiple of n u |K|.
        slack = float(values[0]) * len(block) * 2.0**-50
        return tuple(Interval(max(v - slack, 0.0), max(v, 0.0) + slack) for v in map(float, values))

    def _removal(
        self,
        which: int,
        alpha: np.ndarray,
        loo: np.ndarray,
        loo_radius: np.ndarray,
        residual: Float64[np.ndarray, " k"],
    ) -> Interval:
        """From below: the largest change of the ramp loss at margin 1 over the inputs probed and all k labels of each."""
        count = self.online.weights.shape[1]
        r = self.alpha.shape[1]
        weights, kernel = np.asarray(self.online.weights), np.asarray(self.online.kernel)
        image = np.asarray(self.found.product)[:, r : r + count]
        entry = self.online.entry * math.sqrt(self.problem.size)
        short = self.found.residual(weights, kernel, image, self.problem.shift) + entry
        radius = self.accuracy.solution(self.inverse * (1 + self.accuracy.inverse_diagonal), short)
        lengths = np.sqrt(np.square(kernel).sum(axis=0)) * _UP + entry
        # f(x) = <k_x, A^-1 V>: what alpha misses times |k_x|, and the entries of k_x times |alpha|.
        output_error = (
            lengths[:, None] * (residual / self.accuracy.eigenvalue)[None]
            + (entry + gam(self.problem.size + 8) * lengths)[:, None]
            * np.sqrt(np.square(alpha).sum(axis=0))[None]
        ) * _UP
        best = 0.0
        for x in range(count):
            outputs = kernel[:, x] @ alpha
            moved = outputs[None] - loo * weights[:, x, None]
            error = np.abs(loo_radius * np.abs(weights[:, x, None])).max(axis=1) + (
                (np.abs(loo) + loo_radius).max(axis=1) * radius[:, x]
            )
            change = np.abs(_ramps(moved) - _ramps(outputs[None]))
            doubt = 2 * (2 * output_error[x].max() + error) + 2.0**-40
            best = max(best, float((change.max(axis=1) - doubt).max()))
        return Interval(max(best, 0.0), 1)


def _ramps(outputs: Float64[np.ndarray, "n k"]) -> Float64[np.ndarray, "n k"]:
    """The ramp loss at margin 1 of every label."""
    top = np.partition(outputs, -2, axis=1)
    best, second = top[:, -1:], top[:, -2:-1]
    others = np.where(outputs == best, second, best)
    return np.clip(1 - (outputs - others), 0, 1)


def _quotient_radius(
    value: np.ndarray, radius: np.ndarray, denominator: Float64[np.ndarray, " n"], relative: float
) -> Float64[np.ndarray, "n k"]:
    """|computed - exact| of alpha_i / G_ii, with alpha to `radius` and G_ii to a relative error below 1/4."""
    if not relative < 1:
        return np.full_like(value, np.inf)
    return (np.abs(value) * relative + radius / denominator[:, None]) / (1 - relative) * _UP


def _of(margins: Margins, rows: slice) -> Margins:
    return Margins(lower=margins.lower[rows], upper=margins.upper[rows], traced=margins.traced)
