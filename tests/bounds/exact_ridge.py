"""Kernel ridge regression in rational numbers: Gaussian elimination, and every predictor solved for by itself."""

from fractions import Fraction

HALF, QUARTER = Fraction(1, 2), Fraction(1, 4)
GRAM = ((1, HALF, QUARTER), (HALF, 1, HALF), (QUARTER, HALF, 1))
"""Three points whose Gram matrix has a rational inverse."""

SIGNS = ((1,), (-1,), (1,))
CLASSES = (0, 1, 0)
"""Labels of the three points: one output of two signs, or three classes of which the last does not occur."""


def one_hot(labels, k, centred=True):
    shift = Fraction(1, k) if centred else 0
    return tuple(tuple(int(y == c) - shift for c in range(k)) for y in labels)


def solve(matrix, right):
    """X with `matrix` X = `right`, exactly; the matrix is positive definite, so no pivot is 0."""
    rows = [[Fraction(v) for v in (*a, *b)] for a, b in zip(matrix, right, strict=True)]
    n = len(rows)
    for i in range(n):
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for j in range(n):
            if j != i:
                rows[j] = [v - rows[j][i] * w for v, w in zip(rows[j], rows[i], strict=True)]
    return [row[n:] for row in rows]


def dot(a, b):
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def inner(A, B):
    """tr A^T B."""
    return sum((dot(a, b) for a, b in zip(A, B, strict=True)), Fraction(0))


def shifted(gram, mu):
    return [[v + (mu if i == j else 0) for j, v in enumerate(row)] for i, row in enumerate(gram)]


def product(gram, right):
    columns = list(zip(*right, strict=True))
    return [[dot(row, column) for column in columns] for row in gram]


def norm_squared(gram, targets, mu=0):
    """tr V^T (K + mu I)^-1 V."""
    return inner(targets, solve(shifted(gram, mu), targets))


def inverse_trace(gram, mu=0):
    n = len(gram)
    identity = [[int(i == j) for j in range(n)] for i in range(n)]
    return sum(row[i] for i, row in enumerate(solve(shifted(gram, mu), identity)))


def residual(gram, targets, mu, kept, i):
    """Y_i - f(x_i) of the solution on the examples `kept`, solved for from nothing."""
    if not kept:
        return list(targets[i])
    block = [[gram[a][b] for b in kept] for a in kept]
    alpha = solve(shifted(block, mu), [targets[a] for a in kept])
    outputs = product([[gram[i][a] for a in kept]], alpha)[0]
    return [y - f for y, f in zip(targets[i], outputs, strict=True)]


def prefix_residuals(gram, targets, mu=0):
    return [residual(gram, targets, mu, range(t), t) for t in range(len(gram))]


def left_out_residuals(gram, targets, mu=0):
    n = len(gram)
    return [residual(gram, targets, mu, [a for a in range(n) if a != i], i) for i in range(n)]


def removal_norms_squared(gram, targets, mu):
    """|f_S - f_{S-i}|^2 in the Hilbert space, from the coefficients of both."""
    n, changes = len(gram), []
    whole = solve(shifted(gram, mu), targets)
    for i in range(n):
        kept = [a for a in range(n) if a != i]
        block = [[gram[a][b] for b in kept] for a in kept]
        part = dict(zip(kept, solve(shifted(block, mu), [targets[a] for a in kept]), strict=True))
        zero = [0] * len(targets[0])
        change = [[u - v for u, v in zip(whole[a], part.get(a, zero), strict=True)] for a in range(n)]
        changes.append(inner(change, product(gram, change)))
    return changes


def is_mistake(target, left):
    """Whether the outputs `target - left` have no strict maximum where the target has its own; ties count."""
    outputs = [y - r for y, r in zip(target, left, strict=True)]
    own = max(range(len(target)), key=target.__getitem__)
    return any(f >= outputs[own] for c, f in enumerate(outputs) if c != own)
