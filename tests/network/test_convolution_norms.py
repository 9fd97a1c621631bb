"""Both ends of the spectral norm of convolutions hold, and a certificate never passes below the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from boundcheck.interval import Interval
from boundcheck.network import convolution_norm, joint, sheet
from boundcheck.network.circular import Torus, closed_sizes, scalar_uppers
from boundcheck.network.convolution import Convolution
from boundcheck.network.convolution_norm import spectral_norm, spectral_norms
from boundcheck.network.joint import joint_spectral_norm, stacked
from boundcheck.network.lanczos import Lanczos

_RNG = np.random.default_rng(5)
_MANY = settings(derandomize=True, deadline=None, max_examples=200, database=None)
_TWISTS = ((False, False), (False, True), (True, False), (True, True))


@st.composite
def convolutions(draw, groups=(1,)):
    """Small convolutions of every geometry with Gaussian, constant, smooth, or rank-one kernels."""
    size = draw(st.tuples(*[st.integers(1, 7)] * 2))
    taps = draw(st.tuples(*[st.integers(1, 4)] * 2))
    stride = draw(st.tuples(*[st.integers(1, 3)] * 2))
    dilation = draw(st.tuples(*[st.sampled_from((1, 1, 2, 3))] * 2))
    padding = []
    for n, k, d in zip(size, taps, dilation, strict=True):
        low = draw(st.integers(-1, 3))
        padding.append((low, max(draw(st.integers(-1, 3)), d * (k - 1) + 1 - n - low)))
    g = draw(st.sampled_from(groups))
    i, o = draw(st.integers(1, 3)), g * draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    kernel = rng.normal(size=(*taps, i, o))
    kind = draw(st.sampled_from(("gaussian", "gaussian", "constant", "smooth", "rank one", "sparse")))
    if kind == "constant":
        kernel[:] = 1
    elif kind == "smooth":
        kernel += 4
    elif kind == "rank one":
        kernel = kernel[..., :1, :1] * rng.normal(size=(i, 1)) * rng.normal(size=o)
    elif kind == "sparse":
        kernel *= rng.random((*taps, 1, 1)) < 0.5
    return Convolution(
        kernel=kernel, groups=g, size=size, stride=stride, padding=tuple(padding), dilation=dilation
    )


def scaled(c: Convolution) -> Convolution | None:
    """Compact, with the largest entry in [1/2, 1)."""
    compact = c.compact()
    if compact is None:
        return None
    exponent = int(np.frexp(np.abs(compact.kernel).max())[1])
    return replace(compact, kernel=np.ldexp(compact.kernel, -exponent))


def svd(*stack: Convolution) -> float:
    return float(np.linalg.norm(np.concatenate([c.matrix() for c in stack]), 2))


def check(norm: Interval, truth: float, gap: float | None = None):
    assert norm.lo <= truth * (1 + 1e-12)
    assert norm.hi >= truth * (1 - 1e-12)
    if gap is not None:
        assert norm.hi <= (norm.lo * (1 + Interval(gap))).hi


def same(size: int, taps: int, stride: int) -> tuple[int, int]:
    """The padding of TensorFlow's and JAX's `SAME`."""
    pad = max(0, (-(-size // stride) - 1) * stride + taps - size)
    return pad // 2, pad - pad // 2


def layer(i, o, taps, stride, size, seed=0) -> Convolution:
    kernel = np.random.default_rng(seed).normal(size=(taps, taps, i, o)) * np.sqrt(2 / (i * taps * taps))
    pad = same(size, taps, stride)
    return Convolution(kernel=kernel, size=(size, size), stride=(stride, stride), padding=(pad, pad))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small matrices gain nothing from a second thread, and lose much on a busy machine."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def without_dense(monkeypatch):
    """The way of large convolutions, for small ones."""
    monkeypatch.setattr(convolution_norm, "_dense", lambda _: None)


@_MANY
@given(convolutions(groups=(1, 1, 2, 3)))
def test_both_ends_hold(c):
    truth = svd(c)
    norm, method = spectral_norm(c)
    check(norm, truth)
    assert method
    check(spectral_norm(c, 1e-3)[0], truth, gap=1e-3)


@pytest.mark.usefixtures("without_dense")
@pytest.mark.parametrize("gap", [None, 1e-3, 1e-6])
@pytest.mark.parametrize("cheap", [0.0, 1e9], ids=["cylinders first", "banded first"])
def test_both_ends_hold_by_every_means(gap, cheap, monkeypatch):
    monkeypatch.setattr(convolution_norm, "_CHEAP", cheap)
    methods = set()

    @settings(derandomize=True, deadline=None, max_examples=70, database=None)
    @given(convolutions(groups=(1, 1, 2)))
    def by_every_means(c):
        norm, method = spectral_norm(c, gap)
        methods.add(method)
        check(norm, svd(c), gap=gap)

    by_every_means()
    assert any("torus" in method for method in methods)
    assert gap is None or any("banded" in method for method in methods)


def test_cylinders_certify_large_maps(monkeypatch):
    monkeypatch.setattr(convolution_norm, "_CHEAP", 1e7)
    kernel = np.random.default_rng(3).normal(size=(3, 3, 6, 4))
    c = Convolution(kernel=kernel, size=(16, 16), padding=((1, 1), (1, 1)))
    norm, method = spectral_norm(c, 1e-3)
    assert "cylinder" in method
    check(norm, svd(c), gap=1e-3)


def test_the_banded_certificate_is_tight_on_a_middle_sized_map():
    c = layer(12, 16, 3, 1, 10)
    norm, method = spectral_norm(c, 1e-3)
    assert "banded" in method
    check(norm, svd(c), gap=1e-3)
    wide, method = spectral_norm(c, 1e-3, limit=0.0)
    assert "operations" in method
    check(wide, svd(c))
    assert wide.hi > norm.hi


@_MANY
@given(convolutions(), st.booleans(), st.floats(1e-13, 1e-2))
def test_banded_certificates_never_pass_below_the_truth(c, by_input, below):
    c = scaled(c)
    if c is None:
        return
    a, truth = c.matrix(), svd(c)
    band = sheet.sheet(c, by_input)
    tau = (truth * (1 - below)) ** 2
    # The order (row, column, channel), with the longer axis of the map first.
    (h, w, q) = c.in_shape if by_input else c.out_shape
    order = np.arange(h * w * q).reshape(h, w, q)
    order = (order if w <= h else order.transpose(1, 0, 2)).ravel()
    gram = (a.T @ a if by_input else a @ a.T)[np.ix_(order, order)]
    np.testing.assert_allclose(band.matrix(tau), np.tril(tau * np.eye(len(gram)) - gram), atol=1e-12)
    rows, columns = np.nonzero(band.matrix(0.0))
    assert (rows - columns).max(initial=0) <= band.width
    assert not band.succeeds(tau)
    tau = (truth * (1 + 1e-9)) ** 2
    assert band.succeeds(tau)
    end = band.enclosed(tau, c.one_norm() * c.inf_norm())
    assert truth <= end.hi <= truth * (1 + 2e-9)


def test_panels_and_tiles_cover_the_band(monkeypatch):
    from boundcheck.network import banded

    monkeypatch.setattr(banded, "_PANEL", 5)
    monkeypatch.setattr(banded, "_TILE", 7)
    for seed, (taps, stride) in enumerate(((3, 1), (3, 2), (4, 1), (2, 3))):
        c = scaled(layer(3, 4, taps, stride, 9, seed))
        truth = svd(c)
        for by_input in (False, True):
            band = sheet.sheet(c, by_input)
            assert band.succeeds((truth * (1 + 1e-9)) ** 2)
            assert not band.succeeds((truth * (1 - 1e-9)) ** 2)


@_MANY
@given(convolutions(), st.sampled_from(_TWISTS), st.integers(0, 2))
def test_tori_and_cylinders_bound_from_above(c, twist, more):
    c = scaled(c)
    if c is None:
        return
    truth = svd(c)
    axes = c.axes
    sizes = tuple(closed_sizes(axis, more) for axis in axes)
    torus = Torus(convolution=c, sizes=sizes, twist=twist).upper()
    assert torus.hi >= truth * (1 - 1e-12)
    for k in (0, 1):
        cylinder = sheet.Cylinder(c, k, sizes[k], twist[k])
        frequencies = cylinder.frequencies(_RNG.normal(size=(1, *c.in_shape)))
        bands = [cylinder.band(int(f)) for f in frequencies]
        stride = axes[k].stride
        below = stride * (truth * (1 - 1e-9)) ** 2
        assert not all(band.succeeds(below) for band in bands)
        above = stride * (float(torus.hi) * (1 + 1e-9)) ** 2
        if all(band.succeeds(above) for band in bands):
            assert cylinder.upper(above, bands[0]).hi >= truth * (1 - 1e-12)


def test_a_torus_is_exact_where_the_map_is_one():
    # Taps 0 and 1 at stride 2 never overlap: no borders, and the bound is attained.
    kernel = _RNG.normal(size=(2, 2, 3, 4))
    c = scaled(Convolution(kernel=kernel, size=(6, 6), stride=(2, 2)))
    torus = Torus(convolution=c, sizes=(6, 6)).upper()
    assert svd(c) * (1 - 1e-12) <= torus.hi <= svd(c) * (1 + 1e-8)


def test_a_twisted_torus_is_sharper_for_smooth_kernels():
    c = scaled(Convolution(kernel=np.ones((3, 3, 1, 1)), size=(14, 14), padding=((1, 1), (1, 1))))
    truth = svd(c)
    plain, twisted = (Torus(convolution=c, sizes=(15, 15), twist=(t, t)).upper() for t in (False, True))
    assert truth <= twisted.hi <= truth * 1.001
    assert plain.hi >= truth * 1.01


@pytest.mark.parametrize("shape", [(1, 1), (3, 2)])
def test_depthwise_convolutions_are_bounded_channel_by_channel(shape):
    kernel = _RNG.normal(size=(*shape, 1, 8)) * 10.0 ** -np.arange(8)
    c = Convolution(kernel=kernel, groups=8, size=(7, 6), stride=(1, 2), padding=((1, 1), (0, 1)))
    uppers = scalar_uppers(c.compact())
    for g, upper in enumerate(uppers):
        truth = svd(replace(c, groups=1, kernel=kernel[..., g : g + 1]))
        assert truth * (1 - 1e-12) <= upper.hi <= truth * 1.5
    check(spectral_norm(c, 1e-3)[0], svd(c), gap=1e-3)


@pytest.mark.usefixtures("without_dense")
def test_equal_channels_need_one_vector():
    kernel = np.ones((3, 3, 1, 40))
    c = Convolution(kernel=kernel, groups=40, size=(8, 8), padding=((1, 1), (1, 1)))
    check(spectral_norm(c, 1e-4)[0], svd(replace(c, groups=1, kernel=kernel[..., :1])), gap=1e-4)


@pytest.mark.usefixtures("without_dense")
@pytest.mark.parametrize("scale", [1e-170, 1e150, 1e306])
@pytest.mark.parametrize("gap", [None, 1e-3])
def test_ends_hold_at_every_scale(scale, gap):
    c = layer(3, 4, 3, 1, 6)
    norm, _ = spectral_norm(replace(c, kernel=c.kernel * scale), gap)
    truth = Interval(svd(c)) * scale
    assert norm.lo <= (truth * (1 + 1e-12)).hi
    assert norm.hi >= (truth * (1 - 1e-12)).lo
    assert norm.hi <= (norm.lo * (1 + Interval(gap or 0.2))).hi


def test_the_zero_convolution_has_norm_zero():
    c = layer(2, 2, 3, 1, 4)
    assert spectral_norm(replace(c, kernel=c.kernel * 0), 1e-3) == (Interval(0), "zero kernel")


@pytest.mark.parametrize("gap", [None, 1e-3])
def test_norms_of_a_ball_contain_those_of_its_members(gap):
    c = layer(2, 3, 3, 2, 6)
    radius = np.full_like(c.kernel, 1e-2)
    loose, tight = spectral_norm(replace(c, radius=radius), gap)[0], spectral_norm(c, gap)[0]
    assert loose.lo < tight.lo
    assert loose.hi > tight.hi
    for _ in range(20):
        member = replace(c, kernel=c.kernel + radius * _RNG.choice([-1, 1], size=radius.shape))
        check(loose, svd(member))


def test_several_norms_are_those_one_by_one():
    layers = [layer(3, 4, 3, 1, 6, seed) for seed in range(4)] + [layer(5, 7, 1, 1, 9)]
    together = spectral_norms(layers, 1e-3)
    assert together == [spectral_norm(c, 1e-3) for c in layers]
    assert "matrix" in together[-1][1]


@pytest.mark.usefixtures("without_dense")
def test_lanczos_ends_lie_below_and_close():
    for taps, stride in ((3, 1), (3, 2), (1, 1), (4, 1)):
        c = scaled(layer(3, 5, taps, stride, 8))
        lanczos = Lanczos(c)
        lanczos.run(1e-9)
        assert svd(c) * (1 - 1e-6) <= lanczos.lower().lo <= svd(c) * (1 + 1e-14)


def branches(*taps, c=4, size=8, seed=0):
    return [layer(c, 3 + k, t, 1, size, seed + k) for k, t in enumerate(taps)]


@pytest.mark.parametrize("taps", [(1, 3), (3, 1, 5), (3, 3), (1, 1), (2, 4)])
@pytest.mark.parametrize("gap", [None, 1e-3])
def test_joint_norms_are_those_of_the_stacked_matrix(taps, gap):
    parts = branches(*taps)
    whole = stacked(parts)
    assert whole is not None
    assert np.isclose(svd(whole), svd(*parts), rtol=1e-13)
    check(joint_spectral_norm(parts, gap)[0], svd(*parts), gap=gap)


def test_branches_with_strides_and_dilations_are_one_convolution():
    kernels = [_RNG.normal(size=(k, k, 3, 2)) for k in (1, 3, 3)]
    geometry = [((0, 0), 1), ((1, 1), 1), ((2, 2), 2)]
    parts = [
        Convolution(kernel=k, size=(8, 8), stride=(2, 2), padding=(p, p), dilation=(d, d))
        for k, (p, d) in zip(kernels, geometry, strict=True)
    ]
    whole = stacked(parts)
    assert whole is not None
    assert np.isclose(svd(whole), svd(*parts), rtol=1e-13)
    radius = np.full_like(kernels[1], 0.5)
    loose = stacked([parts[0], replace(parts[1], radius=radius)])
    assert loose is not None
    assert loose.radius is not None
    assert np.isclose(loose.radius.sum(), radius.sum())


def test_branches_that_are_not_one_convolution_are_bounded_together():
    parts = [layer(4, 3, 3, 1, 6), layer(4, 5, 3, 2, 6)]
    assert stacked(parts) is None
    norm, method = joint_spectral_norm(parts, 1e-3)
    check(norm, svd(*parts))
    assert "squares" in method
    assert joint_spectral_norm(parts[:1], 1e-3) == spectral_norm(parts[0], 1e-3)
    with pytest.raises(ValueError, match="at least one"):
        joint_spectral_norm([])


@pytest.mark.usefixtures("without_dense")
@pytest.mark.parametrize("seed", range(6))
def test_joint_norms_without_pointwise_branches_agree_with_the_embedding(seed, monkeypatch):
    monkeypatch.setattr(joint, "_SAVING", 0.0)
    parts = branches(1, 3, 1, c=5, size=6, seed=seed)
    norm, method = joint_spectral_norm(parts, 1e-3)
    assert "without 1x1" in method
    check(norm, svd(*parts), gap=1e-3)
    check(spectral_norm(stacked(parts), 1e-3)[0], svd(*parts), gap=1e-3)
    # A radius widens the ends of the same certificate.
    loose = [replace(parts[0], radius=np.full_like(parts[0].kernel, 1e-3)), *parts[1:]]
    wide, method = joint_spectral_norm(loose, 1e-3)
    assert "without 1x1" in method
    member = replace(parts[0], kernel=parts[0].kernel - 1e-3)
    check(wide, svd(member, *parts[1:]))


def test_pointwise_branches_are_never_certified_below_the_truth():
    for seed in range(20):
        parts = branches(1, 3, c=3, size=4, seed=seed)
        truth = svd(*parts)
        pointwise, others = joint._split(parts)
        assert pointwise is not None
        for gap in (1e-9, 1e-6, 1e-3):
            # From a lower end so low that t = lower (1 + 0.97 gap) stays below the truth.
            low = Interval(truth * (1 - 1.1 * gap))
            assert joint._without_pointwise(pointwise, others, low, gap, 1e12) is None
            found = joint._without_pointwise(pointwise, others, Interval(truth), gap, 1e12)
            assert found is not None
            assert truth <= found.hi <= truth * (1 + gap)
