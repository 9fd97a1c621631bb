"""What must be true of a linear or kernel predictor, and of the order of its examples."""

from __future__ import annotations

from .. import quantities
from ..interval import Interval
from ..quantities.study import Study
from ..theorem import Assumption, Resolution
from .check import asserted, available
from .world import by_design, fixed_in_advance


def _solved(study: Study) -> Resolution:
    solution = study.run.solution
    if solution is None:
        return Resolution(
            status="refuted",
            reason="the network was trained; this speaks of the exact solution of a linear or kernel problem",
        )
    return Resolution(
        status="enclosed",
        reason=f"{solution.method}, relative residual at most {float(solution.residual.hi):.1e}",
    )


solved = Assumption(
    "solved",
    "the predictor is the solution of kernel ridge regression, or of least norm, on the training set",
    _solved,
)


def _kernel_fixed(study: Study) -> Resolution:
    solution = study.run.solution
    if solution is not None and not solution.features_fixed:
        return Resolution(
            status="refuted",
            reason="transductive features: patches, whitening and standardization come from the training inputs; take them elsewhere "
            '(`patches = "gaussian"`)',
        )
    return asserted(
        fixed_in_advance.name, "nothing is known about how kernel, features and ridge were chosen."
    )(study)


kernel_fixed = Assumption(
    "kernel-fixed", "kernel, features, bandwidth and ridge do not depend on the training set", _kernel_fixed
)


@available
def _bounded_kernel(study: Study) -> Resolution:
    bound = study.measure(quantities.kernel_bound)
    assert isinstance(bound.value, Interval)
    return Resolution(
        status="proven", reason=f"sqrt(k(x, x)) is at most {float(bound.value.hi):.6g}: {bound.method}"
    )


bounded_kernel = Assumption(
    "bounded-kernel",
    "k(x, x) is bounded over all inputs by a number known before the data were seen",
    _bounded_kernel,
)


def _order_fixed(study: Study) -> Resolution:
    return by_design(
        study,
        "the order of the data set, or of a subset drawn without looking at it",
        "the order of the examples must have been fixed before they were seen",
    )


order_fixed = Assumption(
    "order-fixed", "the order of the examples was fixed before they were seen, or is random", _order_fixed
)


def _two_classes(study: Study) -> Resolution:
    k = study.run.classes
    if k != 2:
        return Resolution(status="refuted", reason=f"there are {k} classes")
    return Resolution(status="proven", reason="counted")


two_classes = Assumption("two-classes", "there are two classes", _two_classes)
