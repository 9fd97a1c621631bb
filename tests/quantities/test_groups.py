"""Groups of parameters: counts and proxies against unrolled matrices, the noise itself by drawing it, and the bound on inputs."""

import math
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from independent import conv, evaluate, max_pool, normal

from boundcheck import Interval, Run, assumptions, quantities
from boundcheck.data import DATASETS, PREPARATIONS, load_dataset, prepare
from boundcheck.network import Convolution
from boundcheck.quantities.gains import rounded_spectral_norms, rounded_up
from boundcheck.quantities.groups import bias_parameter_norm, fan, groups
from boundcheck.quantities.inputs import input_norm_bound
from boundcheck.quantities.margins import MarginError, Margins
from boundcheck.quantities.quantity import Evidence, Quantity, UnavailableError
from boundcheck.quantities.study import Study
from boundcheck.registry import installed


def study_of(f, shapes, at, *, known=None, scale=1.0, n=40, seed=0):
    def draw(k):
        return [scale * normal(*s, seed=50 * k + i) for i, s in enumerate(shapes)]

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, *at)).astype(np.float32)
    params = draw(1)
    y = np.asarray(jax.vmap(f, (None, 0))(params, x)).argmax(axis=1)
    run = Run.from_arrays(
        f,
        params,
        init_params=draw(2),
        train=(x, y),
        test=(x[:5], y[:5]),
        assume=("iid", "fixed-in-advance"),
    )
    bound = (
        {}
        if known is None
        else {input_norm_bound: Quantity(value=Interval(known), evidence=Evidence.EXACT, method="given")}
    )
    return Study(run, Fraction(1, 20), known=bound)


def image_net(p, x):
    h = max_pool(jax.nn.relu(conv(x, p[0], 2) + p[1]), 2, 1)
    # The nonlinearity keeps the skip from becoming part of the kernel's matrix.
    h = h + jax.nn.relu(conv(h, p[2]))
    return p[3] @ h.reshape(-1) + p[4]


IMAGE = (image_net, [(3, 3, 2, 4), (4,), (3, 3, 4, 4), (3, 144), (3,)], (12, 12, 2))


def values_of(study, *names):
    found = []
    for name in names:
        value = study.measure(getattr(quantities, name)).value
        found.append([float(v.hi) for v in value] if isinstance(value, tuple) else float(value.hi))
    return found


def test_groups_of_a_convolutional_network_by_hand():
    study = study_of(*IMAGE, known=5)
    count, flags, sizes, fans, dimensions = values_of(
        study, "parameter_groups", "group_weight_flags", "group_sizes", "group_fans", "group_dimensions"
    )
    assert count == 5
    assert flags == [1, 0, 1, 1, 0]
    assert sizes == [72, 4, 144, 432, 3]
    assert fans == [18, 4, 36, 144, 3]
    assert dimensions == [288 + 144, 4, 288, 147, 3]
    assert study.run.init_params is not None
    params = [np.asarray(p, float) for p in study.run.params]
    start = [np.asarray(p, float) for p in study.run.init_params]
    for name, arrays in (
        ("group_norms", params),
        ("group_distances", [a - b for a, b in zip(params, start, strict=True)]),
    ):
        assert values_of(study, name)[0] == pytest.approx([np.linalg.norm(a) for a in arrays], rel=1e-12)
    norms = [np.linalg.norm(p.matrix, 2) for p in study.network.affine if p.learned]
    s = values_of(study, "group_spectral_norms")[0]
    assert [s[i] >= norms[k] * (1 - 1e-9) for i, k in ((0, 0), (2, 1), (3, 2))] == [True] * 3
    assert s[1] == s[4] == 1


