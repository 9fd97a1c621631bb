"""Bartlett, Foster and Telgarsky 2017 on the graph of a network: spectral norms along its paths; all norms and margins at once."""

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .references import BARTLETT_2017
from .spectral_cover import (
    B,
    L,
    Lam,
    R,
    b,
    beta,
    complexity,
    delta,
    example_printed,
    example_values,
    gamma,
    n,
    p,
    r,
    rho,
    s,
    s_up,
    stratification,
    value,
    x,
)

assumptions = (a.iid, a.fixed_in_advance, a.traced)

# The closed forms for a chain give way to what is measured along the graph.
where = {
    name: part
    for name, part in {**complexity(0), **stratification}.items()
    if getattr(name, "base", None) not in (Lam, r, s_up)
}


def theorem(*more):
    return Theorem(
        value=value,
        where=where,
        assumptions=(*assumptions, *more),
        citation=Citation(
            BARTLETT_2017,
            theorem="Theorem 3.3",
            derivation="docs/theory/spectral-cover.md",
            changes="any graph: concatenations and skips; ceilings and proper covers repaired; biases; all norms and margins at once",
            verified="proved in full; equal to bartlett2017-spectral on chains; the recursions against simulated errors; simulated coverage",
        ),
    )


symbols = {
    n: q.sample_size,
    delta: q.delta,
    gamma: q.margin,
    R: q.ramp_risk,
    L: q.graph_layers,
    s: q.graph_spectral_norms,
    B: q.graph_bias_flags,
    p: q.graph_atoms,
    Lam: q.graph_effects,
}

# Norms (2, 4) of a chain with inputs of norm 10.
example = Example(
    {key: v for key, v in example_values.items() if key not in (x, rho)} | {r: (10, 20), Lam: (4, 1)},
    example_printed,
)

bound = Bound(
    id="bartlett2017-spectral-graph",
    title="Spectrally normalized margin bound along the graph, norms rounded up to their grids, reference matrices zero",
    aliases=("spectral-cover-graph",),
    family="margin",
    invariances=("relabelling", "reordering"),
    theorem=theorem(),
    symbols={**symbols, b: q.graph_masses, beta: q.graph_bias_masses, r: q.graph_inputs},
    best_over=gamma,
    example=example,
)

initial = Bound(
    id="bartlett2017-spectral-graph-initial",
    title="Spectrally normalized margin bound along the graph, norms rounded up to their grids, reference matrices the initial ones",
    aliases=("spectral-cover-graph-initial",),
    family="margin",
    invariances=("relabelling", "reordering"),
    theorem=theorem(a.recorded_initialization),
    symbols={
        **symbols,
        b: q.graph_masses_from_initial,
        beta: q.graph_bias_masses_from_initial,
        r: q.graph_inputs_from_initial,
    },
    best_over=gamma,
    example=example,
)
