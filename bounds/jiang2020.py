"""What the measures of Jiang et al. 2020 share: layer by layer symbols, and the margin in whose units norms are counted."""

from sympy import Product, Sum, symbols

from boundcheck import quantities as q
from boundcheck.functions import families

d = symbols("d", integer=True, positive=True)
i = symbols("i", integer=True, positive=True)
s, F, D, S = families("s F D S")
gamma = symbols("gamma", positive=True)

MARGIN = {gamma: q.margin_percentile}
SPECTRAL = {d: q.learned_layers, s: q.layer_spectral_norms}
FROBENIUS = {d: q.learned_layers, F: q.layer_frobenius_norms}

MARGIN_DIFFERS = (
    "the 10th percentile of the margins keeps its sign: where it is not positive there is no value; codes that square it, or "
    "take its absolute value, turn a badly fitted network into a good one"
)
SPECTRAL_DIFFERS = (
    "norms are those of the operators at their real shapes, enclosed from both sides; codes reshape the kernel of a convolution, "
    "which is too small by up to a factor of 3, or stop a power iteration early"
)


def squares(family):
    """prod_i x_i^2."""
    return Product(family[i] ** 2, (i, 1, d))


def total(family):
    """sum_i x_i^2."""
    return Sum(family[i] ** 2, (i, 1, d))
