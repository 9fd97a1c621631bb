"""What the five forms of the Occam bound share: the complexity of B bits in nats, and three ways to spend them."""

from sympy import log, symbols

from boundcheck import Bound
from boundcheck import quantities as q

n, B, E, delta = symbols("n B E delta", positive=True)

complexity = B * log(2) + log(1 / delta)
"""C: the price of a union over 2^B classifiers, and of the confidence."""

C = symbols("C", positive=True)


def quantized(bound: Bound) -> Bound:
    """The same form for the network with its weights rounded to 8 bits: another classifier, with errors of its own."""
    return _with_bits(bound, "quantized", "weights rounded to 8 bits", q.quantized_bits, "compressed")


def file(bound: Bound) -> Bound:
    """The same form for the bits of the compressed weights file: the trained network itself, without loss."""
    return _with_bits(bound, "file", "bits of the compressed weights file", q.file_bits, "det")


def _with_bits(bound, code, words, bits, subject):
    return Bound(
        id=f"{bound.id}-{code}",
        title=bound.title.replace("parameter bits", words),
        aliases=tuple(f"{alias}-{code}" for alias in bound.aliases[:1]),
        family=bound.family,
        object=subject,
        theorem=bound.theorem,
        symbols={**bound.symbols, B: bits},
        example=bound.example,
    )
