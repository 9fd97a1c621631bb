"""The bounds that are installed, found through the entry-point group `boundcheck.bounds`.

An entry point names a `Bound`. One that does not load, or clashes with another, becomes a `Failure`: it is reported
as such and takes nothing else down with it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from .bound import Bound
from .errors import PluginError, UnknownNameError

GROUP = "boundcheck.bounds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A plugin that could not be used: its entry point, the distribution it came with, one line and the traceback."""

    name: str
    plugin: str
    reason: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Registry:
    """Bounds by id, in alphabetical order, with the plugin each came from; and the plugins that failed."""

    bounds: dict[str, Bound]
    plugins: dict[str, str]
    failures: tuple[Failure, ...] = ()

    def find(self, name: str) -> Bound:
        """The bound with this id or alias. Raises `UnknownNameError` with the nearest name."""
        if name in self.bounds:
            return self.bounds[name]
        for bound in self.bounds.values():
            if name in bound.aliases:
                return bound
        raise UnknownNameError("bound", name, [n for b in self.bounds.values() for n in (b.id, *b.aliases)])

    def select(self, names: Iterable[str] | None) -> tuple[Bound, ...]:
        """The bounds of these names, each once; all of them for None."""
        if names is None:
            return tuple(self.bounds.values())
        return tuple({bound.id: bound for bound in map(self.find, names)}.values())


def build(points: Iterable[EntryPoint]) -> Registry:
    """A registry of the given entry points."""
    bounds: dict[str, Bound] = {}
    plugins: dict[str, str] = {}
    taken: dict[str, str] = {}
    failures: list[Failure] = []
    for point in sorted(points, key=lambda p: (p.name, p.value)):
        plugin = _plugin(point)
        try:
            bound = point.load()
            if not isinstance(bound, Bound):
                raise PluginError(
                    f"entry point `{point.name}` of {plugin} is a {type(bound).__name__}; a `boundcheck.Bound` is needed."
                )
            for name in (bound.id, *bound.aliases):
                if name in taken:
                    raise PluginError(
                        f"the id `{name}` of {plugin} is already taken by {taken[name]}; rename one of the two."
                    )
        except Exception as error:
            # Whatever a plugin raises is its own failure, and the others must go on.
            reason = " ".join(str(error).split()) or "no message"
            failures.append(
                Failure(
                    name=point.name,
                    plugin=plugin,
                    reason=f"{type(error).__name__}: {reason}",
                    traceback=traceback.format_exc(),
                )
            )
            continue
        for name in (bound.id, *bound.aliases):
            taken[name] = plugin
        bounds[bound.id] = bound
        plugins[bound.id] = plugin
    return Registry(dict(sorted(bounds.items())), plugins, tuple(failures))


def _plugin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


@cache
def installed() -> Registry:
    """The registry of everything installed beside boundcheck."""
    return build(entry_points(group=GROUP))
