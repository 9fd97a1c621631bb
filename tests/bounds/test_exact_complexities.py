"""The constants of the norm bounds against Rademacher complexities of four examples, all sign patterns one by one.

A class of networks whose functional is at most 1 has the supremum at one unit of the last hidden layer; the units are those
of a fine grid of weights, which can only make it smaller.
"""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from boundcheck_bounds import margin
from check_values import BOUNDS

from boundcheck.bound import exact_values
from boundcheck.extension import enclose

N, K = 4, 2
ANGLES = np.linspace(0, 2 * np.pi, 481)


def constant(identifier, **numbers):
    """c of the statement, per example."""
    bound = BOUNDS[identifier]
    names = {str(s): s for s in bound.symbols}
    exact = {key: Fraction(v) if isinstance(v, float) else v for key, v in numbers.items()}
    values = exact_values({names[key]: value for key, value in exact.items()})
    return float(enclose(bound.theorem.where[margin.c], values).hi)


def signs():
    return np.array(list(itertools.product((-1, 1), repeat=N * K))).reshape(-1, K, N)


def largest(units):
    """The mean over sign patterns of max over logits and units of |sum_i eps_ij u(x_i)|, over n."""
    return float(np.abs(signs() @ units).max(axis=(1, 2)).mean() / N)


def alike(units):
    """The same where every logit has a k-th of the mass, on one unit for all."""
    return float(np.abs(signs() @ units).sum(axis=1).max(axis=1).mean() / (N * K))


def circle(order):
    """Weights of two inputs with norm 1."""
    w = np.stack([np.cos(ANGLES), np.sin(ANGLES)])
    return w / np.linalg.norm(w, ord=order, axis=0)


def samples():
    rng = np.random.default_rng(11)
    for spread in (0.3, 1.0, 4.0):
        x = rng.normal(size=(N, 4)) * spread
        yield x
        yield np.sign(x) * spread
        yield np.abs(x)


def roots(x):
    return np.sqrt((x**2).mean(axis=0))


@pytest.mark.parametrize("x", list(samples()))
def test_layerwise_constants(x):
    x = x[:, :2]
    shared = {"n": N, "L": 2}
    l1, l2 = (np.maximum(x @ circle(order), 0) for order in (1, 2))
    coordinate = {"x": float(roots(x).max()), "D": 2}
    energy = {"x": float(np.sqrt((x**2).sum(axis=1).mean()))}
    peel = constant("golowich2018-l1", **shared, **coordinate, k=K)
    assert 0.1 * peel < largest(l1) <= peel
    frobenius = constant("golowich2018-frobenius", **shared, **energy, k=K)
    assert 0.1 * frobenius < largest(l2) <= frobenius
    for identifier, units, numbers in (
        ("bartlett2002-l1", l1, coordinate),
        ("golowich2018-l1-published", l1, coordinate),
        ("neyshabur2015-frobenius", l2, energy),
    ):
        c = constant(identifier, **shared, **numbers)
        assert 0.05 * c < alike(units) <= c


def pooled(x, order, biases):
    """max(0, the largest of three windows of two neighbours), each a third of the mass; with biases b of the rest of it."""
    windows = np.stack([x[:, i : i + 2] for i in range(3)], axis=1)
    lines = windows @ circle(order)
    if biases:
        shares = np.linspace(0, 1, 9)
        lines = np.concatenate([(1 - s) * lines + sign * s for s in shares for sign in (1, -1)], axis=2)
    units = np.maximum(lines.max(axis=1), 0) / 3
    return np.concatenate([units, np.ones((N, 1))], axis=1) if biases else units


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("x", list(samples()))
def test_path_norm_constants_of_a_convolution_with_pooling(x, biases):
    """Convolution, ReLU and a pool of three: one stage, 2^ceil(log2 4) = 4."""
    stage = {"n": N, "k": K, "A": (4,), "S": 1, "B": int(biases)}
    patch = max(float(np.sqrt((x[:, i : i + 2] ** 2).sum(axis=1).mean())) for i in range(3))
    l1 = constant("gonon2024-path-norm", **stage, D=4, x=float(roots(x).max()))
    hybrid = constant("gonon2024-path-norm-hybrid", **stage, P=3, x=patch)
    assert 0.05 * l1 < largest(pooled(x, 1, biases)) <= l1
    assert 0.05 * hybrid < largest(pooled(x, 2, biases)) <= hybrid
