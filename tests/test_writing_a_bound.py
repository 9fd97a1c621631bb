"""docs/writing-a-bound.md, followed to the letter in a fresh environment, without a download."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from boundcheck.testing import CHECKS

PAGE = (Path(__file__).parents[1] / "docs" / "writing-a-bound.md").read_text()
BLOCK = re.compile(
    r"(?:<!-- (?P<what>file|part of): (?P<name>\S+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL
)

COMMANDS = {
    "boundcheck": "from boundcheck.cli import main; main()",
    "pip": "from pip._internal.cli.main import main; sys.exit(main())",
    "pytest": "from pytest import console_main; sys.exit(console_main())",
}


@pytest.fixture
def environment(tmp_path):
    """A new environment that sees what is installed here, and into which `pip install` goes."""
    setuptools = importlib.metadata.version("setuptools")
    if tuple(map(int, setuptools.split(".")[:2])) < (70, 1):
        pytest.skip(f"setuptools {setuptools} cannot build without another package; 70.1 or newer is needed")
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    here = sysconfig.get_path("purelib")
    (packages / "outer.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    for name, code in COMMANDS.items():
        script = home / "bin" / name
        script.write_text(f"#!{home}/bin/python\nimport sys\n{code}\n")
        script.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{home / 'bin'}:/usr/bin:/bin",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's spelling of "do not isolate"
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
        "MPLBACKEND": "agg",
    }


def follow(folder, environment):
    """Run the page's commands and write its files in order; returns what each command printed."""
    printed = {}
    for block in BLOCK.finditer(PAGE):
        if block["what"] == "file":
            (folder / block["name"]).write_text(block["text"])
        elif block["what"] == "part of":
            assert block["text"] in (folder / block["name"]).read_text()
        else:
            assert block["kind"] == "sh"
            for line in block["text"].splitlines():
                if line.startswith("cd "):
                    folder = folder / line.removeprefix("cd ")
                    continue
                done = subprocess.run(
                    line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
                printed[line] = done.stdout
    return folder, printed


def test_the_page_leads_to_a_row_in_a_report(tmp_path, environment):
    folder, printed = follow(tmp_path, environment)
    assert sorted(p.name for p in folder.glob("*.*") if p.is_file()) == [
        "README.md",
        "maurer2009_test_set.py",
        "pyproject.toml",
        "small.toml",
        "test_maurer2009_test_set.py",
    ]
    passed, skipped = re.search(r"(\d+) passed, (\d+) skipped", printed["pytest"]).groups()
    assert int(passed) + int(skipped) == len(CHECKS)
    assert int(passed) >= 13
    stored = json.loads((folder / "runs" / "digits_small" / "evaluation.json").read_text())
    (row,) = [b for b in stored["bounds"] if b["id"] == "maurer2009-test-set"]
    assert row["verdict"] == "non-vacuous"
    assert row["plugin"] == "maurer2009-test-set 0.1.0"
    assert len(stored["bounds"]) > 12
    assert "maurer2009-test-set" in (folder / "reports" / "mine" / "report.md").read_text()
    shown = printed["boundcheck bounds show maurer2009-test-set"]
    assert (
        "statement: the author of maurer2009-test-set 0.1.0, after maurer2009, Theorem 4: the sample variance"
        in shown
    )
    assert "@inproceedings{maurer2009," in printed["boundcheck bounds cite runs/digits_small"]


def test_the_slip_that_the_page_suggests_is_found(tmp_path, environment):
    """Without the second term, in the statement and in the example, only the simulation objects."""
    subprocess.run(
        "boundcheck bounds new maurer2009-test-set", shell=True, cwd=tmp_path, env=environment, check=True
    )
    folder = tmp_path / "maurer2009-test-set"
    (text,) = [b["text"] for b in BLOCK.finditer(PAGE) if b["name"] == "maurer2009_test_set.py"]
    shorter = text.replace(" + 7 * c / 3", "").replace("0.1343755499", "0.1257681645")
    assert shorter.count("7 * c") == 0
    (folder / "maurer2009_test_set.py").write_text(shorter)
    done = subprocess.run("pytest", cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "1 failed" in done.stdout
    assert (
        "FAILED test_maurer2009_test_set.py::test_bound[maurer2009-test-set-covers_the_true_error]"
        in done.stdout
    )
