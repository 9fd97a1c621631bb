"""Cesa-Bianchi, Conconi and Gentile 2004: progressive validation, exactly, from one Cholesky factor."""

from dataclasses import replace

from boundcheck import Bound, Citation, Example, Theorem

from .online import ONLINE, M, azuma, delta, exponential, n, symbols_of_all, symbols_of_late
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

late = replace(
    bound,
    id="cesabianchi2004-progressive-late",
    title="Progressive validation of the average predictor on the later half of the prefixes",
    aliases=(),
    object="online-late",
    symbols=symbols_of_late,
)

sharper = replace(
    bound,
    id="cesabianchi2004-progressive-exponential",
    title="Progressive validation of the average prefix predictor, for few mistakes",
    aliases=("kernel-progressive-validation-sharper",),
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
    example=Example({n: 60_000, M: "1800/60000", delta: "1/20"}, "0.03218266999"),
)

late_sharper = replace(
    sharper,
    id="cesabianchi2004-progressive-exponential-late",
    title="Progressive validation of the average predictor on the later half of the prefixes, for few mistakes",
    aliases=(),
    object="online-late",
    symbols=symbols_of_late,
)
