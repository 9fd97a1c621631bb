"""Neyshabur, Bhojanapalli and Srebro 2018: spectral norms through Gaussian noise; any graph, all constants, all margins at once."""

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .gaussian import d, example_printed, example_values, gamma, symbols_of_noise, value, where
from .references import NEYSHABUR_2018


def theorem(*more):
    return Theorem(
        value=value,
        where=where,
        assumptions=(a.iid, a.fixed_in_advance, a.bounded_inputs, a.traced, *more),
        citation=Citation(
            NEYSHABUR_2018,
            theorem="Theorem 1",
            derivation="docs/theory/pac-bayes-spectral.md",
            changes="any graph, biases and convolutions; noise of its own size in each layer; all constants, norms and margins at once",
            verified="proved in full; check values to ten digits; simulated noise and coverage",
        ),
    )


bound = Bound(
    id="neyshabur2018-pac-bayes",
    title="Gaussian noise against spectral norms and margin, noise around zero",
    aliases=("nbs-pacbayes",),
    family="pac-bayes",
    theorem=theorem(),
    symbols={**symbols_of_noise, d: q.group_norms},
    best_over=gamma,
    example=Example(example_values, example_printed),
)

initial = Bound(
    id="neyshabur2018-pac-bayes-initial",
    title="Gaussian noise against spectral norms and margin, noise around the initial weights",
    aliases=("nbs-pacbayes-initial",),
    family="pac-bayes",
    theorem=theorem(a.recorded_initialization),
    symbols={**symbols_of_noise, d: q.group_distances},
    best_over=gamma,
    example=Example(example_values, example_printed),
)
