"""Every check value of the theory for the first-party bounds, to ten digits, through the product's own evaluation.

The values were computed from the formulas with forty-digit arithmetic, independently of this code.
"""

from fractions import Fraction

import pytest
import sympy
from boundcheck_bounds import growth, spectral_cover
from boundcheck_bounds.golowich2018_frobenius import c as golowich_c
from boundcheck_bounds.golowich2018_frobenius import tau
from check_values import BOUNDS, agrees, at, slack

from boundcheck import Interval, Theorem
from boundcheck.bound import exact_values
from boundcheck.extension import enclose
from boundcheck.functions import Dudley, KlInverse
from boundcheck.quantities.rademacher import lower_end

OCCAM = [
    ("blumer1987-realizable-linear", {"n": 60_000, "B": 32_000, "delta": "1/100"}, "0.3697552491"),
    ("blumer1987-realizable-exact", {"n": 60_000, "B": 32_000, "delta": "1/100"}, "0.3090965908"),
    ("langford2005-occam-hoeffding", {"n": 50_000, "E": "1/50", "B": 4000, "delta": "1/20"}, "0.1866008540"),
    ("langford2005-occam-kl", {"n": 50_000, "E": "1/50", "B": 4000, "delta": "1/20"}, "0.1047367251"),
    ("langford2005-occam-binomial", {"n": 50_000, "E": "1/50", "B": 4000, "delta": "1/20"}, "0.1046444021"),
    ("langford2005-occam-hoeffding", {"n": 1000, "E": "1/50", "B": 100, "delta": "1/20"}, "0.2101452738"),
    ("langford2005-occam-kl", {"n": 1000, "E": "1/50", "B": 100, "delta": "1/20"}, "0.1228060159"),
    ("langford2005-occam-binomial", {"n": 1000, "E": "1/50", "B": 100, "delta": "1/20"}, "0.1204394500"),
    ("blumer1987-realizable-linear", {"n": 60_000, "B": 32 * 669_706, "delta": "1/100"}, "247.5759838"),
    ("clopper1934-test-set", {"m": 10_000, "E": "1425/10000", "delta": "1/20"}, "0.1483767872"),
    ("clopper1934-test-set", {"m": 10_000, "E": 0, "delta": "1/20"}, "0.0002995283598"),
    ("mohri2018-rademacher", {"n": 50_000, "E": 0, "Rad": "1/2", "delta": "1/100"}, "1.013572281"),
    ("mohri2018-rademacher", {"n": 1000, "E": "1/10", "Rad": "1/4", "delta": "1/20"}, "0.6774045512"),
]


@pytest.mark.parametrize(("identifier", "numbers", "printed"), OCCAM)
def test_check_value(identifier, numbers, printed):
    assert agrees(at(identifier, **numbers), printed)


def test_occam_forms_are_ordered_as_proved():
    numbers = {"n": 50_000, "E": "1/50", "B": 4000, "delta": "1/20"}
    binomial, kl, hoeffding = (
        at(f"langford2005-occam-{form}", **numbers) for form in ("binomial", "kl", "hoeffding")
    )
    assert binomial < kl < hoeffding


def test_realizable_slack_at_float32_parameter_bits():
    numbers = {"n": 60_000, "B": 32 * 669_706, "delta": "1/100"}
    assert agrees(slack("blumer1987-realizable-exact", **numbers).log10(), "-107.5208836")
    assert agrees(slack("langford2005-occam-binomial", E=0, **numbers).log10(), "-107.5208836")
    assert agrees(slack("langford2005-occam-kl", E=0, **numbers).log10(), "-107.5208836")


def test_two_sided_clopper_pearson_and_its_ends():
    from boundcheck.quantities.counts import clopper_pearson

    both = clopper_pearson(Interval(1425), 10_000, Fraction(1, 20))
    assert agrees(Interval(both.lo), "0.1357035396")
    assert agrees(Interval(both.hi), "0.1495053696")
    assert agrees(Interval(clopper_pearson(Interval(1425), 10_000, Fraction(1, 10)).lo), "0.1367776713")
    assert agrees(Interval(clopper_pearson(Interval(1), 10_000, Fraction(1, 10)).lo), "0.000005129316284")
    assert clopper_pearson(Interval(0), 10_000, Fraction(1, 20)).lo == 0
    assert clopper_pearson(Interval(50), 50, Fraction(1, 20)).hi == 1


def test_chernoff_inversion_of_a_test_error():
    c = -Interval(Fraction(1, 20)).log() / 10_000
    assert agrees(KlInverse.enclose(Interval(Fraction(1425, 10_000)), c), "0.1511984795")


