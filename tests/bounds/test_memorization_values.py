"""Check values of the bound by memorization, and what it certifies without training."""

from fractions import Fraction

import jax
import numpy as np
import pytest
from check_values import agrees, at

import boundcheck as bc


def two_layers(params, x):
    return params["b"] @ jax.nn.relu(params["a"] @ x + params["c"]) + params["d"]


@pytest.mark.parametrize(
    ("n", "delta", "E", "Rad", "printed"),
    [
        (50_000, "1/100", 0, "1/2", "1.013572281"),
        (1000, "1/20", "1/10", "1/4", "0.6774045512"),
    ],
)
def test_check_values(n, delta, E, Rad, printed):
    assert agrees(at("zhang2017-memorization", n=n, delta=delta, E=E, Rad=Rad), printed)


@pytest.mark.parametrize(("units", "verdict"), [(400, "vacuous"), (39, "inconclusive")])
def test_enough_units_are_a_certificate_and_few_are_none(units, verdict):
    rng = np.random.default_rng(units)
    shapes = {"a": (units, 5), "c": units, "b": (3, units), "d": 3}
    params = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    x = rng.normal(size=(400, 5)).astype(np.float32)
    y = np.argmax(jax.vmap(two_layers, (None, 0))(params, x), axis=1)
    run = bc.Run.from_arrays(
        two_layers, params, train=(x, y), test=(x[:50], y[:50]), assume=["iid", "fixed-in-advance"]
    )
    (outcome,) = bc.evaluate(run, bounds=["zhang2017-memorization"], delta=0.05).outcomes
    assert outcome.verdict == verdict
    assert outcome.value is not None
    # 39 units: nine groups of five points on hyperplanes, 45, against 40 by width.
    rad = Fraction(1, 2) if units == 400 else Fraction(45, 800)
    least = at("zhang2017-memorization", n=400, delta="1/20", E=0, Rad=rad).lo
    assert float(outcome.value.lo) == pytest.approx(float(least), rel=1e-12)
