"""The counts C1 to C4, C7 and those without biases, by weights of exactly the stated widths in exact arithmetic.

Each construction of docs/theory/memorization.md is built as a full network with k logits and evaluated on its points.
"""

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
import sympy

from boundcheck.quantities import modular
from boundcheck.quantities.heads import labelled_in_every_way
from boundcheck.quantities.hyperplanes import _alone
from boundcheck.quantities.study import silent


class Sum:
    """An affine function of the units of the layer before."""

    def __init__(self, constant=0, **terms):
        self.constant, self.terms = Fraction(constant), {}
        for key, value in terms.items():
            self.terms[int(key[1:])] = Fraction(value)

    def __add__(self, other):
        other = other if isinstance(other, Sum) else Sum(other)
        total = Sum(self.constant + other.constant)
        for terms in (self.terms, other.terms):
            for key, value in terms.items():
                total.terms[key] = total.terms.get(key, Fraction(0)) + value
        return total

    def __mul__(self, factor):
        total = Sum(self.constant * factor)
        total.terms = {key: value * factor for key, value in self.terms.items()}
        return total


def unit(i):
    return Sum(**{f"u{i}": 1})


class Net:
    """Dense layers with biases, appended one by one; a layer has exactly its width, unused units being 0."""

    def __init__(self):
        self.layers = []

    def layer(self, width, sums):
        assert len(sums) <= width, (len(sums), width)
        self.layers.append([*sums, *[Sum()] * (width - len(sums))])

    def decode(self, s, classes):
        self.layers.append([s * (2 * c) + (-c * c) for c in range(1, classes + 1)])

    @property
    def widths(self):
        return tuple(len(layer) for layer in self.layers[:-1])

    def logits(self, x, homogeneous=None):
        """The logits; with `homogeneous` = h, biases are multiplied by h and carried by one unit more a layer."""
        h, constant = list(x), Fraction(1) if homogeneous is None else homogeneous
        for position, layer in enumerate(self.layers):
            z = [
                s.constant * constant + sum((value * h[i] for i, value in s.terms.items()), Fraction(0))
                for s in layer
            ]
            h = z if position == len(self.layers) - 1 else [max(v, Fraction(0)) for v in z]
        return h


def has_labels(net, points, labels, homogeneous=None):
    for i, (x, label) in enumerate(zip(points, labels, strict=True)):
        logits = net.logits(x, None if homogeneous is None else homogeneous[i])
        scale = 1 if homogeneous is None else homogeneous[i]
        if any(c != label and logits[label - 1] - f < scale for c, f in enumerate(logits, 1)):
            return False
    return True


def line(rng, n, d=3):
    """Distinct points of a plane, a direction that tells them apart, and t > 0 as a sum of the inputs."""
    points = set()
    while len(points) < n:
        points.add(tuple(Fraction(rng.randint(-9, 9), rng.choice([1, 2, 4])) for _ in range(d)))
    while True:
        a = [rng.randint(-50, 50) for _ in range(d)]
        values = {x: sum(w * v for w, v in zip(a, x, strict=True)) for x in points}
        if len(set(values.values())) == n:
            break
    ordered = sorted(points, key=values.__getitem__)
    shift = 1 - min(values.values())
    t = Sum(shift, **{f"u{i}": w for i, w in enumerate(a)})
    return ordered, [values[x] + shift for x in ordered], t


def one_layer(points, ts, t, labels, widths, at, classes):
    """C1."""
    net = Net()
    for width in widths[:at]:
        net.layer(width, [t])
        t = unit(0)
    net.layer(widths[at], [t + (-p) for p in ts[:-1]])
    slopes = [
        Fraction(b - a) / (q - p) for (p, a), (q, b) in itertools.pairwise(zip(ts, labels, strict=True))
    ]
    s = Sum(labels[0])
    for i, slope in enumerate(slopes):
        s = s + unit(i) * (slope - (slopes[i - 1] if i else 0))
    for width in widths[at + 1 :]:
        net.layer(width, [s])
        s = unit(0)
    net.decode(s, classes)
    return net


def all_layers(points, ts, t, labels, widths, classes):
    """C2 for two and more hidden layers."""
    slopes = [
        Fraction(b - a) / (q - p) for (p, a), (q, b) in itertools.pairwise(zip(ts, labels, strict=True))
    ]
    changes = [(p, s - r) for p, r, s in zip(ts[1:], slopes, slopes[1:], strict=False)]
    big = 1 + sum(abs(c) * ts[-1] for _, c in changes) + sum(map(abs, slopes)) * ts[-1] + max(labels)
    net, depth = Net(), len(widths)
    part = changes[: widths[0] - 1]
    rest = changes[len(part) :]
    net.layer(widths[0], [t, *(t + (-p) for p, _ in part)])
    total = Sum(labels[0] - slopes[0] * ts[0] + big) + unit(0) * slopes[0]
    for i, (_, change) in enumerate(part, 1):
        total = total + unit(i) * change
    for width in widths[1 : depth - 1]:
        part, rest = rest[: width - 2], rest[width - 2 :]
        net.layer(width, [unit(0), total, *(unit(0) + (-p) for p, _ in part)])
        total = unit(1)
        for i, (_, change) in enumerate(part, 2):
            total = total + unit(i) * change
    assert len(rest) <= widths[-1] - 1
    net.layer(widths[-1], [total, *(unit(0) + (-p) for p, _ in rest)])
    total = unit(0) + (-big)
    for i, (_, change) in enumerate(rest, 1):
        total = total + unit(i) * change
    net.decode(total, classes)
    return net


