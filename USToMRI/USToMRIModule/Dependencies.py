"""Installing what the library needs, when the user first asks for it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
from pathlib import Path

import slicer
from slicer.i18n import tr as _

TORCH_REQUIREMENT = ">=2.1"


_REQUIREMENTS = Path(__file__).parent.parent / "Resources" / "requirements.txt"


class DependenciesDeclined(RuntimeError):
    """The user does not want the packages installed now."""


def ensureDependencies(requirementsPath: str = str(_REQUIREMENTS), withTorch: bool = True) -> None:
    """Install the packages that are missing, after asking. Call on the main thread.

    :param requirementsPath: file with one requirement a line, PyTorch not among them.
    :param withTorch: PyTorch too; False for what runs no network.
    :raises DependenciesDeclined: the user said no.
    :raises RuntimeError: an installation failed.
    """
    try:
        extra = _ensureTorch() if withTorch else []
        missing = missingRequirements(requirementsPath) + extra
        if missing:
            _install(missing)
    except subprocess.CalledProcessError as error:
        text = _(
            "The Python packages could not be installed. Check the connection to the internet;"
            " Slicer's log has pip's words."
        )
        raise RuntimeError(text) from error


def missingRequirements(requirementsPath: str) -> list[str]:
    """Return the lines of a requirements file whose package is not installed."""
    lines = Path(requirementsPath).read_text(encoding="utf-8").splitlines()
    wanted = [line.partition("#")[0].strip() for line in lines]
    return [requirement for requirement in wanted if requirement and not _installed(requirement)]


def _installed(requirement: str) -> bool:
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _ensureTorch() -> list[str]:
    """Install PyTorch with the PyTorch extension, which picks the build that suits the computer.

    :return: what is left to pip: ``torch`` where that extension is not there, else nothing.
    """
    if importlib.util.find_spec("torch"):
        return []
    if not importlib.util.find_spec("PyTorchUtils"):
        return [f"torch{TORCH_REQUIREMENT}"]
    import PyTorchUtils

    logic = PyTorchUtils.PyTorchUtilsLogic()
    if logic.installTorch(askConfirmation=True, torchVersionRequirement=TORCH_REQUIREMENT) is None:
        raise DependenciesDeclined(_("PyTorch was not installed."))
    return []


def _install(requirements: list[str]) -> None:
    try:
        from slicer.packaging import pip_ensure
    except ImportError:  # Slicer 5.10 and before
        question = _("USToMRI needs these Python packages. Install them now?")
        detail = "\n".join(requirements)
        if not slicer.util.confirmOkCancelDisplay(f"{question}\n\n{detail}"):
            raise DependenciesDeclined(_("The Python packages were not installed.")) from None
        slicer.util.pip_install(requirements)
        return
    from packaging.requirements import Requirement

    try:
        pip_ensure([Requirement(each) for each in requirements], requester="USToMRI")
    except RuntimeError as error:
        raise DependenciesDeclined(_("The Python packages were not installed.")) from error
