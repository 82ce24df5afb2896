"""The module's self test runs the cases that the suite runs, and fails where one of them does."""

from __future__ import annotations

import ast
import pkgutil
import sys
import types
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer_host

slicer_host.require_panel()
slicer_host.start(panel=True)
ROOT = Path(__file__).parents[2]
slicer_host.add_module_folder(ROOT / "USToMRI")

from USToMRIModule import SelfTest  # noqa: E402
from USToMRIModule.Synthetic.SyntheticMarkObserver import stopMarking  # noqa: E402
from USToMRITests import regions  # noqa: E402

from Testing.slicer import test_reopened, test_scene  # noqa: E402


@pytest.fixture(name="module")
def fixture_module() -> Iterator[Any]:
    """Give the module in the one scene that the application has."""
    slicer_host.new_scene()
    yield slicer_host.load_module(ROOT / "USToMRI" / "USToMRI.py")
    stopMarking()
    slicer_host.close_scene()


def names(suite: Any) -> set[str]:
    """Return the ids of all cases of a suite."""
    if isinstance(suite, unittest.TestCase):
        return {suite.id()}
    return set().union(*map(names, suite))


def collected(module: types.ModuleType) -> set[str]:
    """Return the ids of the cases that pytest finds in one of the suite's files."""
    classes = [each for each in vars(module).values() if isinstance(each, type)]
    found = [each for each in classes if issubclass(each, unittest.TestCase)]
    return names(map(unittest.defaultTestLoader.loadTestsFromTestCase, found))


def test_self_test_runs_the_cases_of_the_suite(module: Any, capsys: Any) -> None:
    """All of them, in one scene, as in the application; and they pass."""
    module.USToMRITest().runTest()
    told = capsys.readouterr().out
    expected = collected(test_scene) | collected(test_reopened)
    assert names(SelfTest.cases()) == expected
    assert f"Ran {len(expected)} tests" in told
    assert "skipped" not in told


def test_a_broken_case_makes_it_fail(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its name."""
    only = [pkgutil.ModuleInfo(None, "regions", False)]  # type: ignore[arg-type]
    monkeypatch.setattr(pkgutil, "iter_modules", lambda path: only)
    monkeypatch.setattr(regions, "measureContrast", lambda *nodes: None)
    with pytest.raises(AssertionError, match=r"ContrastTest\.test_values_are_numpys"):
        module.USToMRITest().runTest()


def test_nothing_to_run_makes_it_fail(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that was installed without its cases is no success."""
    monkeypatch.setattr(pkgutil, "iter_modules", lambda path: [])
    with pytest.raises(AssertionError, match="nothing to run"):
        module.USToMRITest().runTest()


def test_cases_need_nothing_that_slicer_lacks() -> None:
    """Neither pytest nor torch, nor the stand-ins of this folder."""
    known = {
        *sys.stdlib_module_names,
        "PIL",
        "numpy",
        "slicer",
        "vtk",
        "USToMRIModule",
        "USToMRILib",
    }
    for path in (ROOT / "Testing" / "slicer" / "USToMRITests").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= known, path.name
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert str(node.module).partition(".")[0] in known, path.name
