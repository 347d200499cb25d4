"""What is installed from a wheel: every module, and every file that the code reads."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ilrm_cli"
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
ONLY_IN_THE_REPOSITORY = {"SCALING.md", "scaling_flops.png", "scaling_memory.png"} | {
    f"scaling_time_{unit}.png" for unit in ("pixels", "views")
}  # documents of bench/, which no code reads


def files() -> list[Path]:
    return [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_every_folder_with_modules_is_found():
    """setuptools installs no folder without an `__init__.py`, nor what lies below one."""
    setuptools = pytest.importorskip("setuptools")
    (pattern,) = re.search(r'^include = \["(.+)"\]$', PROJECT, re.MULTILINE).groups()
    found = set(setuptools.find_packages(str(ROOT), include=[pattern]))
    assert found == {".".join(path.parent.relative_to(ROOT).parts) for path in files() if path.suffix == ".py"}


def test_every_file_that_is_read_is_packed():
    (said,) = re.search(r"^ilrm_cli = \[(.+?)\]$", PROJECT, re.MULTILINE | re.DOTALL).groups()
    patterns = re.findall(r'"(.+?)"', said)
    matched = {pattern: {path for path in PACKAGE.glob(pattern) if path.is_file()} for pattern in patterns}
    assert not [pattern for pattern, paths in matched.items() if not paths]
    packed = set().union(*matched.values())
    data = {path for path in files() if path.suffix != ".py" and path.name not in ONLY_IN_THE_REPOSITORY}
    assert data - packed == set()


def test_the_licences_that_are_named_exist():
    (said,) = re.search(r"^license-files = \[(.+)\]$", PROJECT, re.MULTILINE).groups()
    named = re.findall(r'"(.+?)"', said)
    assert named
    assert not [name for name in named if not (ROOT / name).is_file()]