def piecewise(hinges, blocks, affine, first_hinge):
    """A function that is affine[g] = (slope, value at the left end) on each block; segments join them.

    `hinges`: the unit of each place. The function is constant to the left of `first_hinge`.
    """
    (left, right), (slope, value) = blocks[0], affine[0]
    total, now = Sum(value), Fraction(0)
    if first_hinge:
        total, now = total + unit(hinges[left, "left", 0]) * slope, slope
    else:
        assert slope == 0
    for g in range(1, len(blocks)):
        end = value + slope * (right - left)
        (left_, right_), (slope_, value_) = blocks[g], affine[g]
        between = (value_ - end) / (left_ - right)
        total = total + unit(hinges[right, "right", g - 1]) * (between - now)
        total = total + unit(hinges[left_, "left", g]) * (slope_ - between)
        now, (left, right), (slope, value) = slope_, (left_, right_), (slope_, value_)
    return total


def interpolating_units(blocks, node_values, q):
    """For each block of q nodes: (slope, value at its left end) of the 1 + 2 (q - 1) pre-activations."""
    rows = [[] for _ in range(1 + 2 * (q - 1))]
    for nodes in node_values:
        if nodes is None:  # an outer block
            for row in rows:
                row.append((Fraction(0), Fraction(-1)))
            continue
        ts, ys = zip(*nodes, strict=True)
        rows[0].append((Fraction(0), Fraction(ys[0])))
        before = Fraction(0)
        for r in range(q - 1):
            slope = Fraction(ys[r + 1] - ys[r]) / (ts[r + 1] - ts[r])
            change, before = slope - before, slope
            active = (abs(change), -abs(change) * (ts[r] - ts[0]))
            idle = (Fraction(0), Fraction(-1))
            rows[1 + 2 * r].append(active if change > 0 else idle)
            rows[2 + 2 * r].append(idle if change > 0 else active)
    return rows


def signed(q, first=0):
    total = unit(first)
    for r in range(q - 1):
        total = total + unit(first + 1 + 2 * r) + unit(first + 2 + 2 * r) * -1
    return total


def two_layers(points, ts, t, labels, widths, at, classes):
    """C3."""
    blocks_, q = (widths[at] + 1) // 2, (widths[at + 1] + 1) // 2
    nodes = list(zip(ts, labels, strict=True))
    while len(nodes) < blocks_ * q:
        nodes.append((nodes[-1][0] + 1, 1))
    cut = [nodes[g * q : (g + 1) * q] for g in range(blocks_)]
    blocks = [(block[0][0], block[-1][0]) for block in cut]
    places = [(blocks[0][0], "left", 0)]
    for g in range(1, blocks_):
        places += [(blocks[g - 1][1], "right", g - 1), (blocks[g][0], "left", g)]
    net = Net()
    for width in widths[:at]:
        net.layer(width, [t])
        t = unit(0)
    net.layer(widths[at], [t + (-place[0]) for place in places])
    hinges = {place: i for i, place in enumerate(places)}
    rows = interpolating_units(blocks, cut, q)
    net.layer(widths[at + 1], [piecewise(hinges, blocks, row, first_hinge=True) for row in rows])
    s = signed(q)
    for width in widths[at + 2 :]:
        net.layer(width, [s])
        s = unit(0)
    net.decode(s, classes)
    return net


def disjoint_pairs(points, ts, t, labels, widths, pairs, classes):
    """C4."""
    nodes = list(zip(ts, labels, strict=True))
    net, acc, start, at = Net(), Sum(), 0, 0
    while at < len(widths):
        if at not in pairs:
            net.layer(widths[at], [t, acc])
            t, acc, at = unit(0), unit(1), at + 1
            continue
        inner, q = (widths[at] - 4) // 2, (widths[at + 1] - 1) // 2
        mine = nodes[start : start + inner * q]
        after = nodes[start + inner * q :]
        while len(mine) < inner * q:
            mine.append((mine[-1][0] + 1 if mine else nodes[-1][0] + 1, 1))
        cut = [mine[g * q : (g + 1) * q] for g in range(inner)]
        before = nodes[:start]
        left = (before[0][0], before[-1][0]) if before else (mine[0][0] - 2, mine[0][0] - 1)
        right = (after[0][0], after[-1][0]) if after else (mine[-1][0] + 1, mine[-1][0] + 2)
        blocks = [left, *((block[0][0], block[-1][0]) for block in cut), right]
        places = []
        for g in range(1, len(blocks)):
            places += [(blocks[g - 1][1], "right", g - 1), (blocks[g][0], "left", g)]
        assert len(places) == 2 * inner + 2
        net.layer(widths[at], [t, acc, *(t + (-place[0]) for place in places)])
        hinges = {place: i for i, place in enumerate(places, 2)}
        rows = interpolating_units(blocks, [None, *cut, None], q)
        units = [piecewise(hinges, blocks, row, first_hinge=False) for row in rows]
        net.layer(widths[at + 1], [unit(0), unit(1), *units])
        t, acc = unit(0), unit(1) + signed(q, first=2)
        start, at = start + inner * q, at + 2
    net.decode(acc, classes)
    return net


