"""Check values of the bounds on spectral norms along a graph, of Gaussian noise and of parameter counts, and of published forms."""

import math
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from boundcheck_bounds import (
    gaussian,
    long2020_parameter_count,
    neyshabur2018_pac_bayes_published,
    spectral_cover,
)
from check_values import BOUNDS, agrees, at
from hypothesis import given
from hypothesis import strategies as st

from boundcheck import Interval, Run
from boundcheck.bound import exact_values
from boundcheck.evaluation import evaluate_bound
from boundcheck.extension import enclose
from boundcheck.functions import Ceil, CeilIndex, FloorIndex, Harmonic, Larger, NetIntegral, Within
from boundcheck.quantities.study import Study

FIRST = {"n": 50_000, "delta": "1/20", "gamma": 10, "R": "1/100", "x": "2000/sqrt(50000)"}
SECOND = {"n": 10_000, "delta": "1/100", "gamma": 1, "R": 0, "x": 10}

PUBLISHED = [
    (
        "bartlett2017-spectral-published",
        {**FIRST, "L": 3, "W": 1024, "rho": (1, 1, 1), "s": (2, 3, "3/2"), "b": (10, 12, 4)},
        "4275.606854",
    ),
    (
        "bartlett2017-spectral-published",
        {**SECOND, "L": 2, "W": 3072, "rho": (1, 2), "s": ("1/10", "1/20"), "b": ("1/100", "1/50")},
        "3.866384144",
    ),
    (
        "graf2022-convolutional-published",
        {**FIRST, "L": 3, "W": 200_704, "s": (2, 3, "3/2"), "b": (10, 12, 4)},
        "2911.264499",
    ),
    (
        "graf2022-convolutional-published",
        {**SECOND, "L": 2, "W": 432, "s": ("1/10", "1/10"), "b": ("1/100", "1/50")},
        "17.32598458",
    ),
]
NOISE_1 = {
    "n": 50_000,
    "delta": "1/20",
    "gamma": 10,
    "R": "1/100",
    "B": 9,
    "L": 3,
    "h": 784,
    "s": (2, 3, "3/2"),
    "F": (5, 6, 2),
}
NOISE_2 = {
    "n": 10**9,
    "delta": "1/100",
    "gamma": 1,
    "R": 0,
    "B": 1,
    "L": 2,
    "h": 27,
    "s": (1, 1),
    "F": ("1/100", "1/50"),
}
PUBLISHED += [
    ("neyshabur2018-pac-bayes-published", NOISE_1, "10307.65411"),
    ("neyshabur2018-pac-bayes-published", NOISE_2, "0.005540859474"),
]


@pytest.mark.parametrize(("identifier", "numbers", "printed"), PUBLISHED)
def test_published_form(identifier, numbers, printed):
    assert agrees(at(identifier, **numbers), printed)


def part(identifier, name, numbers):
    """A named part of a statement at numbers."""
    bound = BOUNDS[identifier]
    names = {str(s): s for s in bound.symbols}
    values = exact_values({names[key]: value for key, value in numbers.items()})
    return next(value for symbol, _, value in bound.theorem.enclose_where(values) if symbol == name)


def test_parts_of_the_published_forms():
    identifier, numbers, _ = PUBLISHED[0]
    RA = next(iter(BOUNDS[identifier].theorem.where))
    assert agrees(part(identifier, RA, numbers), "179.9558915")
    assert agrees(part(identifier, RA, PUBLISHED[1][1]), "0.006603661024")
    identifier, numbers, _ = PUBLISHED[2]
    Rad = next(iter(BOUNDS[identifier].theorem.where))
    assert agrees(part(identifier, Rad, numbers), "1455.618139")
    assert agrees(part(identifier, Rad, PUBLISHED[3][1]), "8.638577933")
    K = neyshabur2018_pac_bayes_published.K
    assert agrees(part("neyshabur2018-pac-bayes-published", K, NOISE_1) / 10**11, "3.320168817")
    assert agrees(part("neyshabur2018-pac-bayes-published", K, NOISE_2), "1891.700035")


# Gaussian noise -------------------------------------------------------------------------------------------------------

