"""The entry of Slicer's Extensions Index, as ``dev.py index-entry`` writes it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

# Slicer's slicer-extension-catalog-entry-schema-v1.0.1.json: other fields are refused.
FIELDS = {
    "$schema": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "category": str,
    "enabled": bool,
    "scm_revision": str,
    "scm_type": str,
    "scm_url": str,
    "tier": int,
}
REQUIRED = {"$schema", "category", "scm_url"}


@pytest.fixture(name="checkout")
def fixture_checkout(tmp_path: Path) -> Path:
    """A checkout with one commit and the branch "main"."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("dev.py", "CMakeLists.txt"):
        shutil.copy(ROOT / name, folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    git(folder, *author, "commit", "--quiet", "--message", "First")
    return folder


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def index_entry(checkout: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, checkout / "dev.py", "index-entry", *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def refusal(checkout: Path, *arguments: object) -> str:
    """Return the only line of an entry that is refused, of which nothing is written."""
    done = index_entry(checkout, *arguments)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert not Path(str(arguments[0])).exists()
    return sentence


def test_the_entry_is_that_of_the_commit(checkout: Path, tmp_path: Path) -> None:
    assert index_entry(checkout, tmp_path / "USToMRI.json").returncode == 0
    entry = json.loads((tmp_path / "USToMRI.json").read_text(encoding="utf-8"))
    assert set(entry) >= REQUIRED
    for field, value in entry.items():
        assert isinstance(value, FIELDS[field]), field
    assert entry["scm_revision"] == git(checkout, "rev-parse", "HEAD")
    assert entry["scm_url"] == "https://github.com/USToMRI/USToMRI.git"
    assert entry["scm_type"] in ("git", "local")
    assert entry["build_dependencies"] == ["PyTorch"]
    assert entry["tier"] in (1, 3, 5)


def test_what_is_not_committed_is_refused(checkout: Path, tmp_path: Path) -> None:
    (checkout / "new.py").touch()
    assert "commit first" in refusal(checkout, tmp_path / "a.json")
    # A revision that is named is what is built, whatever lies in the checkout.
    assert index_entry(checkout, tmp_path / "a.json", "--revision", "main").returncode == 0
    entry = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert entry["scm_revision"] == "main"


def test_a_revision_or_path_that_is_not_there_is_refused(checkout: Path, tmp_path: Path) -> None:
    sentence = refusal(checkout, tmp_path / "a.json", "--revision", "v9")
    assert "knows no revision 'v9'" in sentence
    assert "cannot be written" in refusal(checkout, tmp_path / "none" / "a.json")


def test_a_source_archive_has_no_commit(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / ".git")
    assert "is no git checkout" in refusal(checkout, tmp_path / "a.json")