def patterns(rng, n, k):
    """Labels that are hard in different ways: alternating extremes, cyclic, constant, random."""
    yield [1 if i % 2 else k for i in range(n)]
    yield [1 + i % k for i in range(n)]
    yield [k] * n
    for _ in range(3):
        yield [rng.randint(1, k) for _ in range(n)]


WIDTHS = [
    (1,),
    (4,),
    (2, 3),
    (5, 6),
    (4, 1, 3),
    (3, 4, 2),
    (4, 5, 6, 7),
    (7, 9),
    (8, 8),
    (10, 7, 12, 9),
    (9, 8, 3, 14, 11),
]


@pytest.mark.parametrize("widths", WIDTHS)
def test_the_largest_count_is_attained_by_weights(widths):
    rng = random.Random(sum(widths))
    counts = {}
    for at, width in enumerate(widths):
        counts[width + 1, "one", at] = lambda *a, at=at: one_layer(*a[:4], widths, at, a[4])
    if len(widths) >= 2 and all(w >= 2 for w in widths[1:-1]):
        n = sum(widths) - 2 * max(0, len(widths) - 2)
        counts[n, "all", 0] = lambda *a: all_layers(*a[:4], widths, a[4])
    for at, (a, b) in enumerate(itertools.pairwise(widths)):
        counts[((a + 1) // 2) * ((b + 1) // 2), "two", at] = lambda *x, at=at: two_layers(
            *x[:4], widths, at, x[4]
        )
    if min(widths) >= 2:
        for size in range(1, len(widths)):
            for pairs in itertools.combinations(range(len(widths) - 1), size):
                if all(b - a > 1 for a, b in itertools.pairwise(pairs)):
                    parts = [max(0, (widths[i] - 4) // 2) * max(0, (widths[i + 1] - 1) // 2) for i in pairs]
                    if all(parts):
                        counts[sum(parts), "pairs", pairs] = lambda *x, pairs=pairs: disjoint_pairs(
                            *x[:4], widths, pairs, x[4]
                        )
    assert labelled_in_every_way(widths) == max(n for n, _, _ in counts)
    for (n, _, _), build in counts.items():
        for m in {n, n - 1} - {0, 1}:
            points, ts, t = line(rng, m)
            for k in (2, 5):
                for labels in patterns(rng, m, k):
                    net = build(points, ts, t, labels, k)
                    assert net.widths == widths
                    assert has_labels(net, points, labels)


@pytest.mark.parametrize("widths", [(3,), (2, 2), (3, 3)])
def test_every_labelling_is_attained(widths):
    rng = random.Random(5)
    n = labelled_in_every_way(widths)
    points, ts, t = line(rng, n)
    for labels in itertools.product((1, 2, 3), repeat=n):
        one = len(widths) == 1
        net = (
            one_layer(points, ts, t, labels, widths, 0, 3)
            if one
            else all_layers(points, ts, t, labels, widths, 3)
        )
        assert has_labels(net, points, labels)


@pytest.mark.parametrize("widths", [(4,), (8, 8), (5, 6)])
def test_without_biases_one_unit_a_layer_carries_a_constant(widths):
    """Inputs <u, x> (x', 1) with <u, x> > 0: a network without biases and one unit more a layer labels them at will."""
    rng = random.Random(3)
    n = labelled_in_every_way(widths)
    points, ts, t = line(rng, n)
    sizes = [Fraction(rng.randint(1, 20), 4) for _ in points]
    scaled = [[v * size for v in x] for x, size in zip(points, sizes, strict=True)]
    for labels in patterns(rng, n, 4):
        if len(widths) == 1:
            net = one_layer(points, ts, t, labels, widths, 0, 4)
        elif widths == (8, 8):
            net = two_layers(points, ts, t, labels, widths, 0, 4)
        else:
            net = all_layers(points, ts, t, labels, widths, 4)
        assert has_labels(net, scaled, labels, homogeneous=sizes)


# Groups on hyperplanes --------------------------------------------------------------------------------------------------


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
