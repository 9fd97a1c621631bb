"""Groups of points on hyperplanes: certified ones are labelled in every way, and none is certified that is not alone."""

import random
from fractions import Fraction

import numpy as np
import pytest
import sympy
from exact_layers import Net, Sum, has_labels, patterns, unit

from boundcheck.quantities import modular
from boundcheck.quantities.hyperplanes import _alone, grouped
from boundcheck.quantities.study import silent


def on_hyperplanes(points, groups, labels, later, classes):
    """C7 as a network: four units a group, then layers of the widths `later`."""
    d = len(points[0])
    sums, s = [], Sum()
    for group in groups:
        base = points[group[0]]
        rows = [[a - b for a, b in zip(points[i], base, strict=True)] for i in group[1:]]
        null = sympy.Matrix(rows).nullspace() if rows else [sympy.eye(d)[:, i] for i in range(d)]
        rng = random.Random(len(sums))
        while True:
            weights = [rng.randint(-20, 20) for _ in null]
            u = sum((w * v for w, v in zip(weights, null, strict=True)), sympy.zeros(d, 1))
            u = [Fraction(int(v.p), int(v.q)) for v in u]
            b = sum(a * v for a, v in zip(u, base, strict=True))
            levels = [sum(a * v for a, v in zip(u, x, strict=True)) - b for x in points]
            if all(levels[i] != 0 for i in range(len(points)) if i not in group):
                break
        tau = min((abs(v) for i, v in enumerate(levels) if i not in group), default=Fraction(1)) / 3
        matrix = sympy.Matrix([[*points[i], 1] for i in group])
        wanted = sympy.Matrix([labels[i] for i in group])
        v = matrix.T * (matrix * matrix.T).inv() * wanted
        v = [Fraction(int(e.p), int(e.q)) for e in v]
        affine = [sum(a * e for a, e in zip(v, x, strict=False)) + v[-1] for x in points]
        eps = tau / (1 + max(map(abs, affine)))
        plain = Sum(-b, **{f"u{i}": a for i, a in enumerate(u)})
        tilt = Sum(v[-1], **{f"u{i}": a for i, a in enumerate(v[:-1])}) * eps
        first = len(sums)
        sums += [plain + tilt + tau, plain + tilt + (-tau), plain + tau, plain + (-tau)]
        part = unit(first) + unit(first + 1) * -1 + unit(first + 2) * -1 + unit(first + 3)
        s = s + part * (1 / eps)
    net = Net()
    net.layer(4 * len(groups), sums)
    for width in later:
        net.layer(width, [s])
        s = unit(0)
    net.decode(s, classes)
    return net


@pytest.mark.parametrize(("n", "d", "size", "later"), [(12, 4, 4, ()), (18, 6, 6, (1,)), (7, 3, 2, (1, 2))])
def test_certified_groups_are_labelled_by_four_units_each(n, d, size, later):
    rng = np.random.default_rng(n)
    values = rng.integers(-9, 10, (n, d))
    points = [[Fraction(int(v)) for v in row] for row in values]
    groups = [np.arange(s, min(s + size, n)) for s in range(0, n, size)]
    assert all(_alone(modular.residues(values.astype(float)), np.arange(n), groups, 0, silent))
    for labels in patterns(random.Random(n), n, 5):
        net = on_hyperplanes(points, [g.tolist() for g in groups], labels, later, 5)
        assert net.widths == (4 * len(groups), *later)
        assert has_labels(net, points, labels)


def test_a_group_with_another_point_in_its_hull_is_not_certified():
    """Against the ranks of fractions, on lattices with many coincidences; a plain group is not turned away."""
    rng = np.random.default_rng(4)
    outcomes = set()
    for _ in range(200):
        d, size, n = int(rng.integers(2, 5)), int(rng.integers(1, 4)), 8
        size = min(size, d)
        values = np.unique(rng.integers(-1, 2, (n, d)), axis=0)
        group = rng.permutation(len(values))[:size]
        base = sympy.Matrix((values[group[1:]] - values[group[0]]).tolist()) if size > 1 else None
        rank = 0 if base is None else base.rank()
        alone = rank == size - 1
        for i in set(range(len(values))) - set(group.tolist()):
            row = sympy.Matrix([(values[i] - values[group[0]]).tolist()])
            with_it = row.rank() if base is None else base.col_join(row).rank()
            alone &= with_it == rank + 1
        found = _alone(modular.residues(values.astype(float)), np.arange(len(values)), [group], 0, silent)
        outcomes.add(alone)
        assert found == [alone]
    assert outcomes == {False, True}


def test_the_groups_of_a_low_dimensional_sample_are_small():
    """Points of a plane in twelve dimensions: two on a line, not twelve on a hyperplane."""
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(60, 2)) @ rng.integers(-3, 4, (2, 12))
    exact = np.rint(flat * 2**10) / 2**10
    plane = np.rint(rng.integers(-40, 41, (60, 2)) @ rng.integers(-3, 4, (2, 12)))
    plane = np.unique(plane, axis=0)
    covered, groups = grouped(modular.residues(plane), 6)
    assert covered <= 12
    assert groups <= 6
    assert grouped(modular.residues(exact), 6)[0] > 12
