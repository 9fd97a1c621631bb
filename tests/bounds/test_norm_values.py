"""Check values of the bounds on products of norms and on path norms, and the orders between them that are theorems."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from boundcheck_bounds import margin
from check_values import BOUNDS, agrees, at

from boundcheck import Run
from boundcheck.bound import exact_values
from boundcheck.evaluation import evaluate_bound
from boundcheck.extension import enclose
from boundcheck.quantities.study import Study

FIRST = {"n": 50_000, "delta": "1/20", "gamma": 1, "R": "1/100"}
SECOND = {"n": 10_000, "delta": "1/100", "gamma": 1, "R": "1/20"}
RMS_200, RMS_50 = "200/sqrt(50000)", "50/sqrt(10000)"
MLP_3 = {**FIRST, "k": 10, "L": 3, "D": 784, "x": RMS_200}
MLP_8 = {**SECOND, "k": 2, "L": 8, "D": 3072, "x": RMS_50}


def product(family, ratio, k_inside, numbers):
    """Norms whose product over the margin is `ratio`; the bound may multiply by k itself."""
    ones = (1,) * numbers["L"]
    return {**numbers, family: ones, "w": Fraction(ratio) / (numbers["k"] if k_inside else 1)}


CASES = [
    ("bartlett2002-l1", product("W", 1000, True, MLP_3), "0.06137645131", "251.4432604"),
    ("bartlett2002-l1", product("W", "3/10", True, MLP_8), "2.673213620", "3.595395349"),
    ("golowich2018-l1-published", product("W", 1000, True, MLP_3), "0.02612512540", "107.0538295"),
    ("golowich2018-l1-published", product("W", "3/10", True, MLP_8), "0.04126752245", "0.1821835439"),
    ("golowich2018-l1", product("W", 1000, False, MLP_3), "0.01880122179", "77.05512032"),
    ("golowich2018-l1", product("W", "3/10", False, MLP_8), "0.02670993141", "0.1633046840"),
    (
        "gonon2024-path-norm",
        {**FIRST, "k": 10, "r": 1000, "x": 1, "D": 784, "B": 1, "A": (4,), "S": 1},
        "0.02102161778",
        "86.14986228",
    ),
    (
        "gonon2024-path-norm",
        {**SECOND, "k": 2, "r": "3/10", "x": 1, "D": 3072, "B": 1, "A": (480,), "S": 1},
        "0.05583993200",
        "0.2010816210",
    ),
    (
        "gonon2024-path-norm-hybrid",
        {**FIRST, "k": 10, "r": 1000, "x": "300/sqrt(50000)", "P": 1024, "B": 1, "A": (16,), "S": 1},
        "0.03540321008",
        "145.0568643",
    ),
    (
        "gonon2024-path-norm-hybrid",
        {**SECOND, "k": 2, "r": "3/10", "x": 1, "P": 256, "B": 1, "A": (40,), "S": 1},
        "0.05456703427",
        "0.1994308769",
    ),
]
# One constant for both: their functionals differ.
CASES += [("galanti2023-convolutional", *case[1:]) for case in CASES if case[0].endswith("hybrid")]
FROBENIUS = [
    (
        {**FIRST, "k": 10, "L": 3, "x": "2000/sqrt(50000)", "F": (1, 1, 1), "w": 100},
        "0.1600000000",
        "655.4053158",
    ),
    (
        {**SECOND, "k": 2, "L": 8, "x": "1000/sqrt(10000)", "F": (1,) * 8, "w": "15/100"},
        "12.80000000",
        "16.72821249",
    ),
]
CASES += [("neyshabur2015-frobenius", *case) for case in FROBENIUS]


@pytest.mark.parametrize(("identifier", "numbers", "c_printed", "printed"), CASES)
def test_check_value(identifier, numbers, c_printed, printed):
    assert agrees(at(identifier, **numbers), printed)
    bound = BOUNDS[identifier]
    names = {str(s): s for s in bound.symbols}
    values = exact_values({names[key]: value for key, value in numbers.items()})
    assert agrees(enclose(bound.theorem.where[margin.c], values), c_printed)


@pytest.mark.parametrize(
    ("numbers", "printed"),
    [
        (
            {
                "n": 50_000,
                "gamma": 10,
                "R": "1/100",
                "k": 10,
                "r": 100,
                "x": 1,
                "d": 784,
                "D": 3,
                "P": 0,
                "K": 1,
            },
            "0.9347777840",
        ),
        (
            {
                "n": 10_000,
                "gamma": 10,
                "R": "1/20",
                "k": 10,
                "r": 3,
                "x": 1,
                "d": 3072,
                "D": 8,
                "P": 1,
                "K": 9,
            },
            "0.1595917176",
        ),
    ],
)
def test_published_path_norm_bound(numbers, printed):
    assert agrees(at("gonon2024-path-norm-published", **numbers), printed)


@pytest.mark.parametrize(
    ("numbers", "printed"),
    [
        (
            {"n": 50_000, "delta": "1/20", "k": 10, "x": "100/sqrt(50000)"}
            | {"F": (10, 1, 1, 1), "K": (9, 9, 9, 1), "M": 9, "L": 4},
            "10.55491606",
        ),
        (
            {"n": 10_000, "delta": "1/100", "k": 2, "x": "20/sqrt(10000)"}
            | {"F": (1, "1/4", 2), "K": (4, 4, 1), "M": 4, "L": 3},
            "0.2169612232",
        ),
    ],
)
def test_published_kernel_norm_bound(numbers, printed):
    """The gap alone, at margin 1 and no empirical error; then both move the value as they should."""
    assert agrees(at("galanti2023-convolutional-published", gamma=1, R=0, **numbers), printed)
    norms = (2 * Fraction(numbers["F"][0]), *numbers["F"][1:])
    moved = at("galanti2023-convolutional-published", gamma=2, R="1/4", **{**numbers, "F": norms})
    assert agrees(moved - Fraction(1, 4), printed)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_hybrid_constant_is_that_of_golowich_on_a_chain_without_biases(depth):
    """With one patch, no biases and a factor 2 a stage the two theorems have the same constant."""
    shared = {"n": 4000, "delta": "1/20", "gamma": 2, "R": "1/10", "k": 7, "x": "3/2"}
    hybrid = at("gonon2024-path-norm-hybrid", **shared, r=8, P=1, B=0, A=(2,) * (depth - 1), S=depth - 1)
    chain = at("golowich2018-frobenius", **shared, w=8, F=(1,) * depth, L=depth)
    assert float(hybrid.lo) == pytest.approx(float(chain.hi), rel=1e-14)
    assert not hybrid < chain
    assert not hybrid > chain


def random_run(widths, seed, scale=1.0):
    """A chain without biases on random examples."""
    rng = np.random.default_rng(seed)
    params = [(scale * rng.normal(size=(b, a)) / np.sqrt(a)).astype(np.float32) for a, b in pairwise(widths)]

    def f(params, x):
        import jax.numpy as jnp

        for w in params[:-1]:
            x = jnp.maximum(w @ x, 0)
        return params[-1] @ x

    x = rng.normal(size=(60, widths[0])).astype(np.float32)
    y = rng.integers(0, widths[-1], 60)
    return Run.from_arrays(
        f, params, train=(x[:40], y[:40]), test=(x[40:], y[40:]), assume=("iid", "fixed-in-advance")
    )


@pytest.mark.parametrize("seed", range(4))
def test_on_a_chain_the_hybrid_path_norm_is_never_worse_than_the_products(seed):
    widths = [(5, 8, 3), (6, 7, 9, 4), (4, 5, 6, 5, 3), (10, 30, 2)][seed]
    study = Study(random_run(widths, seed), Fraction(1, 20))
    values = {
        i: evaluate_bound(BOUNDS[i], study, "").value
        for i in (
            "golowich2018-frobenius",
            "gonon2024-path-norm-hybrid",
            "golowich2018-l1",
            "gonon2024-path-norm",
            "golowich2018-l1-published",
            "galanti2023-convolutional",
        )
    }
    # On dense layers the kernel norms are the Frobenius norms.
    assert float(values["galanti2023-convolutional"].lo) == pytest.approx(
        float(values["golowich2018-frobenius"].hi), rel=1e-9
    )
    assert values["gonon2024-path-norm-hybrid"].lo <= values["golowich2018-frobenius"].hi
    assert values["gonon2024-path-norm"].lo <= values["golowich2018-l1"].hi
    assert values["golowich2018-l1"].lo <= values["golowich2018-l1-published"].hi
