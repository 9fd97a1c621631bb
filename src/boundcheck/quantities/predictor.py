"""What the exact solution of a linear or kernel problem tells: norms, leave-one-out and progressive errors, stability.

Numbers that grow with the sample are given per example, so that a statement can move the sample size alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

from ..interval import Interval
from ..network.rounding import gam
from ..solving.solution import Solution
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study

T = TypeVar("T")

SHARE = Fraction(1, 10)
"""b in the definition of k*: the least k with r_k >= b n."""


def solved(study: Study) -> Solution:
    """The solution. Raises `UnavailableError` for a trained network."""
    solution = study.run.solution
    if solution is None:
        raise UnavailableError(
            "the network was trained; this speaks of the exact solution of a linear or kernel problem."
        )
    return solution


def told(value: T | None, what: str, solution: Solution) -> T:
    """A field of the solution. Raises `UnavailableError` where this way of solving does not tell."""
    if value is None:
        raise UnavailableError(f"{what} is not known from a solution by {solution.method}.")
    return value


def _enclosed(value: Interval, method: str) -> Quantity:
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=method)


_FACTOR = "one Cholesky factor, with a bound on everything that rounding can do"


@measurement("squared norm of the solution on centred labels, an example")
def interpolation_norm_squared(study: Study) -> Quantity:
    """N/n, N = tr V^T (K + mu I)^-1 V: of the exact solution."""
    solution = solved(study)
    return _enclosed(
        told(solution.norm_squared, "the norm of the exact solution", solution) / solution.size, _FACTOR
    )


@measurement("norm of the predictor in its reproducing kernel Hilbert space")
def rkhs_norm(study: Study) -> Quantity:
    """(sum_c |f_c|^2)^(1/2), of the predictor as stored, its outputs centred."""
    return _enclosed(
        solved(study).stored_norm_squared.sqrt(), "alpha^T K alpha, with the rounding of K and of the sums"
    )


@measurement("norm of the difference of the two outputs")
def margin_function_norm(study: Study) -> Quantity:
    """|f_1 - f_2| <= sqrt(2) |f|: for two classes the margin is plus or minus this function."""
    return _enclosed(
        Interval(2).sqrt() * solved(study).stored_norm_squared.sqrt(),
        "sqrt(2) times the norm of the centred outputs",
    )


@measurement("mean of k(x, x) over the training inputs")
def kernel_diagonal(study: Study) -> Quantity:
    """tr K / n."""
    return _enclosed(solved(study).diagonal, "the diagonal of the Gram matrix")


@measurement("root of the largest k(x, x) that can occur")
def kernel_bound(study: Study) -> Quantity:
    """kappa: at most what was known before the data were seen, at least what the training inputs show."""
    solution = solved(study)
    bound = told(solution.kernel_bound, "a bound on k(x, x) for every input", solution)
    return _enclosed(
        bound.maximum(Interval(solution.diagonal.lo).minimum(bound.hi)).sqrt(),
        "from above by the kernel and the range of the inputs, from below by the training inputs",
    )


@measurement("unit in which the norm of a kernel predictor is counted")
def kernel_unit(study: Study) -> Quantity:
    """The upper end of kappa alone: a grid of norms must not move with the data."""
    bound = study.measure(kernel_bound).value
    assert isinstance(bound, Interval)
    return _enclosed(Interval(bound.hi), "from the kernel, and the range of the inputs")


@measurement("what is added to the diagonal of the Gram matrix")
def diagonal_shift(study: Study) -> Quantity:
    """mu = lambda n."""
    return Quantity(value=solved(study).shift, evidence=Evidence.EXACT, method="the experiment file")


@measurement("ridge")
def ridge(study: Study) -> Quantity:
    """lambda."""
    return _enclosed(solved(study).ridge, "the experiment file")


@measurement("trace of the inverse of the Gram matrix, an example")
def inverse_trace(study: Study) -> Quantity:
    """tr (K + mu I)^-1 / n."""
    solution = solved(study)
    return _enclosed(
        told(solution.inverse_trace, "the inverse of the matrix", solution) / solution.size, _FACTOR
    )


@measurement("alignment of kernel and labels, an example")
def label_alignment(study: Study) -> Quantity:
    """tr V^T K V / n."""
    solution = solved(study)
    return _enclosed(told(solution.alignment, "the alignment", solution), "one pass over the Gram matrix")


@measurement("fraction of examples that the predictor on those before them gets wrong", at_most=1)
def progressive_error(study: Study) -> Quantity:
    """M_n / n."""
    solution = solved(study)
    return _enclosed(told(solution.mistakes, "progressive prediction", solution) / solution.size, _FACTOR)


@measurement("the same over the second half of the examples", at_most=1)
def late_progressive_error(study: Study) -> Quantity:
    """Mistakes on examples t > floor(n/2), over their number."""
    solution = solved(study)
    late = solution.size - solution.size // 2
    return _enclosed(told(solution.late_mistakes, "progressive prediction", solution) / late, _FACTOR)


@measurement("number of examples in the second half", whole=True)
def late_size(study: Study) -> Quantity:
    """n - floor(n/2)."""
    size = solved(study).size
    return Quantity(value=Interval(size - size // 2), evidence=Evidence.EXACT, method="counted")


@measurement("leave-one-out error", at_most=1)
def leave_one_out_error(study: Study) -> Quantity:
    """The fraction of examples that the predictor on all others gets wrong."""
    solution = solved(study)
    return _enclosed(told(solution.loo_errors, "the leave-one-out error", solution) / solution.size, _FACTOR)


@measurement("leave-one-out ramp loss at margin 1", at_most=1)
def leave_one_out_ramp(study: Study) -> Quantity:
    """The mean of min(1, max(0, 1 - m)) over the leave-one-out margins m; above, with what the stored predictor may lose."""
    solution = solved(study)
    value = told(solution.loo_ramp, "the leave-one-out loss", solution)
    return _enclosed(
        Interval(value.lo, (value + Interval(2).sqrt() * stored_distance(study)).minimum(1).hi), _FACTOR
    )


@measurement("ramp risk at margin 1", at_most=1)
def unit_ramp_risk(study: Study) -> Quantity:
    """(1/n) sum_i min(1, max(0, 1 - m_i)), of the exact solution, that stability speaks of.

    With outputs that differ by d at most its ramp loss is within sqrt(2) d of that of the stored predictor. The upper end has
    this twice: the error of the stored predictor is at most its own ramp risk, and that at most sqrt(2) d above the other.
    """
    value = study.margins("train").at(Interval(1))
    apart = Interval(2).sqrt() * stored_distance(study)
    return _enclosed(
        Interval((value - apart).maximum(0).lo, (value + 2 * apart).minimum(1).hi),
        "margins of all training examples, and the distance of the stored predictor from the exact solution",
    )


def stored_distance(study: Study) -> Interval:
    """sup over all inputs of |stored - exact outputs|_2, from above: kappa |V - A alpha|_F / sqrt(lambda_min(A)).

    The norm of the difference is e^T A^-1 K A^-1 e <= |e|^2 / lambda_min (docs/theory/exact-solutions.md). A linear predictor is
    stored by its weights, each a sum of n products.
    """
    solution = solved(study)
    least = solution.shift if solution.eigenvalue is None else solution.eigenvalue
    if not least > 0:
        raise UnavailableError(
            f"how far the stored predictor is from the exact solution is not known from a solution by {solution.method}."
        )
    kappa = study.measure(kernel_bound).value
    assert isinstance(kappa, Interval)
    n, floor = solution.size, Interval(least.lo)
    labels = (n * (1 - Interval(1) / study.run.classes)).sqrt()
    apart = solution.residual * labels / floor.sqrt()
    if study.run.parametric:
        apart = apart + gam(n + 8) * (n * solution.diagonal).sqrt() * (1 + solution.residual) * labels / floor
    return Interval(0, (kappa * apart).hi)


@measurement("n times the uniform stability of the ramp loss at margin 1 when an example is removed")
def removal_stability(study: Study) -> Quantity:
    """n beta: at least what removing one example changes somewhere, at most what Bousquet and Elisseeff's argument allows.

    With lambda > 0, |f_S(x) - f_{S-i}(x)| <= kappa^2 Y (1 + kappa/sqrt(lambda))/(lambda n), Y = sqrt(1 - 1/k) for centred
    labels, and the ramp loss at margin 1 is sqrt(2)-Lipschitz in the outputs (docs/theory/stability.md).
    """
    solution = solved(study)
    n = solution.size
    seen = Interval(0) if solution.observed_removal is None else Interval(solution.observed_removal.lo)
    most = Interval(n)
    if solution.ridge > 0 and solution.kernel_bound is not None:
        most = (
            n * removal_bound(solution.kernel_bound.sqrt(), solution.ridge, n, study.run.classes)
        ).minimum(n)
    return _enclosed(
        Interval((n * seen).minimum(Interval(most.hi)).lo, most.hi),
        "from below by removing every example in turn, from above by the ridge",
    )


def removal_bound(kappa: Interval, ridge: Interval, n: int, classes: int) -> Interval:
    """beta of the ramp loss at margin 1 for kernel ridge regression on centred one-hot labels."""
    size = (1 - Interval(1) / classes).sqrt()
    return Interval(2).sqrt() * kappa**2 * size * (1 + kappa / ridge.sqrt()) / (ridge * n)


@measurement("n times the uniform stability of the ramp loss at margin 1 when an example is replaced")
def replacement_stability(study: Study) -> Quantity:
    """n gamma <= 2 n beta: one removal and one addition.

    The interpolant of least norm does not change when a copy of a training example is added, so replacing an example by a
    copy of another removes it: then gamma is at least what removing is seen to change.
    """
    solution, beta = solved(study), study.measure(removal_stability).value
    assert isinstance(beta, Interval)
    interpolates = solution.ridge <= 0 and solution.eigenvalue is not None and solution.eigenvalue > 0
    least = Interval(beta.lo if interpolates else 0)
    most = (2 * beta).minimum(solution.size)
    return _enclosed(Interval(least.lo, most.hi), "twice the stability under removal, and at most 1 times n")


@measurement("effective rank r_0 of the Gram matrix")
def effective_rank(study: Study) -> Quantity:
    """r_0 = tr K / lambda_1."""
    solution = solved(study)
    largest = told(solution.largest_eigenvalue, "the largest eigenvalue", solution)
    return _enclosed(
        (solution.diagonal / largest).maximum(1), "a product with the matrix, and its Frobenius norm"
    )


@measurement("effective rank R_0 of the Gram matrix")
def effective_rank_squares(study: Study) -> Quantity:
    """R_0 = (tr K)^2 / tr K^2."""
    solution = solved(study)
    return _enclosed(
        (solution.diagonal**2 / told(solution.square_trace, "the Frobenius norm", solution)).maximum(1),
        "one pass over the Gram matrix",
    )


def benign_ranks(values: Sequence[Interval], needed: Interval) -> tuple[int, Interval, Interval] | None:
    """(k*, r_k*, R_k*) of eigenvalues in descending order: the least k with r_k >= `needed`; None where there is none.

    r_k = sum_{i > k} lambda_i / lambda_{k+1} and R_k = (sum_{i > k} lambda_i)^2 / sum_{i > k} lambda_i^2.
    """
    tails, tail, squares = [], Interval(0), Interval(0)
    for value in reversed(values):
        tail, squares = tail + value, squares + value**2
        tails.append((value, tail, squares))
    for k, (value, tail, squares) in enumerate(reversed(tails)):
        if value > 0 and tail / value >= needed:
            return k, tail / value, tail**2 / squares
    return None


@measurement("variance proxy of benign overfitting")
def variance_proxy(study: Study) -> Quantity:
    """k*/m + m/R_k* with k* the least k where r_k >= m/10, from the spectrum of the first m examples."""
    solution = solved(study)
    values = told(solution.spectrum, "the spectrum", solution)
    size = len(values)
    found = benign_ranks(values, Interval(SHARE * size))
    if found is None:
        raise UnavailableError(
            f"no effective rank of the first {size} examples reaches a tenth of their number."
        )
    k, _, squares = found
    return Quantity(
        value=Interval(k) / size + size / squares,
        evidence=Evidence.ESTIMATED,
        method=f"the spectrum of the first {size} examples; k* = {k}",
    )