CHAIN_1 = {
    "n": 50_000,
    "delta": "1/20",
    "R": "1/100",
    "M": 3,
    "w": (1, 1, 1),
    "d": (5, 6, 2),
    "s": (2, 3, "3/2"),
    "a": (9, 18, 54),
    "Lambda": ("9/2", "3/2", 1),
    "h": (784, 256, 256),
    "D": (1040, 512, 266),
}
CHAIN_2 = {
    "n": 10**9,
    "delta": "1/100",
    "gamma": 1,
    "R": 0,
    "M": 2,
    "w": (1, 1),
    "d": ("1/100", "1/50"),
    "s": (1, 1),
    "a": (1, 1),
    "Lambda": (2, 2),
    "h": (27, 16),
    "D": (1000, 26),
}


def test_noise_with_a_margin_that_is_not_on_the_grid():
    """Only effect over margin counts: a tenth of every effect at margin 1, with the price of index 27."""
    numbers = {**CHAIN_1, "gamma": 1, "Lambda": ("9/20", "3/20", "1/10")}
    m = part("neyshabur2018-pac-bayes", gaussian.m[gaussian.i], numbers)
    assert [v.integers() for v in m] == [(104, 104), (99, 99), (110, 110)]
    KL = part("neyshabur2018-pac-bayes", gaussian.K, numbers)
    assert agrees(KL, "1726370291")
    price = part("neyshabur2018-pac-bayes", gaussian.Pi, numbers) - Interval(3).log() + Interval(1218).log()
    assert agrees(price, "36.28707999")
    expression = gaussian.value.subs({gaussian.K: gaussian.v.label, gaussian.Pi: gaussian.u.label})
    values = {
        gaussian.v.label: KL,
        gaussian.u.label: price,
        gaussian.n: Interval(50_000),
        gaussian.delta: Interval(1) / 20,
        gaussian.R: Interval(1) / 100,
    }
    assert agrees(enclose(expression, values), "138.5087097")


def test_noise_where_it_says_something():
    assert agrees(part("neyshabur2018-pac-bayes", gaussian.K, CHAIN_2), "68.24711101")
    assert agrees(part("neyshabur2018-pac-bayes", gaussian.Pi, CHAIN_2), "19.17504518")
    assert agrees(at("neyshabur2018-pac-bayes", **CHAIN_2), "0.0002356123109")
    assert at("neyshabur2018-pac-bayes-initial", **CHAIN_2) == at("neyshabur2018-pac-bayes", **CHAIN_2)


def noise_by_hand(numbers, gamma):
    """The value in floating point, from the definitions; KL, and KL without grid and caps."""
    f: dict[str, Any] = {
        k: [float(Fraction(x)) for x in v] if isinstance(v, tuple) else float(Fraction(v))
        for k, v in numbers.items()
    }
    M, eta, n = int(f["M"]), 0.1, f["n"]
    grid = 2 ** (math.floor(8 * math.log2(gamma)) / 8)
    ell = sum(f["w"])
    q, tau = [], []
    for i in range(M):
        h = f["h"][i]
        t = math.sqrt(2 * h * math.log(M * f["D"][i] / eta))
        tau.append(t if f["w"][i] else math.sqrt(h) + math.sqrt(2 * math.log(M / eta)))
        q.append(math.e * f["Lambda"][i] * f["a"][i] * tau[-1])
    S = sum((d * x) ** (2 / 3) for d, x in zip(f["d"], q, strict=True))
    KL, price = 0.0, 0.0
    for i in range(M):
        sigma = grid / (2 * math.sqrt(2)) * (f["d"][i] ** 2 / q[i]) ** (1 / 3) / S
        if f["w"][i]:
            sigma = min(sigma, f["s"][i] / (ell * tau[i]))
        m = math.ceil(-8 * math.log2(sigma))
        KL += f["d"][i] ** 2 / 2 * 2 ** (m / 4)
        price += math.log(3 * (abs(m) + 1) * (abs(m) + 2) / 2)
        assert 2 ** (-m / 8) <= sigma * (1 + 1e-12)
    j = round(8 * math.log2(grid))
    price += math.log(3 * (abs(j) + 1) * (abs(j) + 2) / 2)
    entropy = -eta * math.log(eta) - (1 - eta) * math.log(1 - eta)
    inside = (
        (KL + entropy) / (1 - eta) + math.log(2 * math.sqrt(n) / float(Fraction(numbers["delta"]))) + price
    )
    return f["R"] + math.sqrt(inside / (2 * n)), KL, 4 * S**3 / gamma**2


numbers_of_groups = st.lists(
    st.tuples(*(st.integers(1, 4000).map(lambda k: Fraction(k, 64)) for _ in range(4)), st.integers(0, 1)),
    min_size=1,
    max_size=5,
)


