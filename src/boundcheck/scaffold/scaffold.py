"""The files of a new plugin, written all at once or not at all."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
import tempfile
from importlib import resources
from pathlib import Path
from string import Template

from ..errors import PluginError
from ..registry import Registry

FILES = {
    "pyproject.toml": "pyproject.in",
    "README.md": "readme.in",
    "{module}.py": "theorem.in",
    "test_{module}.py": "test.in",
}


def write(identifier: str, folder: Path, registry: Registry) -> Path:
    """Write the package of a new bound into `folder`, which must not exist; returns it.

    Raises `PluginError` for an id that is not one, or is taken, and for a folder that is there.
    """
    module = _module(identifier, registry)
    if folder.exists() or folder.is_symlink():
        raise PluginError(f"{folder} exists already; give another folder with -o, or remove it.")
    names = {"id": identifier, "module": module, "title": f"The bound {identifier}"}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise PluginError(
            f"{folder} cannot be made ({error.strerror}); give another folder with -o."
        ) from None
    try:
        for name, template in FILES.items():
            text = (resources.files("boundcheck.scaffold") / template).read_text(encoding="utf-8")
            (draft / name.format(module=module)).write_text(
                Template(text).substitute(names), encoding="utf-8"
            )
        draft.chmod(0o755)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return folder


def _module(identifier: str, registry: Registry) -> str:
    """The name of the Python module. Raises `PluginError` when there cannot be one of that name."""
    module = identifier.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", identifier) or keyword.iskeyword(module):
        raise PluginError(
            f"{identifier!r} is not the name of a bound; lower-case words and hyphens are needed, such as "
            "author2024-subject."
        )
    if any(identifier in (entry.id, *entry.aliases) for entry in registry.entries):
        raise PluginError(
            f"a bound named {identifier!r} is installed already; `boundcheck bounds show {identifier}` shows it. Choose "
            "another name."
        )
    if importlib.util.find_spec(module) is not None:
        raise PluginError(
            f"Python has a module {module} already; choose another name, such as author2024-subject."
        )
    return module
