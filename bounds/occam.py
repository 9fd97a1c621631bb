"""What the five forms of the Occam bound share: the complexity of B stored bits, in nats."""

from sympy import log, symbols

n, B, E, delta = symbols("n B E delta", positive=True)

complexity = B * log(2) + log(1 / delta)
"""C: the price of a union over 2^B classifiers, and of the confidence."""

C = symbols("C", positive=True)
