"""What the training, and what is stored of it, must be."""

from __future__ import annotations

from ..quantities.study import Study
from ..spec import RunSpec
from ..theorem import Assumption, Resolution
from .world import by_design


def _interpolates(study: Study) -> Resolution:
    errors = study.margins("train").errors
    if errors <= 0:
        return Resolution(
            status="enclosed", reason="every training example is certified to be classified correctly"
        )
    if errors > 0:
        return Resolution(
            status="refuted",
            reason=f"the training error is {float((errors / study.margins('train').size).lo):.4g}, not 0",
        )
    return Resolution(status="undecided", reason="rounding leaves open whether the training error is 0")


interpolation = Assumption("interpolation", "the training error is 0", _interpolates)


def _stored_bits(study: Study) -> Resolution:
    if not study.run.parametric:
        return Resolution(
            status="refuted",
            reason="a kernel predictor is a function of the training inputs too, which no code for its coefficients holds",
        )
    return by_design(
        study,
        "the classifier is a function of the stored weights, which are finite numbers of fixed width",
        "the function must hold no number that depends on the data besides `params`",
    )


finite_description = Assumption(
    "finite-description", "the classifier is a deterministic function of the stored bits", _stored_bits
)


def _known_draws(study: Study) -> Resolution:
    spec = study.run.spec
    if not isinstance(spec, RunSpec) or spec.rademacher is None:
        return Resolution(
            status="refuted",
            reason="no number of random sign draws was fixed in advance"
            if spec is not None
            else "a run from arrays records no recipe to retrain by",
        )
    return Resolution(
        status="proven",
        reason=f"{spec.rademacher.draws} draws from a seed fixed in the experiment file; none is dropped",
    )


draws_fixed = Assumption(
    "draws-fixed-in-advance",
    "the random signs are independent of everything, their number fixed, none discarded",
    _known_draws,
)
