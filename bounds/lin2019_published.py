"""Lin and Zhang 2019, Lemma 18, as public code of others evaluates it; the statement itself could not be confirmed."""

from sympy import Product, Rational, Sum, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .references import LIN_2019

n, delta, gamma, R, x = symbols("n delta gamma R x", positive=True)
L = symbols("L", integer=True, positive=True)
i, j = symbols("i j", integer=True, positive=True)
s, W, F, t = families("s W F t")
Rad = symbols(r"\mathrm{Rad}", positive=True)

bound = Bound(
    id="lin2019-published",
    title="Count of kernel entries and spectral norms, a fourth root, as in public code",
    aliases=("lin-zhang",),
    family="margin",
    guarantee="unconfirmed",
    theorem=Theorem(
        value=R + 2 * Rad + 3 * sqrt(log(2 / delta) / (2 * n)),
        where={
            Rad: 16
            / sqrt(n)
            * (
                2
                / gamma
                * x
                * Product(s[j], (j, 1, L))
                * L**2
                * Sum(W[i] ** 2 * t[i] * F[i] / s[i], (i, 1, L))
            )
            ** Rational(1, 4)
        },
        assumptions=(a.iid, a.fixed_in_advance, a.chain_without_biases, a.homogeneous),
        citation=Citation(
            LIN_2019,
            theorem="Lemma 18",
            derivation="docs/theory/parameter-count.md",
            verified="not verified: the form is that of public code, not of the paper",
        ),
    ),
    symbols={
        n: q.sample_size,
        delta: q.delta,
        gamma: q.margin,
        R: q.ramp_risk,
        x: q.rms_input_norm,
        L: q.depth,
        s: q.spectral_norms,
        W: q.kernel_sizes,
        F: q.kernel_norms,
        t: q.steps_across,
    },
    best_over=gamma,
    # 16 / 100 times the fourth root of 2 * 10 * 8 * 4 * (100^2 * 4 * 1 / 2 + 50^2 * 1 * 2 / 4).
    example=Example(
        {
            n: 10_000,
            delta: "1/100",
            gamma: 1,
            R: 0,
            x: 10,
            L: 2,
            s: (2, 4),
            W: (100, 50),
            F: (1, 2),
            t: (4, 1),
        },
        "19.48159848",
    ),
)
