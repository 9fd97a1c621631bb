"""Zhang, Bengio, Hardt, Recht and Vinyals 2017: what the architecture can memorize, as Rademacher complexity; no training."""

from sympy import log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .references import ZHANG_2017

n, E, delta = symbols("n E delta", positive=True)
Rad = symbols("Rad", nonnegative=True)

bound = Bound(
    id="zhang2017-memorization",
    title="Rademacher complexity of the 0-1 loss class, by explicit weights that memorize the sample",
    aliases=("memorization",),
    family="rademacher",
    theorem=Theorem(
        value=E + 2 * Rad + 2 * sqrt(log(1 / delta) / (2 * n)),
        assumptions=(a.iid, a.fixed_in_advance, a.traced),
        citation=Citation(
            ZHANG_2017,
            theorem="Theorem 1",
            derivation="docs/theory/memorization.md",
            changes="k classes by one scalar; deep heads, with and without biases; groups on hyperplanes; set into the Rademacher bound",
            verified="proved in full; every construction carried out in exact arithmetic",
        ),
    ),
    symbols={n: q.sample_size, E: q.train_error, Rad: q.memorization_complexity, delta: q.delta},
    example=Example({n: 50_000, E: 0, Rad: "1/2", delta: "1/100"}, "1.013572281"),
)
