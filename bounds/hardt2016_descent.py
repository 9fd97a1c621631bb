"""Hardt, Recht and Singer 2016: stochastic gradient descent is stable in expectation; cross-entropy bounds the error."""

from sympy import log, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .references import HARDT_2016

n, L, B, c, m, T, sa = symbols("n L B c m T sa", positive=True)
C = symbols("C", nonnegative=True)

VERIFIED = "re-derived; check values to ten digits"


def error(gap):
    """The error is at most the cross-entropy over ln 2, and its mean over the training set misses at most `gap`."""
    return (C + gap) / log(2)


bound = Bound(
    id="hardt2016-descent",
    title="Gradient descent on a convex loss: expected gap by the sum of the steps",
    aliases=("stab-hrs-convex",),
    family="stability",
    guarantee="EXP",
    theorem=Theorem(
        value=error(2 * L**2 * sa / n),
        assumptions=(
            a.iid,
            a.fixed_in_advance,
            a.bounded_inputs,
            a.plain_descent,
            a.convex_loss,
            a.short_steps,
        ),
        citation=Citation(
            HARDT_2016,
            theorem="Theorem 3.7",
            derivation="docs/theory/sgd-stability.md",
            changes="mini-batches in random order; the error by the cross-entropy over ln 2",
            verified=VERIFIED,
        ),
    ),
    symbols={n: q.sample_size, C: q.training_loss, L: q.loss_lipschitz, sa: q.step_sum},
    example=Example({n: 50_000, C: 0, L: 1, sa: 100}, "0.005770780164"),
)

strongly = Bound(
    id="hardt2016-descent-strongly-convex",
    title="Gradient descent on a strongly convex loss: expected gap without the number of steps",
    aliases=("stab-hrs-strongly-convex",),
    family="stability",
    guarantee="EXP",
    theorem=Theorem(
        value=error(2 * L**2 / (m * n)),
        assumptions=(
            a.iid,
            a.fixed_in_advance,
            a.bounded_inputs,
            a.projected_descent,
            a.convex_loss,
            a.short_steps,
        ),
        citation=Citation(
            HARDT_2016, theorem="Theorem 3.9", derivation="docs/theory/sgd-stability.md", verified=VERIFIED
        ),
    ),
    symbols={n: q.sample_size, C: q.training_loss, L: q.loss_lipschitz, m: q.strong_convexity},
    example=Example({n: 50_000, C: 0, L: 1, m: "1/10"}, "0.0005770780164"),
)

nonconvex = Bound(
    id="hardt2016-descent-nonconvex",
    title="Gradient descent with steps c/t on a bounded smooth loss: expected gap by a power of the number of steps",
    aliases=("stab-hrs-nonconvex",),
    family="stability",
    guarantee="EXP",
    theorem=Theorem(
        value=error(
            (1 + 1 / (B * c)) / (n - 1) * (2 * c * L**2) ** (1 / (B * c + 1)) * T ** (B * c / (B * c + 1))
        ),
        assumptions=(
            a.iid,
            a.fixed_in_advance,
            a.bounded_inputs,
            a.plain_descent,
            a.single_examples,
            a.bounded_loss,
        ),
        citation=Citation(
            HARDT_2016, theorem="Theorem 3.12", derivation="docs/theory/sgd-stability.md", verified=VERIFIED
        ),
    ),
    symbols={
        n: q.sample_size,
        C: q.training_loss,
        L: q.loss_lipschitz,
        B: q.loss_smoothness,
        c: q.step_constant,
        T: q.steps,
    },
    example=Example({n: 50_000, C: 0, L: 1, B: 10, c: "1/10", T: 100_000}, "0.008161278798"),
)
