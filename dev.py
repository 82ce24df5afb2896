"""Set up, demonstrate and test USToMRI from a checkout; needs Python alone.

python3 dev.py demo [IMAGE] [--pixel-size MM]   translate the sample, or an image of yours, with
                                                all options of "ustomri translate" after it
python3 dev.py test [PYTEST OPTIONS]            style, types, imports and tests
python3 dev.py setup                            only make the environment, .venv in this folder
python3 dev.py index-entry OUT.json             write what Slicer's Extensions Index is to be sent
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
METHOD = "pix2pix2d"
SAMPLE = ROOT / "Resources" / "Sample" / "fetal_head.png"
OUTPUT = ROOT / "demo_output"
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
    "slicer-extension-catalog-entry-schema-v1.0.1.json#"
)

# The version that the tests pass with. The plain wheel for Linux brings gigabytes of CUDA; a
# machine without an NVIDIA driver takes the one for CPUs, unless pip is told where to look.
TORCH = "torch==2.13.0"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def main() -> int:
    """Run the command that the arguments name and return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = {"setup": _setup_all, "demo": _demo, "test": _test, "index-entry": _index_entry}
    parser.add_argument("command", choices=commands)
    options, rest = parser.parse_known_args()
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        found = platform.python_version()
        print(f"Python 3.10 to 3.13 is needed and this is {found}; run dev.py with one of those.")
        return 2
    try:
        return commands[options.command](rest)
    except subprocess.CalledProcessError as error:
        print(f"This failed: {subprocess.list2cmdline(map(str, error.cmd))}", file=sys.stderr)
        return 1


def _setup_all(rest: list[str]) -> int:
    _setup("training", "test")
    print(f"The environment is ready: {PYTHON}")
    return 0


def _setup(*extras: str) -> None:
    """Make ``.venv`` with the library and ``extras``, unless it is there and current."""
    stamp = VENV / "setup.json"
    inputs = (ROOT / "pyproject.toml").read_bytes() + TORCH.encode() + sys.version.encode()
    wanted = {"inputs": hashlib.sha256(inputs).hexdigest(), "extras": sorted(extras)}
    if stamp.exists():
        made = json.loads(stamp.read_text())
        if made["inputs"] == wanted["inputs"] and set(extras) <= set(made["extras"]):
            return
        wanted["extras"] = sorted({*extras, *made["extras"]})
    print(f"Setting up {VENV} (once; some minutes and about 3 GB) ...", flush=True)
    if not PYTHON.exists() or not _is_complete():
        if importlib.util.find_spec("ensurepip") is None:
            sys.exit("This Python makes no environments; on Debian: apt-get install python3-venv.")
        venv.create(VENV, clear=True, with_pip=True)
    package = f"{ROOT}[{','.join(wanted['extras'])}]" if wanted["extras"] else str(ROOT)
    _pip("install", TORCH, *_torch_source())
    _pip("install", TORCH, "--editable", package)
    stamp.write_text(json.dumps(wanted))


