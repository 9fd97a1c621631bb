"""The figure of norm balls: how far the margins of the networks inside can follow random signs."""

from __future__ import annotations

from fractions import Fraction

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from ..quantities.norm_ball import NormBalls
from .plots import STYLE, colour


def complexities(found: NormBalls) -> Figure:
    """Lower ends of the Rademacher complexity against the radius (logarithmic), below the 1/2 that none exceeds."""
    radii = [float(ball.radius) for ball in found.balls]
    lower = [float(ball.lower.lo) for ball in found.balls]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 3.4), layout="constrained")
        ax = figure.subplots()
        ax.set_xscale("log")
        ax.axhline(0.5, color="0.35", lw=1, ls=(0, (4, 2)))
        ax.plot(radii, lower, "o-", color=colour("rademacher"), lw=1.4, ms=5, zorder=3, clip_on=False)
        low, high = min(radii) / 1.3, max(radii) * 1.3
        ax.set_xlim(low, high)
        ax.set_ylim(0, 0.56)
        ax.text(
            low * 1.02, 0.507, "1/2: every choice of signs is followed", fontsize=8, color="0.35", va="bottom"
        )
        for x, y in zip(radii, lower, strict=True):
            # The curve rises: below it on the right there is room, but not below the axis.
            below = y > 0.04
            ax.annotate(
                f"{y:.3f}",
                (x, y),
                xytext=(5, -3) if below else (-4, 4),
                textcoords="offset points",
                ha="left" if below else "right",
                va="top" if below else "bottom",
                fontsize=8,
            )
        ax.xaxis.set_major_locator(FixedLocator(sorted(radii)))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.3g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xlabel("norms of the weights, in those of the trained network")
        ax.set_ylabel("Rademacher complexity, at least")
        ax.set_title(f"margins in units of {found.gamma:.3g}", loc="left", fontsize=9)
    return figure


def rows(found: NormBalls, n: int) -> list[str]:
    """The lines of a CSV file: a heading, then one line a radius and draw."""
    heading = "radius,draw,soft_miss,fitted,inside,least_soft_miss_within,complexity_at_least"
    return [heading] + [
        f"{_decimal(ball.radius)},{draw},{fit.soft_miss!r},{fit.fitted / n!r},{int(fit.inside)},{miss!r},{float(ball.lower.lo)!r}"
        for ball in found.balls
        for draw, (fit, miss) in enumerate(zip(ball.fits, ball.misses, strict=True), 1)
    ]


def _decimal(x: Fraction) -> str:
    return f"{float(x):g}"
