"""Cesa-Bianchi, Conconi and Gentile 2004: progressive validation, exactly, from one Cholesky factor."""

from boundcheck import Bound, Citation, Example, Theorem

from . import online
from .online import ONLINE, M, azuma, delta, exponential, n, symbols_of_all
from .references import CESABIANCHI_2004

bound = Bound(
    id="cesabianchi2004-progressive",
    title="Progressive validation of the average prefix predictor",
    aliases=("kernel-progressive-validation",),
    family="test-set",
    object="online-avg",
    theorem=Theorem(
        value=azuma,
        assumptions=ONLINE,
        citation=Citation(
            CESABIANCHI_2004,
            theorem="Theorem 1",
            derivation="docs/theory/online-mistakes.md",
            changes="the mistakes of the exact solutions on all prefixes, from one factor",
            verified="proved in full; check values to ten digits; brute-force retraining in the tests",
        ),
    ),
    symbols=symbols_of_all,
    example=Example({n: 60_000, M: "1800/60000", delta: "1/20"}, "0.03499644230"),
)

sharper = Bound(
    id="cesabianchi2004-progressive-exponential",
    title="Progressive validation of the average prefix predictor, for few mistakes",
    aliases=("kernel-progressive-validation-sharper",),
    family="test-set",
    object="online-avg",
    theorem=Theorem(
        value=exponential,
        assumptions=ONLINE,
        citation=Citation(
            CESABIANCHI_2004,
            derivation="docs/theory/online-mistakes.md",
            changes="an exponential supermartingale in place of Azuma's inequality, at the best of five rates fixed in advance",
            verified="proved in full; check values to ten digits; brute-force retraining in the tests",
        ),
    ),
    symbols=symbols_of_all,
    example=Example({n: 60_000, M: "1800/60000", delta: "1/20"}, "0.03218266999"),
)

late, late_sharper = online.late(bound), online.late(sharper)