@given(numbers_of_groups, st.integers(1, 2000).map(lambda k: Fraction(k, 8) + Fraction(1, 1000)))
def test_noise_against_a_second_implementation(groups, gamma):
    d, s, a, effects, flags = zip(*groups, strict=True)
    if not any(flags):
        flags = (1,) * len(groups)
    numbers = {
        "n": 5000,
        "delta": "1/20",
        "R": "1/8",
        "M": len(groups),
        "w": flags,
        "d": d,
        "s": tuple(x if flag else 1 for x, flag in zip(s, flags, strict=True)),
        "a": a,
        "Lambda": effects,
        "h": (20,) * len(groups),
        "D": (50,) * len(groups),
    }
    value = at("neyshabur2018-pac-bayes", gamma=gamma, **numbers)
    expected, KL, least = noise_by_hand(numbers, float(gamma))
    assert float(value.lo) == pytest.approx(expected, rel=1e-9)
    assert float(value.hi) == pytest.approx(expected, rel=1e-9)
    assert least <= KL * (1 + 1e-12)


@given(st.lists(st.floats(0.01, 0.4), min_size=12, max_size=12), st.floats(0, 0.3))
def test_no_point_of_a_box_of_norms_falls_outside(shifts, width):
    """The step of the grid included, where a larger distance has a smaller divergence."""

    def box(values, by):
        return tuple(Interval(float(Fraction(v))) * by for v in values)

    bound = BOUNDS["neyshabur2018-pac-bayes"]
    names = {str(s): s for s in bound.symbols}
    fixed = {k: v for k, v in CHAIN_1.items() if k not in ("d", "s", "a", "Lambda")}
    values = exact_values({names[k]: v for k, v in ({**fixed, "gamma": 8}).items()})
    around, inside = dict(values), dict(values)
    for place, key in enumerate(("d", "s", "a", "Lambda")):
        around[names[key]] = box(CHAIN_1[key], Interval(1 - width, 1 + width))
        inside[names[key]] = tuple(
            v * (1 + width * math.cos(40 * shifts[3 * place + i]))
            for i, v in enumerate(box(CHAIN_1[key], Interval(1)))
        )
    assert bound.theorem.enclose(around).contains(bound.theorem.enclose(inside))


def test_wide_norms_cost_little_more_than_a_step_of_the_grid():
    """A naive interval evaluation of the noise loses several steps."""
    numbers = {**CHAIN_1, "gamma": 8}
    bound = BOUNDS["neyshabur2018-pac-bayes"]
    names = {str(s): s for s in bound.symbols}
    values = exact_values({names[k]: v for k, v in numbers.items()})
    wide = values | {names["Lambda"]: tuple(v * Interval(0.5, 1.0) for v in values[names["Lambda"]])}
    point = bound.theorem.enclose(values)
    ratio = float(bound.theorem.enclose(wide).hi) / float(point.hi)
    assert 1 <= ratio <= 2 ** (1 / 8) * 1.01


def test_the_inequality_of_maurer_holds_for_every_size():
    """xi(n) <= 2 sqrt(n): by computation up to 7, where the proof ends, and beyond."""
    for n in range(1, 60):
        xi = sum(
            Fraction(math.comb(n, k)) * Fraction(k, n) ** k * Fraction(n - k, n) ** (n - k)
            for k in range(n + 1)
        )
        assert xi**2 <= 4 * n
    assert 2 + math.exp(1 / 96) * math.sqrt(math.pi * 8 / 2) <= 2 * math.sqrt(8)


