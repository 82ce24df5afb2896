"""What CMake packages against what lies in the tree, told by CMake itself.

The extension is configured and installed with a small package in Slicer's place, whose two macros
copy what they are given to where Slicer's would put it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CMAKE = shutil.which("cmake", path=str(Path(sys.executable).parent)) or shutil.which("cmake")

SLICER_CONFIG = """
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/macros.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/nothing.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/nothing.cmake)
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR lib/qt-scripted-modules)
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR lib/qt-scripted-modules)
"""

MACROS = """
include(CMakeParseArguments)
function(_package source)
  foreach(file ${ARGN})
    get_filename_component(folder ${file} DIRECTORY)
    if(NOT EXISTS ${source}/${file})
      message(FATAL_ERROR "${file} is listed and does not exist")
    endif()
    install(FILES ${source}/${file}
      DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}/${folder})
  endforeach()
endfunction()
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MY_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "unknown arguments: ${MY_UNPARSED_ARGUMENTS}")
  endif()
  _package(${CMAKE_CURRENT_SOURCE_DIR} ${MY_SCRIPTS} ${MY_RESOURCES})
endmacro()
macro(ctkMacroCompilePythonScript)
  cmake_parse_arguments(MY "NO_INSTALL_SUBDIR;GLOBAL_TARGET"
    "TARGET_NAME;SOURCE_DIR;DESTINATION_DIR;INSTALL_DIR" "SCRIPTS;RESOURCES" ${ARGN})
  _package(${MY_SOURCE_DIR} ${MY_SCRIPTS} ${MY_RESOURCES})
endmacro()
"""

# Nothing is compiled: with compilers and make taken for granted, the test needs none of them.
NO_COMPILER = [
    "-GUnix Makefiles",
    f"-DCMAKE_MAKE_PROGRAM={sys.executable}",
    *(
        f"-DCMAKE_{language}_{setting}"
        for language in ("C", "CXX")
        for setting in (f"COMPILER={sys.executable}", "COMPILER_FORCED=1", "COMPILER_ID_RUN=1")
    ),
]


@pytest.fixture(scope="module", name="package")
def fixture_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configure and install the extension; return its qt-scripted-modules folder."""
    if CMAKE is None:
        pytest.skip("cmake is not installed; pip install cmake")
    slicer = tmp_path_factory.mktemp("slicer")
    (slicer / "SlicerConfig.cmake").write_text(SLICER_CONFIG)
    (slicer / "macros.cmake").write_text(MACROS)
    (slicer / "nothing.cmake").write_text("")
    build, package = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("package")
    run(CMAKE, "-S", ROOT, "-B", build, f"-DSlicer_DIR={slicer}", *NO_COMPILER)
    run(CMAKE, "--install", build, "--prefix", package)
    return package / "lib" / "qt-scripted-modules"


def run(*command: object) -> str:
    """Run a command and return its output; fail with it."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_below(folder: Path) -> set[str]:
    """Return the files below a folder by their relative paths, byte code left out."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_package_holds_every_file_of_the_tree(package: Path) -> None:
    """Module, library, models and self test: none is missing, and nothing else is there.

    Nobody evaluates methods in Slicer; that part of the library stays behind.
    """
    module = files_below(ROOT / "USToMRI") - {"CMakeLists.txt"}
    library = {
        f"USToMRILib/{name}"
        for name in files_below(ROOT / "USToMRILib")
        if not name.startswith("evaluation/")
    }
    models = {f"Resources/Models/{name}" for name in files_below(ROOT / "Resources" / "Models")}
    tests = {
        f"USToMRITests/{name}" for name in files_below(ROOT / "Testing" / "slicer" / "USToMRITests")
    }
    expected = (module | library | models | tests) - {"USToMRILib/CMakeLists.txt"}
    assert files_below(package) == expected


def test_installed_library_finds_its_models(package: Path) -> None:
    """In the package the library looks for its models where they were installed."""
    code = "from USToMRILib.compute.bundle import models_dir; print(models_dir())"
    environment = {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("USTOMRI_MODELS", None)
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=package,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert Path(found).resolve() == (package / "Resources" / "Models").resolve()


def test_installed_library_says_that_it_cannot_evaluate(package: Path) -> None:
    """In one sentence, though that part of the library is not there."""
    environment = {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "USToMRILib", "evaluate", "--reference", ".", "--images", "."]
    done = subprocess.run(
        [*command, "--json", "out.json"],
        cwd=package,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "evaluation is not part of the library inside Slicer" in done.stderr
    assert done.stderr.count("\n") == 1


def test_module_folder_is_no_package() -> None:
    """With an ``__init__.py``, ``import USToMRI`` in a checkout would find the folder."""
    assert not (ROOT / "USToMRI" / "__init__.py").exists()


def test_extension_describes_itself() -> None:
    """The metadata that the Extensions Index reads are there, each on one line."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    values = dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"\n]+)"\)$', text, re.MULTILINE))
    assert set(values) == {
        "HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS",
    }  # fmt: skip
    assert values["DEPENDS"] == "PyTorch"
    icon = values["ICONURL"].partition("/main/")[2]
    assert (ROOT / icon).is_file(), f"{icon} is not in the repository"