def _is_complete() -> bool:
    """Whether ``.venv`` was made with the Python that runs this, to its end."""
    asked = [str(PYTHON), "-c", "import pip, sys; print(sys.version)"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return found == sys.version


def _pip(*arguments: str) -> None:
    options = ("--quiet", "--disable-pip-version-check")
    subprocess.run([PYTHON, "-m", "pip", *arguments, *options], cwd=ROOT, check=True)


def _torch_source() -> list[str]:
    told = any(name in os.environ for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL"))
    if platform.system() != "Linux" or shutil.which("nvidia-smi") or told:
        return []
    return ["--extra-index-url", TORCH_CPU_INDEX]


def _demo(rest: list[str]) -> int:
    """Translate an image and say where the results are and how long each phase took.

    Options that are not of this command are those of ``ustomri translate``.
    """
    parser = argparse.ArgumentParser(
        prog="dev.py demo", usage="%(prog)s [IMAGE] [OPTIONS of ustomri translate]"
    )
    parser.add_argument("--pixel-size", type=float, metavar="MM")
    parser.add_argument("--method", default=METHOD)
    named = bool(rest) and not rest[0].startswith("-")
    image = Path(rest[0]) if named else SAMPLE
    options, others = parser.parse_known_args(rest[1:] if named else rest)
    if image == SAMPLE:
        description = json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))
        options.pixel_size = description["pixel_size_mm"]
        print(f"Sample: {description['description']}")
    _setup()
    OUTPUT.mkdir(exist_ok=True)
    stem = image.name.split(".")[0]
    output = OUTPUT / f"{stem}_SYNTHETIC_MRI_{options.method}.nrrd"
    picture = output.with_suffix(".png")
    results = {"pseudo-MRI": output, "picture": picture}
    command = [PYTHON, "-m", "USToMRILib", "translate", image, output]
    command += ["--method", options.method, "--picture", picture, "--progress", "text"]
    if options.method == METHOD:  # not all others know tissues
        results["tissues"] = output.with_name(f"{stem}_SYNTHETIC_tissues.nrrd")
        command += ["--tissues", results["tissues"]]
    command += others
    if options.pixel_size:
        command += ["--pixel-size", str(options.pixel_size)]
    status = subprocess.run(list(map(str, command))).returncode
    if status:
        return status
    record = output.with_name(output.name + ".json")
    timings = json.loads(record.read_text(encoding="utf-8"))["timings_s"]
    print("Seconds: " + ", ".join(f"{phase} {s:.1f}" for phase, s in timings.items()))
    for what, path in {**results, "provenance": record}.items():
        print(f"{what + ':':12}{path}")
    return 0


def _test(rest: list[str]) -> int:
    """Check style, types and imports and run the tests; ``rest`` goes to pytest."""
    _setup("training", "test")
    for check in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]):
        subprocess.run([PYTHON, "-m", *check], cwd=ROOT, check=True)
    module = {**os.environ, "PYTHONPATH": str(ROOT / "USToMRI")}
    subprocess.run([PYTHON.with_name("lint-imports")], cwd=ROOT, check=True, env=module)
    pytest = [PYTHON, "-m", "pytest", "--numprocesses", "2", "--dist", "loadfile", *rest]
    return subprocess.run(pytest, cwd=ROOT).returncode


def _index_entry(rest: list[str]) -> int:
    """Write the entry of the Extensions Index, sorted and indented as the others there."""
    parser = argparse.ArgumentParser(prog="dev.py index-entry")
    parser.add_argument("output", type=Path, metavar="OUT.json")
    parser.add_argument(
        "--revision", metavar="REV", help="branch, tag or commit to build; default: this commit"
    )
    options = parser.parse_args(rest)
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    stated = dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"\n]+)"\)$', cmake, re.MULTILINE))
    entry = {
        "$schema": SCHEMA,
        "build_dependencies": stated["DEPENDS"].split(),
        "build_subdirectory": ".",
        "category": "Image Synthesis",
        "scm_revision": _known_revision(options.revision) or _clean_commit(),
        "scm_type": "git",
        "scm_url": stated["HOMEPAGE"] + ".git",
        "tier": 1,
    }
    try:
        options.output.write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        sys.exit(f"{options.output} cannot be written ({error.strerror}); choose another path.")
    return 0


def _known_revision(revision: str | None) -> str | None:
    if revision and not _git("rev-parse", "--verify", "--quiet", revision + "^{commit}"):
        sys.exit(f"This checkout knows no revision {revision!r}; name a branch, tag or commit.")
    return revision


def _clean_commit() -> str:
    """Return the current commit, which is all that a build would see."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        sys.exit(f"{ROOT} is no git checkout; run this in one.")
    if _git("status", "--porcelain"):
        sys.exit("The checkout differs from its commit; commit first, or name a --revision.")
    return commit


def _git(*arguments: str) -> str:
    """Return what git says, nothing where it fails or is not there."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
