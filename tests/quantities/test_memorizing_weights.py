"""The counts C1 to C4 and those without biases, by weights of exactly the stated widths in exact arithmetic.

Each construction of docs/theory/shattering.md is built as a full network with k logits and evaluated on its points.
"""

import itertools
import random
from fractions import Fraction
from functools import partial

import pytest
from exact_layers import Net, Sum, has_labels, patterns, unit

from boundcheck.quantities.heads import labelled_in_every_way


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
        counts[width + 1, at] = partial(one_layer, widths=widths, at=at)
    if len(widths) >= 2 and all(w >= 2 for w in widths[1:-1]):
        n = sum(widths) - 2 * max(0, len(widths) - 2)
        counts[n, "all"] = partial(all_layers, widths=widths)
    for at, (a, b) in enumerate(itertools.pairwise(widths)):
        counts[((a + 1) // 2) * ((b + 1) // 2), at, at + 1] = partial(two_layers, widths=widths, at=at)
    if min(widths) >= 2:
        for size in range(1, len(widths)):
            for pairs in itertools.combinations(range(len(widths) - 1), size):
                if all(b - a > 1 for a, b in itertools.pairwise(pairs)):
                    parts = [max(0, (widths[i] - 4) // 2) * max(0, (widths[i + 1] - 1) // 2) for i in pairs]
                    if all(parts):
                        counts[sum(parts), pairs] = partial(disjoint_pairs, widths=widths, pairs=pairs)
    assert labelled_in_every_way(widths) == max(n for n, *_ in counts)
    for (n, *_), build in counts.items():
        for m in {n, n - 1} - {0, 1}:
            points, ts, t = line(rng, m)
            for k in (2, 5):
                for labels in patterns(rng, m, k):
                    net = build(points, ts, t, labels, classes=k)
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