# Parameter counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "price", "rad", "printed"),
    [
        (
            {
                "n": 50_000,
                "delta": "1/20",
                "gamma": 1,
                "R": "1/100",
                "G": 3,
                "w": (1, 1, 1),
                "W": (200_000, 65_000, 2560),
                "s": (1, 1, 1),
                "b": (10, 12, 4),
                "Lambda": ("9/20", "3/20", "1/10"),
                "a": ("2000/sqrt(50000)", "4000/sqrt(50000)", "12000/sqrt(50000)"),
            },
            60,
            "19.82388960",
            "39.73348917",
        ),
        (
            {
                "n": 10**6,
                "delta": "1/100",
                "gamma": 1,
                "R": 0,
                "G": 2,
                "w": (1, 1),
                "W": (20, 10),
                "s": (1, 1),
                "b": ("1/100", "1/50"),
                "Lambda": ("1/10", 1),
                "a": (3, "1/10"),
            },
            40,
            "0.007890759291",
            "0.03005885826",
        ),
    ],
)
def test_parameter_count_without_rounding(numbers, price, rad, printed):
    lp = long2020_parameter_count
    bound = BOUNDS["long2020-parameter-count"]
    names = {str(s): s for s in bound.symbols}
    values = exact_values({names[k]: v for k, v in numbers.items()})
    rounded = {lp.u[lp.i]: lp.where[lp.u[lp.i]], lp.Rad: lp.where[lp.Rad]}
    expression = lp.Rad
    expression = expression.subs(lp.Rad, rounded[lp.Rad])
    expression = expression.replace(
        lambda x: getattr(x, "base", None) == lp.u,
        lambda x: rounded[lp.u[lp.i]].xreplace({lp.i: x.indices[0], lp.b_up[lp.i]: lp.b[x.indices[0]]}),
    )
    Rad = enclose(expression, values | {lp.gamma_down: Interval(1)})
    assert agrees(Rad, rad)
    value = lp.theorem().value.subs(lp.Rad, lp.u.label).subs(lp.Pi, lp.price.label)
    more = {lp.u.label: Rad, lp.price.label: Interval(price)}
    assert agrees(enclose(value, values | more), printed)


@given(st.floats(1e-8, 1e8))
def test_the_mean_logarithm_of_a_net(u):
    """Against the integral, by quadrature; and nondecreasing."""
    value = NetIntegral.enclose(Interval(u))
    with mpmath.workdps(20):
        x = mpmath.mpf(u)
        cut = [0, *[c for c in (1e-8, 1e-4, 1e-2, 0.1) if c < 1], 1]
        integral = mpmath.quad(lambda t: mpmath.log(1 + x / t), cut)
    assert float(value.lo) == pytest.approx(float(integral), rel=1e-6)
    assert NetIntegral.enclose(Interval(u, 2 * u)).contains(value)
    assert NetIntegral.enclose(Interval(u)) < NetIntegral.enclose(Interval(2 * u))
    assert NetIntegral.enclose(Interval(0)) == Interval(0)


# The functions --------------------------------------------------------------------------------------------------------


def test_harmonic_numbers_are_sums():
    total = Fraction(0)
    for n in range(40):
        assert Harmonic.enclose(Interval(n)).contains(total)
        assert Harmonic.enclose(Interval(n, n + 1)).contains(total + Fraction(1, n + 1))
        total += Fraction(1, n + 1)
    assert float(Harmonic.enclose(Interval(40)).hi - Harmonic.enclose(Interval(40)).lo) < 1e-30


@given(st.fractions(Fraction(1, 1000), 1000))
def test_ceilings_and_indices(t):
    assert Ceil.enclose(Interval(t)).contains(math.ceil(t))
    low, high = CeilIndex.enclose(Interval(t)).integers()
    assert low == high
    assert Fraction(2) ** low >= t**8
    assert t**8 > Fraction(2) ** (low - 1)
    floor = FloorIndex.enclose(Interval(t)).integers()[0]
    assert floor in (low, low - 1)
    assert CeilIndex.enclose(Interval(0)) == Interval(-math.inf)
    assert Larger.enclose(Interval(t), Interval(1, 3)) == Interval(max(t, 1), max(t, 3)) or t.denominator > 1


def test_within_takes_the_better_of_two_ends():
    x = Interval(1, 9)
    assert Within.enclose(x, Interval(2, 3), Interval(5, 7)) == Interval(2, 7)
    assert Within.enclose(x, Interval(0), Interval(50)) == x
    assert Within.enclose(Interval(4), Interval(3), Interval(8)) == Interval(4)


# Along the graph ------------------------------------------------------------------------------------------------------


def test_the_graph_example_is_that_of_the_chain():
    assert at("bartlett2017-spectral-graph", **of_example()) == at(
        "bartlett2017-spectral-graph-initial", **of_example()
    )
    chain = BOUNDS["bartlett2017-spectral"].example_value()
    assert agrees(BOUNDS["bartlett2017-spectral-graph"].example_value(), "129.1854155")
    assert float(chain.hi) == pytest.approx(
        float(BOUNDS["bartlett2017-spectral-graph"].example_value().hi), rel=1e-15
    )


