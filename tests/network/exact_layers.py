"""Dense ReLU networks with k logits in exact arithmetic, written unit by unit."""

from fractions import Fraction


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


def patterns(rng, n, k):
    """Labels that are hard in different ways: alternating extremes, cyclic, constant, random."""
    yield [1 if i % 2 else k for i in range(n)]
    yield [1 + i % k for i in range(n)]
    yield [k] * n
    for _ in range(3):
        yield [rng.randint(1, k) for _ in range(n)]
