"""Slicer 5.8 brings Python 3.9: library and module can be read and imported by it."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "USToMRILib", ROOT / "USToMRI", ROOT / "Testing" / "slicer" / "USToMRITests")
FILES = sorted(path for folder in FOLDERS for path in folder.rglob("*.py"))

# Imports every module. Packages that this Python lacks (torch, slicer, perhaps numpy) are stood in
# for by classes that take anything, so that what is left to fail is the code itself.
IMPORT_ALL = """
import importlib, importlib.abc, importlib.machinery, sys, types

class Anything(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return cls
    def __neg__(cls):
        return cls
    def __or__(cls, other):
        raise TypeError("unsupported operand type(s) for |, as in Python 3.9")

class StandIn(metaclass=Anything):
    def __init__(self, *args, **options): pass
    def __init_subclass__(cls, **options): pass
    def __class_getitem__(cls, item): return cls
    def __call__(self, *args, **options): return args[0] if args else self
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self
    def __getitem__(self, item): return self

class Package(types.ModuleType):
    __path__ = []
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return types.new_class(name, (StandIn,))

class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in absent:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def create_module(self, spec):
        return Package(spec.name)
    def exec_module(self, module):
        pass

sys.meta_path.append(Finder())
sys.path[:0] = sys.argv[1:4]
absent = set(sys.argv[4].split())
for name in sys.argv[5:]:
    importlib.import_module(name)
print(len(sys.argv) - 5)
"""


def python39() -> str:
    """Return a Python 3.9 of this machine, or skip."""
    on_path = shutil.which("python3.9")
    with_pyenv = sorted((Path.home() / ".pyenv" / "versions").glob("3.9*/bin/python"))
    for candidate in [*([on_path] if on_path else []), *map(str, with_pyenv)]:
        done = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and " 3.9." in done.stdout:
            return candidate
    pytest.skip("there is no Python 3.9 here")


def module_name(path: Path) -> str:
    """Return the name by which a file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    outside = {"USToMRI": 1, "Testing": 2}.get(parts[0], 0)
    parts = parts[outside:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def third_party() -> str:
    """Return the names of all packages that are imported and neither Python's nor ours."""
    names: set[str] = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(str(node.module).partition(".")[0])
    ours = {"USToMRILib", "USToMRI", "USToMRIModule", "USToMRITests"}
    return " ".join(names - ours - set(sys.stdlib_module_names))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_grammar_is_that_of_python_39(path: Path) -> None:
    """No match statement, no brackets around several context managers; annotations stay text."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    futures = [
        node
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    has_annotations = any(isinstance(node, (ast.AnnAssign, ast.arg)) for node in ast.walk(tree))
    assert futures or not has_annotations, "from __future__ import annotations is missing"


def test_python_39_imports_everything() -> None:
    """Every file of library and module, as Slicer 5.8 would."""
    names = [module_name(path) for path in FILES if path.stem != "__main__"]
    folders = map(str, (ROOT, ROOT / "USToMRI", ROOT / "Testing" / "slicer"))
    done = subprocess.run(
        [python39(), "-c", IMPORT_ALL, *folders, third_party(), *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) == len(names) > 40