MLP = {"T": (512, 512, 9), "V": (401_920, 664_576, 669_706), "D": (1, 2, 3), "L": 3}
TINY = {"T": (8, 2), "V": (24, 51), "D": (1, 2), "L": 2}
LENET = {
    "T": (8640, 2560, 120, 84, 9),
    "V": (156, 2572, 33_412, 43_576, 44_426),
    "D": (1, 2, 3, 4, 5),
    "L": 5,
}


def families_of(shape):
    return {family: tuple(map(Interval, shape[str(family)])) for family in (growth.T, growth.V, growth.D)}


def patterns(shape, m) -> Interval:
    values = {growth.L: Interval(shape["L"]), **families_of(shape)}
    return enclose(growth.log_patterns(sympy.Integer(m)), values)


def test_growth_function_of_784_512_512_10():
    assert agrees(patterns(MLP, 10**8), "21162589.15")
    assert agrees(patterns(MLP, 120_000), "8044780.432")
    values = {
        growth.L: Interval(3),
        growth.d: Interval(266_560),
        **families_of(MLP),
    }
    capped = enclose(growth.log_growth(sympy.Integer(120_000)), values)
    assert agrees(capped, "83177.66167")


def test_growth_function_of_2_8_3():
    assert agrees(patterns(TINY, 1000), "490.2651890")


def test_growth_function_of_a_convolutional_network():
    assert agrees(patterns(LENET, 10**7), "1543831.050")


def test_growth_function_where_a_round_has_fewer_tests_than_parameters():
    """m T_r < V_r leaves only the trivial count of that round."""
    assert patterns(TINY, 1).contains(Interval(2).log() * 8 + Interval(2).log() * 2)


def test_relative_deviation_on_a_saturated_class():
    value = at("cortes2019-relative", n=60_000, E=0, delta="1/100", d=266_560, **MLP)
    assert agrees(value, "5.545576875")


def test_relative_deviation_and_hypergeometric_on_sauer_sums():
    """The statements with ln Pi given as a number: d = 50 and d = 10 of the theory."""
    n, E, delta = (sympy.Symbol(name, positive=True) for name in ("n", "E", "delta"))
    relative = BOUNDS["cortes2019-relative"].theorem
    _c, Lam = relative.where.keys()

    def with_growth(theorem, log_growth, **numbers):
        expression = theorem.value
        for name, part in theorem.where.items():
            if name != Lam:
                expression = expression.subs(name, part)
        values = {
            n: Interval(numbers["n"]),
            E: Interval(Fraction(numbers["E"])),
            delta: Interval(Fraction(numbers["delta"])),
        }
        return enclose(expression, values | {Lam: Interval(Fraction(log_growth))})

    assert agrees(with_growth(relative, "436.2747913", n=60_000, E="1/50", delta="1/100"), "0.06315032451")
    assert agrees(with_growth(relative, "436.2747913", n=60_000, E="0", delta="1/100"), "0.02948441706")
    assert agrees(with_growth(relative, "60.88710901", n=1000, E="1/50", delta="1/20"), "0.2997420619")
    hypergeometric = BOUNDS["leboeuf2021-hypergeometric"].theorem
    (Lam,) = hypergeometric.where.keys()
    assert agrees(with_growth(hypergeometric, "70.06051885", n=1000, E="0", delta="1/20"), "0.08025")
    assert agrees(with_growth(hypergeometric, "70.06051885", n=1000, E="1/50", delta="1/20"), "0.13475")
    assert agrees(
        with_growth(hypergeometric, "482.0952039", n=60_000, E="1/50", delta="1/100"), "0.04595000000"
    )


def test_hypergeometric_is_exactly_one_at_its_saturation_threshold_and_not_below():
    """Vacuous iff ln(4 Pi / delta) > ln C(M, n), for K = 0."""
    from boundcheck.functions import HypergeometricInverse

    n, m = 60, 240
    choose = Interval(_choose(n + m, n)).log()
    above = HypergeometricInverse.enclose(Interval(0), Interval(n), Interval(m), choose + Fraction(1, 10**9))
    below = HypergeometricInverse.enclose(Interval(0), Interval(n), Interval(m), choose - Fraction(1, 10**9))
    assert above == Interval(1)
    assert below < 1


def _choose(a, b):
    import math

    return math.comb(a, b)


RADEMACHER = [
    (1, Fraction(0), "0.4932138596"),
    (5, Fraction(3, 1000), "0.4939651457"),
]


@pytest.mark.parametrize(("m", "missed", "printed"), RADEMACHER)
def test_rademacher_lower_end(m, missed, printed):
    assert agrees(lower_end([missed] * m, 50_000, Fraction(1, 100)), printed)


