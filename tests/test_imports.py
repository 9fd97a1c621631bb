"""Imports point one way, the public names are listed, and no theorem file computes."""

import ast
import re
from pathlib import Path

import boundcheck

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "boundcheck"

LAYERS = [
    {"errors", "interval"},
    {"storage", "ranking"},
    {"functions", "network", "data", "weights"},
    {"models"},
    {"extension", "training", "margins"},
    {"solving", "spec"},
    {"theorem", "confidence", "experiment"},
    {"run", "verdict", "bibliography"},
    {"solved", "predictors"},
    {"archive", "quantization", "projection"},
    {"quantities", "witness"},
    {"bound", "assumptions"},
    {"measure"},
    {"registry", "record"},
    {"instance"},
    {"reading"},
    {"evaluation"},
    {"report", "scaffold"},
    {"testing", "citing"},
    {"workflow"},
    {"cli", "__main__"},
]
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").parts
        if name != ("__init__",):
            yield name, path


def imported(name, path):
    """The modules of the package that a file imports when it runs, by their first part."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom):
            if node.level:
                package = name[: len(name) - node.level]
                target = (*package, *(node.module.split(".") if node.module else ()))
                yield from [target] if node.module else [(*target, alias.name) for alias in node.names]
            elif node.module and node.module.split(".")[0] in ("boundcheck", "boundcheck_bounds"):
                yield tuple(node.module.split(".")[1:]) or ("__init__",)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                assert alias.name.split(".")[0] not in ("boundcheck", "boundcheck_bounds"), path


def test_imports_point_one_way():
    wrong = [
        f"{'.'.join(name)} imports {'.'.join(target)}"
        for name, path in modules()
        for target in imported(name, path)
        if target and target[0] != name[0] and HEIGHT[target[0]] >= HEIGHT[name[0]]
    ]
    assert wrong == []


def test_the_program_imports_nothing_from_its_own_bounds():
    for _, path in modules():
        assert "boundcheck_bounds" not in path.read_text()


def test_only_one_file_touches_jax_internals():
    offenders = {
        path.relative_to(PACKAGE).as_posix()
        for _, path in modules()
        if "jax.extend" in path.read_text()
        or "jax.core" in path.read_text()
        or "jax._src" in path.read_text()
    }
    assert offenders <= {"network/jaxpr.py"}


def test_theorem_files_use_the_public_interface_alone_and_compute_nothing():
    allowed = {"boundcheck", "boundcheck.functions", "sympy"}
    for path in sorted((ROOT / "bounds").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= {"sympy"}, path
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module in allowed, f"{path.name} imports {node.module}"


def test_the_public_names_are_these():
    """Adding one is a decision."""
    public = {name for name in vars(boundcheck) if not name.startswith("_")}
    loaded = {name[0] for name, _ in modules()} | {"experiments"}
    submodules = loaded - {"assumptions", "functions", "quantities", "testing"}
    assert public - submodules - {"evaluate"} == {
        "Assumption",
        "Bound",
        "BoundcheckError",
        "Citation",
        "Evaluation",
        "Example",
        "Interval",
        "Measure",
        "Network",
        "Reference",
        "Resolution",
        "Run",
        "Theorem",
        "Verdict",
        "assumptions",
        "functions",
        "load",
        "quantities",
        "testing",
        "trace",
    }
    assert callable(boundcheck.evaluate)


def test_no_file_names_a_machine_or_a_package_index():
    for path in [
        *ROOT.glob("*"),
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "experiments").glob("*"),
        *(ROOT / "docs").rglob("*.md"),
    ]:
        if path.is_file() and path.suffix in (".py", ".md", ".toml", ".txt", ".cff", ".yaml", ""):
            text = path.read_text(errors="ignore")
            assert "/simple/" not in text
            assert "index-url" not in text


def test_no_text_names_a_folder_of_a_machine():
    """Reports are made from what runs and plugins say, which may hold more than it should."""
    folder = re.compile(r"(?<![\w:/.])/(?:home|root|tmp|work|Users|usr|opt|mnt|private|var)/\S")
    texts = [path for top in ("docs", "experiments", "reports") for path in (ROOT / top).rglob("*")]
    for path in [ROOT / "README.md", *texts]:
        if path.suffix in (".md", ".csv", ".toml", ".svg"):
            assert not folder.search(path.read_text()), path
