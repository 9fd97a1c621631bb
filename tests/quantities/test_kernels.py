"""What bounds on kernel norms ask of a run: taps, pixels, and the number that both ends of a bound come from."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from check_values import BOUNDS
from independent import normal
from jax import lax

from boundcheck import Interval, Run, quantities
from boundcheck.evaluation import evaluate_bound
from boundcheck.quantities.study import Study

SHAPE = (24, 24, 3)


def conv(x, w, stride):
    dims = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x[None], w, (stride, stride), "SAME", dimension_numbers=dims)[0]


def plain(p, x):
    h = jax.nn.relu(conv(x, p[0], 2))
    return p[2] @ jax.nn.relu(conv(h, p[1], 2)).reshape(-1)


def transposed(p, x):
    """Channels first, as other frameworks keep them."""
    return plain(p, jnp.transpose(x, (1, 2, 0)))


def study(f=plain, shape=SHAPE, biased=False):
    params = [normal(5, 5, 3, 8, seed=0), normal(3, 2, 8, 6, seed=1), normal(4, 216, seed=2)]
    x = (
        np.random.default_rng(5).normal(size=(30, *shape)).astype(np.float32)
        * np.linspace(0.1, 2, shape[1])[:, None]
    )
    y = np.arange(30) % 4
    g = (lambda p, x: f(p, x) + p[3]) if biased else f
    run = Run.from_arrays(
        g,
        [*params, normal(4, seed=3)] if biased else params,
        train=(x[:20], y[:20]),
        test=(x[20:], y[20:]),
        assume=("iid", "fixed-in-advance"),
    )
    return Study(run, Fraction(1, 20)), x[:20].astype(np.float64)


def test_taps_of_convolutions_and_dense_layers():
    found = study()[0]
    taps = found.measure(quantities.kernel_taps).value
    assert [float(t.lo) for t in taps] == [float(t.hi) for t in taps] == [25, 6, 1]
    assert found.measure(quantities.largest_kernel).value == Interval(25)


def test_a_pixel_is_a_position_with_all_its_channels():
    found, x = study()
    exact = np.sqrt((x**2).sum(axis=3).mean(axis=0).max())
    value = found.measure(quantities.rms_pixel).value
    assert float(value.lo) <= exact * (1 + 1e-14)
    assert exact * (1 - 1e-14) <= float(value.hi) <= float(value.lo) * (1 + 1e-12)


def test_pixels_and_patches_do_not_depend_on_the_order_of_the_axes():
    found, x = study(transposed, (3, 24, 24))
    exact = np.sqrt((x**2).sum(axis=1).mean(axis=0).max())
    assert float(found.measure(quantities.rms_pixel).value.hi) == pytest.approx(exact, rel=1e-12)
    padded = np.pad((x**2).mean(axis=0).sum(axis=0), 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5)).sum(axis=(2, 3))
    # SAME with stride 2 on 24 positions starts one position outside.
    best = windows[1::2, 1::2].max()
    assert float(found.measure(quantities.rms_patch).value.hi) == pytest.approx(np.sqrt(best), rel=1e-12)
    assert float(found.measure(quantities.patches).value.hi) == 144


def test_the_kernel_norm_form_needs_a_chain_without_biases_as_published_and_any_network_as_proved():
    biased = study(biased=True)[0]
    published, proved = (
        evaluate_bound(BOUNDS[i], biased, "")
        for i in ("galanti2023-convolutional-published", "galanti2023-convolutional")
    )
    assert published.verdict == "not-applicable"
    assert any("bias" in reason for reason in published.reasons)
    hybrid = evaluate_bound(BOUNDS["gonon2024-path-norm-hybrid"], biased, "")
    assert proved.value is not None
    assert hybrid.value.lo <= proved.value.hi
    without = evaluate_bound(BOUNDS["galanti2023-convolutional-published"], study()[0], "")
    assert without.value is not None
    assert without.value.lo > 0