@given(st.data())
def test_the_proxy_is_the_norm_of_the_sums_of_squares(data):
    size = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    kernel = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    groups_ = data.draw(st.sampled_from([1, 2]))
    padding = tuple((d * (k - 1), d * (k - 1)) for d, k in zip(dilation, kernel, strict=True))
    shape = (*kernel, 2, 2 * groups_)
    operator = Convolution(
        kernel=np.ones(shape), groups=groups_, size=size, stride=stride, padding=padding, dilation=dilation
    )
    left, right = np.zeros(operator.out_size), np.zeros(operator.in_size)
    for place in np.ndindex(shape):
        one = np.zeros(shape)
        one[place] = 1
        matrix = Convolution(
            kernel=one, groups=groups_, size=size, stride=stride, padding=padding, dilation=dilation
        ).matrix()
        for square, diagonal in ((matrix @ matrix.T, left), (matrix.T @ matrix, right)):
            assert (square == np.diag(np.diag(square))).all()
            diagonal += np.diag(square)

    class Piece:
        pass

    piece = Piece()
    piece.operator = operator
    assert fan(piece) == max(1, left.max(), right.max())
    steps = [s // math.gcd(s, d) for s, d in zip(stride, dilation, strict=True)]
    read = math.prod(-(-k // s) for k, s in zip(kernel, steps, strict=True))
    assert fan(piece) <= max(2 * math.prod(kernel), 2 * read)


def test_biases_that_positions_share_count_once():
    study = study_of(*IMAGE, known=5)
    first = study.network.affine[0]
    assert first.sharing is not None
    assert float(bias_parameter_norm(first).hi) == pytest.approx(np.linalg.norm(study.run.params[1]))
    assert float(first.bias_norm(2).hi) == pytest.approx(6 * np.linalg.norm(study.run.params[1]))
    assert groups(study)[1].sharing == 36


def test_inputs_and_effects_by_hand():
    study = study_of(*IMAGE, known=5)
    effects, inputs = values_of(study, "group_effects", "group_inputs")
    norms = values_of(study, "group_spectral_norms")[0]
    s = [norms[0], norms[2], norms[3]]
    bias = float(study.network.affine[0].bias_norm(2).hi)
    rho = float(next(f for f in study.network.nonlinear if type(f).__name__ == "MaxPool").lipschitz.hi)
    r2 = rho * (s[0] * 5 + bias)
    r3 = r2 + s[1] * r2
    assert inputs == pytest.approx([5, 6, r2, r3, 1], rel=1e-12)
    first = rho * (1 + s[1]) * s[2]
    assert effects == pytest.approx([first, first, s[2], 1, 1], rel=1e-12)


def test_reaches_are_taken_at_rounded_norms():
    study = study_of(*IMAGE)
    effects, reaches = values_of(study, "group_rounded_effects", "group_reaches")
    norms = study.measure(quantities.group_spectral_norms).value
    s = [float(v.hi) for v in rounded_spectral_norms([norms[0], norms[2], norms[3]])]
    assert all(a >= float(b.hi) for a, b in zip(s, (norms[0], norms[2], norms[3]), strict=True))
    assert math.prod(s) <= 2 ** (1 / 8) * math.prod(float(norms[i].hi) for i in (0, 2, 3)) * (1 + 1e-9)
    x = float(study.measure(quantities.rms_input_norm).value.hi)
    b = float(rounded_up(study.measure(quantities.group_norms).value[1]).hi)
    rho = float(next(f for f in study.network.nonlinear if type(f).__name__ == "MaxPool").lipschitz.hi)
    r2 = rho * (s[0] * x + 6 * b)
    r3 = (1 + s[1]) * r2
    assert reaches == pytest.approx([3 * x, 6, 3 * r2, r3, 1], rel=1e-12)
    assert effects == pytest.approx([rho * (1 + s[1]) * s[2]] * 2 + [s[2], 1, 1], rel=1e-12)
    moved = values_of(study, "group_reaches_from_initial")[0]
    d = float(rounded_up(study.measure(quantities.group_distances).value[1]).hi)
    before = float(study.initial.affine[0].bias_norm(2).hi)
    assert moved[2] == pytest.approx(3 * rho * (s[0] * x + 6 * d + before), rel=1e-12)


# The noise ------------------------------------------------------------------------------------------------------------


def perturbed(network, members, sigmas, rng):
    """The network with noise on its parameters, and the l2 norm of what is added to each group's operator."""
    nodes = list(network.nodes)
    for group, sigma in zip(members, sigmas, strict=True):
        position = next(
            k for k, node in enumerate(nodes) if getattr(node.operation, "label", None) == group.piece.label
        )
        piece = nodes[position].operation
        if group.weights:
            field = "kernel" if isinstance(piece.operator, Convolution) else "matrix"
            array = getattr(piece.operator, field)
            operator = replace(piece.operator, **{field: array + sigma * rng.normal(size=array.shape)})
            moved = replace(piece, operator=operator)
        else:
            channels = piece.biases
            noise = sigma * rng.normal(size=channels)
            moved = replace(piece, bias=piece.bias + np.tile(noise, piece.bias.size // channels))
        nodes[position] = replace(nodes[position], operation=moved)
    return replace(network, nodes=tuple(nodes))


@pytest.mark.parametrize("name", ["image", "skips"])
def test_the_noise_moves_no_margin_by_more_than_half(name):
    """At the deviations of the theorem, in at least nine of ten draws, for inputs as large as is allowed."""

    def skips(p, x):
        h = jax.nn.relu(p[0] @ x + p[1])
        return p[3] @ jnp.concatenate([h, jax.nn.relu(p[2] @ h)]) + p[4]

    f, shapes, at = IMAGE if name == "image" else (skips, [(6, 5), (6,), (4, 6), (3, 10), (3,)], (5,))
    B, gamma = 3.0, 1.0
    study = study_of(f, shapes, at, known=B)
    bound = installed().bounds["neyshabur2018-pac-bayes"]
    values = {
        s: study.measure(m).value
        if m.role == "measured"
        else Interval(gamma)
        if m.role == "margin"
        else Interval(1) / 20
        for s, m in bound.symbols.items()
    }
    values = {s: v if isinstance(v, Interval | tuple) else v.at(Interval(gamma)) for s, v in values.items()}
    parts = {str(symbol): value for symbol, _, value in bound.theorem.enclose_where(values)}
    # As much noise as the upper ends allow.
    sigmas = [2 ** (-float(m.hi) / 8) for m in parts["m[i]"]]
    rng = np.random.default_rng(5)
    x = rng.normal(size=(12, *at))
    x *= B / np.linalg.norm(x.reshape(12, -1), axis=1).reshape(-1, *(1,) * len(at))
    members = groups(study)
    before, worst, good = evaluate(study.network, x), 0.0, 0
    for _ in range(60):
        after = evaluate(perturbed(study.network, members, sigmas, rng), x)
        move = after - before
        # The largest change of any margin, whatever the label.
        change = max(abs(move[:, [a]] - move[:, [b]]).max() for a in range(3) for b in range(a))
        good += change <= gamma / 2
        worst = max(worst, change / (gamma / 2))
    assert good >= 0.9 * 60
    assert worst > 1e-4


def test_noise_on_a_kernel_stays_below_its_tail():
    study = study_of(*IMAGE, known=1)
    rng = np.random.default_rng(0)
    M, eta = 5, 0.1
    for k in (0, 2):
        group = groups(study)[k]
        operator, h = group.piece.operator, fan(group.piece)
        assert isinstance(operator, Convolution)
        D = operator.in_size + operator.out_size
        tau = math.sqrt(2 * h * math.log(M * D / eta))
        norms = [
            np.linalg.norm(replace(operator, kernel=rng.normal(size=operator.kernel.shape)).matrix(), 2)
            for _ in range(40)
        ]
        assert max(norms) <= tau
        assert max(norms) >= 0.3 * tau


def test_a_group_that_did_not_move_counts_as_a_little():
    f, shapes, at = IMAGE
    study = study_of(f, shapes, at, known=1)
    same = study.run.with_params(study.run.init_params)
    still = Study(same, Fraction(1, 20), known={input_norm_bound: study.measure(input_norm_bound)})
    assert still.measure(quantities.group_distances).value == (Interval(2) ** -20,) * 5
    bound = installed().bounds["neyshabur2018-pac-bayes-initial"]
    values = {s: still.measure(m).value for s, m in bound.symbols.items() if m.role == "measured"}
    values = {s: v if isinstance(v, Interval | tuple) else v.at(Interval(1)) for s, v in values.items()}
    values |= {s: Interval(1) for s, m in bound.symbols.items() if m.role == "margin"}
    values |= {s: Interval(Fraction(1, 20)) for s, m in bound.symbols.items() if m.role == "delta"}
    assert bound.theorem.enclose(values).is_finite


# Margins --------------------------------------------------------------------------------------------------------------


def test_margin_error_counts_what_is_certainly_and_possibly_at_most_the_margin():
    margins = Margins(
        lower=np.array([-1.0, 0.4, 1.0, -np.inf]), upper=np.array([-0.5, 0.6, 1.0, np.inf]), traced=True
    )
    error = MarginError(margins=margins)
    assert error.at(Interval(0.5)) == Interval(1, 3) / 4
    assert error.at(Interval(0.7)) == Interval(2, 3) / 4
    assert error.at(Interval(1)) == Interval(3, 4) / 4
    assert error.at(Interval(0.5, 1)) == Interval(1, 4) / 4
    assert error.at(Interval(0, math.inf)) == Interval(1, 4) / 4
    assert error.at(Interval(0.3)) == Interval(1, 2) / 4


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=30), st.floats(0, 4), st.floats(0, 4))
def test_margin_error_is_the_fraction_and_does_not_fall(raw, a, b):
    m = np.array(raw)
    error = MarginError(margins=Margins(lower=m, upper=m, traced=True))
    low, high = min(a, b), max(a, b)
    assert error.at(Interval(low)).contains(Fraction(int((m <= low).sum()), len(m)))
    assert float(error.at(Interval(low)).hi) <= float(error.at(Interval(high)).hi)
    assert error.at(Interval(low, high)).contains(error.at(Interval((low + high) / 2)))
    ramp = Margins(lower=m, upper=m, traced=True).at(Interval(high)) if high > 0 else Interval(0)
    assert not error.at(Interval(high)) < ramp


# The bound on the inputs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PREPARATIONS))
def test_no_image_is_longer_after_preparation(name):
    rng = np.random.default_rng(1)
    shape = (30, 31, 3)
    bound = float(PREPARATIONS[name].largest_norm(shape, 255).hi)
    kinds = [
        rng.integers(0, 256, (20, *shape)),
        255 * rng.integers(0, 2, (20, *shape)),
        np.full((1, *shape), 255),
        (rng.random((20, *shape)) < 0.001).astype(int) + rng.integers(0, 255, (20, 1, 1, 1)),
        200 + rng.integers(0, 2, (20, *shape)),
    ]
    near = 0.0
    for images in kinds:
        x = prepare(name, images.astype(np.uint8), np).astype(np.float64)
        norms = np.linalg.norm(x.reshape(len(x), -1), axis=1)
        assert (norms <= bound).all()
        near = max(near, norms.max() / bound)
    assert near > 0.99


def test_the_digits_are_as_bright_as_their_format_allows():
    data = load_dataset("digits")
    assert max(data.train_images.max(), data.test_images.max()) == DATASETS["digits"].brightest == 16
    bound = PREPARATIONS["unit16"].largest_norm(DATASETS["digits"].shape, 16)
    assert bound == Interval(8)
    x = prepare("unit16", np.concatenate([data.train_images, data.test_images]), np)
    assert np.linalg.norm(x.reshape(len(x), -1), axis=1).max() <= 8


def test_arrays_have_no_bound_on_the_inputs_to_come():
    study = study_of(*IMAGE)
    with pytest.raises(UnavailableError, match="on the sample alone"):
        study.measure(input_norm_bound)
    decided = assumptions.bounded_inputs.check(study)
    assert decided.status == "refuted"
    assert "experiment file" in decided.reason


def test_a_traced_network_without_weights_has_no_groups():
    study = study_of(lambda p, x: jax.nn.relu(x[:3]) + p[0], [(3,)], (5,))
    with pytest.raises(UnavailableError, match="no weights"):
        groups(study)