def of_example():
    return {str(s): v for s, v in BOUNDS["bartlett2017-spectral-graph"].example.values.items()}


def test_rounded_inputs_of_the_cover():
    """C at given r and Lambda, no grid: the first check value of Theorem 1."""
    sc = spectral_cover
    theorem = BOUNDS["bartlett2017-spectral-graph"].theorem
    C = theorem.where[sc.C]
    Q = theorem.where[sc.Q[sc.i]]
    C = C.replace(
        lambda x: getattr(x, "base", None) == sc.Q, lambda x: Q.xreplace({sc.i: x.indices[0]})
    ).xreplace({})
    root = Interval(50_000).sqrt()
    values = {
        sc.n: Interval(50_000),
        sc.gamma_down: Interval(10),
        sc.L: Interval(3),
        sc.p: tuple(map(Interval, (784 * 256, 256 * 256, 256 * 10))),
        sc.b_up: tuple(map(Interval, (10, 12, 4))),
        sc.beta_up: tuple(map(Interval, (0, 0, 0))),
        sc.r: tuple(Interval(x) / root for x in (2000, 4000, 12_000)),
        sc.Lam: tuple(Interval(Fraction(x)) for x in ("9/2", "3/2", "1")),
    }
    assert agrees(enclose(C, values), "241789.5893")


def run_of(f, shapes, at_shape, seed=0, n=40):
    rng = np.random.default_rng(seed)
    draw = lambda k: [  # noqa: E731
        (np.random.default_rng(1000 * k + i).normal(size=s) / math.sqrt(s[-1])).astype(np.float32)
        for i, s in enumerate(shapes)
    ]
    x = rng.normal(size=(n, *at_shape)).astype(np.float32)
    y = rng.integers(0, 3, n)
    return Run.from_arrays(
        f,
        draw(1),
        init_params=draw(2),
        train=(x, y),
        test=(x[:9], y[:9]),
        assume=("iid", "fixed-in-advance"),
    )


def biased_chain(p, x):
    h = jax.nn.relu(p[0] @ x + p[1])
    return p[4] @ jax.nn.leaky_relu(p[2] @ h + p[3], 2.0) + p[5]


def blocks(p, x):
    h = jax.nn.relu(p[0] @ x + p[1])
    for k in (2, 4):
        h = jax.nn.relu(h + p[k + 1] @ jax.nn.relu(p[k] @ h))
    return p[6] @ jnp.concatenate([h, jax.nn.relu(p[7] @ h), jax.nn.relu(p[8] @ h)])


@pytest.mark.parametrize("reference", ["", "-initial"])
def test_on_a_chain_the_graph_gives_the_same_number(reference):
    study = Study(run_of(biased_chain, [(7, 5), (7,), (6, 7), (6,), (3, 6), (3,)], (5,)), Fraction(1, 20))
    chain = evaluate_bound(BOUNDS[f"bartlett2017-spectral{reference}"], study, "").value
    graph = evaluate_bound(BOUNDS[f"bartlett2017-spectral-graph{reference}"], study, "").value
    assert float(graph.lo) == pytest.approx(float(chain.lo), rel=1e-15)
    assert float(graph.hi) == pytest.approx(float(chain.hi), rel=1e-15)


@pytest.mark.parametrize("reference", ["", "-initial"])
def test_with_skips_the_graph_gives_a_smaller_one(reference):
    shapes = [(6, 5), (6,), (6, 6), (6, 6), (6, 6), (6, 6), (3, 14), (4, 6), (4, 6)]
    study = Study(run_of(blocks, shapes, (5,)), Fraction(1, 20))
    chain = evaluate_bound(BOUNDS[f"bartlett2017-spectral{reference}"], study, "").value
    graph = evaluate_bound(BOUNDS[f"bartlett2017-spectral-graph{reference}"], study, "").value
    # Of the chain's norms of sums only the upper ends are sharp.
    assert float(graph.hi) < 0.95 * float(chain.hi)


@pytest.mark.parametrize("identifier", ["bartlett2017-spectral-graph", "long2020-parameter-count"])
def test_a_network_that_begins_and_ends_with_a_nonlinearity_has_a_value(identifier):
    study = Study(run_of(lambda p, x: jnp.tanh(p[0] @ jax.nn.relu(x)), [(3, 5)], (5,)), Fraction(1, 20))
    outcome = evaluate_bound(BOUNDS[identifier], study, "")
    assert outcome.verdict.value == "vacuous", outcome.reasons