def golowich(n, delta, k, d, X, ratio, R):
    """T / gamma = ratio, put into the last layer."""
    return {
        "n": n,
        "delta": delta,
        "k": k,
        "gamma": 1,
        "R": R,
        "x": f"{X}/sqrt({n})",
        "w": ratio,
        "F": (1,) * d,
        "L": d,
    }


@pytest.mark.parametrize(
    ("numbers", "c_printed", "printed"),
    [
        (golowich(50_000, "1/20", 10, 3, 2000, 1000, "1/100"), "0.1486481213", "608.9080205"),
        (golowich(10_000, "1/100", 2, 8, 1000, "3/10", "1/20"), "0.4330218445", "0.6902260444"),
    ],
)
def test_golowich(numbers, c_printed, printed):
    assert agrees(at("golowich2018-frobenius", **numbers), printed)
    bound = BOUNDS["golowich2018-frobenius"]
    names = {str(s): s for s in bound.symbols}
    values = exact_values({names[key]: value for key, value in numbers.items()})
    assert agrees(enclose(bound.theorem.where[golowich_c], values), c_printed)
    assert enclose(bound.theorem.where[tau], values).contains(Fraction(numbers["w"]))


def cover(n, margin, x, s, b, rho, p, beta=None, beta0=None):
    """C for norms that are rounded up already: the statement without its grids."""
    sc = spectral_cover
    zeros = (0,) * len(s)
    theorem = Theorem(
        value=sc.C,
        where=sc.complexity(sc.beta0[sc.j]),
        citation=BOUNDS["bartlett2017-spectral"].theorem.citation,
    )
    families = {
        sc.s_up: s,
        sc.b_up: b,
        sc.beta_up: beta or zeros,
        sc.beta0: beta0 or zeros,
        sc.rho: rho,
        sc.p: p,
    }
    values = {family: tuple(Interval(Fraction(v)) for v in entries) for family, entries in families.items()}
    scalars = {sc.n: Interval(n), sc.x: x, sc.L: Interval(len(s)), sc.gamma_down: Interval(Fraction(margin))}
    return theorem.enclose(values | scalars)


def test_spectral_cover_with_rounded_inputs():
    C = cover(
        50_000,
        10,
        Interval(2000) / Interval(50_000).sqrt(),
        (2, 3, "3/2"),
        (10, 12, 4),
        (1, 1, 1),
        (784 * 256, 256 * 256, 256 * 10),
    )
    assert agrees(C, "241789.5893")
    h = Dudley.enclose(C, Interval(50_000))
    assert agrees(h, "58.02950144")
    confidence = 3 * ((Interval(40).log() + 60) / 100_000).sqrt()
    assert agrees(Fraction(1, 100) + 2 * h + confidence, "116.1447129")
    C = cover(10_000, 1, Interval(10), ("1/10", "1/20"), ("1/100", "1/50"), (1, 2), (27 * 16, 16 * 10))
    assert agrees(C, "32.45846790")
    h = Dudley.enclose(C, Interval(10_000))
    assert agrees(h, "0.1653618340")
    assert agrees(2 * h + 3 * ((Interval(200).log() + 40) / 20_000).sqrt(), "0.4734970648")


def test_spectral_cover_with_biases_follows_the_forward_recursion():
    """The closed form against the two recursions written as loops."""
    import math

    n, x, margin = 900, 2.5, 1.5
    s, b, beta, beta0 = (1.5, 0.7, 2.0), (3.0, 2.0, 1.0), (0.3, 0.1, 0.2), (0.05, 0.0, 0.4)
    rho, p = (1.0, 2.0, 1.0), (60, 40, 20)
    r, norms = x, []
    for q in range(3):
        norms.append(r)
        r = rho[q] * (s[q] * r + beta[q] + beta0[q])
    lam = [rho[q] * math.prod(rho[j] * s[j] for j in range(q + 1, 3)) for q in range(3)]
    Q = [lam[q] * (b[q] * norms[q] + beta[q]) * math.sqrt(n * math.log(2 * p[q])) for q in range(3)]
    expected = 2 / margin * sum(q ** (2 / 3) for q in Q) ** 1.5
    value = cover(n, margin, Interval(x), s, b, rho, p, beta, beta0)
    assert float(value.lo) == pytest.approx(expected, rel=1e-12)


def test_spectral_example_with_all_grids_and_prices():
    theorem = BOUNDS["bartlett2017-spectral"].theorem
    values = exact_values(BOUNDS["bartlett2017-spectral"].example.values)
    parts = {name: value for name, _, value in theorem.enclose_where(values)}
    assert agrees(parts[spectral_cover.C], "53726.61473")
    assert agrees(theorem.enclose(values), "129.1854155")
