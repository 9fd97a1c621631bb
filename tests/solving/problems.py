"""Small problems, and their solutions at 300 bits by another way: every predictor is solved for from the beginning."""

from __future__ import annotations

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from flint import arb, arb_mat, ctx

from boundcheck import Interval
from boundcheck.solving.kernels import Gaussian, Gram
from boundcheck.solving.problem import Problem

BITS = 300

FIRST = [
    [1, Fraction(1, 2), Fraction(1, 4)],
    [Fraction(1, 2), 1, Fraction(1, 2)],
    [Fraction(1, 4), Fraction(1, 2), 1],
]


class Given(Gram):
    """A kernel on the points 0..n-1 by its matrix, whose entries are floats."""

    def __init__(self, matrix):
        self.matrix = jnp.asarray(np.array(matrix, np.float64))
        self.rows = jnp.eye(len(self.matrix), dtype=jnp.float64)
        self.entry_error = 0.0

    def represent(self, inputs):
        return jnp.eye(len(self.matrix), dtype=jnp.float64)[np.asarray(inputs, int).reshape(-1)]

    def between(self, a, b):
        return a @ self.matrix @ b.T

    def diagonal(self):
        return jnp.diagonal(self.matrix)

    def error_at(self, points):
        return np.zeros(len(points))

    def largest_at(self, points):
        return np.full(len(points), float(self.matrix.max()))

    def error_squares(self, i, j, block):
        return 0.0


def given(matrix, labels, classes, shift=0.0):
    with jax.enable_x64(True):
        return Problem(
            gram=Given(matrix),
            shift=shift,
            labels=[np.array(labels)],
            classes=classes,
            tests=np.arange(len(labels)),
            test_labels=[np.array(labels)],
            kernel_bound=Interval(1),
            features_fixed=True,
        )


def gaussian(rng, *, n=40, m=7, d=3, classes=3, bandwidth=0.7, shift=0.0, labellings=1):
    """Random points with random labels: nothing interpolates them by chance."""
    x, tests = (rng.normal(size=(size, d)).astype(np.float32) for size in (n, m))
    with jax.enable_x64(True):
        gram = Gaussian(x, bandwidth)
    problem = Problem(
        gram=gram,
        shift=shift,
        labels=[rng.integers(0, classes, n) for _ in range(labellings)],
        classes=classes,
        tests=tests,
        test_labels=[rng.integers(0, classes, m) for _ in range(labellings)],
        kernel_bound=Interval(1),
        features_fixed=True,
    )
    return problem, x


class Exactly:
    """The same problem in ball arithmetic. `x`: the points of a Gaussian kernel; else the matrix is taken as it is."""

    def __init__(self, problem, which=0, x=None, bandwidth=None):
        ctx.prec = BITS
        self.k, self.labels = problem.classes, problem.labels[which]
        self.n, self.shift = problem.size, arb(problem.shift)
        self.x, self.bandwidth = x, bandwidth
        if x is None:
            matrix = np.asarray(problem.gram.matrix)
            self.kernel = [[arb(float(entry)) for entry in row] for row in matrix]
        else:
            self.kernel = [[self.entry(a, b) for b in x] for a in x]

    def entry(self, a, b):
        squares = sum(((arb(float(p)) - arb(float(q))) ** 2 for p, q in zip(a, b, strict=True)), arb(0))
        return (-squares / (2 * arb(self.bandwidth) ** 2)).exp()

    def target(self, i, c):
        return arb(int(self.labels[i] == c)) - arb(1) / self.k

    def solve(self, keep):
        """alpha on these examples, a matrix [len(keep), k], of exactly these examples."""
        a = arb_mat([[self.kernel[i][j] + (self.shift if i == j else 0) for j in keep] for i in keep])
        return a.solve(arb_mat([[self.target(i, c) for c in range(self.k)] for i in keep]))

    def outputs(self, keep, kernel_row):
        """The predictor on these examples, at a point with these values of the kernel."""
        if not keep:
            return [arb(0)] * self.k
        alpha = self.solve(keep)
        return [
            sum((kernel_row[i] * alpha[row, c] for row, i in enumerate(keep)), arb(0)) for c in range(self.k)
        ]

    def norm_squared(self):
        everything = list(range(self.n))
        alpha = self.solve(everything)
        return sum((alpha[i, c] * self.target(i, c) for i in everything for c in range(self.k)), arb(0))

    def left_out(self):
        """Leave-one-out outputs [n][k]."""
        return [self.outputs([j for j in range(self.n) if j != i], self.kernel[i]) for i in range(self.n)]

    def online(self):
        """Outputs on each example of the predictor on those before it."""
        return [self.outputs(list(range(t)), self.kernel[t]) for t in range(self.n)]

    def inverse_trace(self):
        a = arb_mat(
            [
                [self.kernel[i][j] + (self.shift if i == j else 0) for j in range(self.n)]
                for i in range(self.n)
            ]
        )
        return sum((a.inv()[i, i] for i in range(self.n)), arb(0))


def wrong(outputs, label):
    """Whether the label has no strict maximum; None where the balls overlap."""
    gaps = [outputs[label] - o for c, o in enumerate(outputs) if c != label]
    if all(gap > 0 for gap in gaps):
        return False
    return True if any(gap <= 0 for gap in gaps) else None


def errors(outputs, labels):
    """Whether each example is wrong, every one of them decided."""
    found = [wrong(o, y) for o, y in zip(outputs, labels, strict=True)]
    assert None not in found
    return [bool(flag) for flag in found]
