"""The module's self test: in Slicer, the cases that the project's own tests run without it."""

from __future__ import annotations

import pkgutil
import sys
import unittest
from pathlib import Path


def runSelfTest() -> None:
    """Run all cases, each in an empty scene, and tell about them on the standard output.

    :raises AssertionError: a case failed, or there is none.
    """
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(cases())
    failed = [test.id() for test, _traceback in [*result.failures, *result.errors]]
    assert not failed, f"The self test failed: {', '.join(failed)}"
    assert result.testsRun > len(result.skipped), "The self test found nothing to run."


def cases() -> unittest.TestSuite:
    """Return the cases; they lie beside the module, in a checkout under Testing/slicer."""
    checkout = Path(__file__).resolve().parents[2] / "Testing" / "slicer"
    if (checkout / "USToMRITests").is_dir() and str(checkout) not in sys.path:
        sys.path.append(str(checkout))
    import USToMRITests

    names = [module.name for module in pkgutil.iter_modules(USToMRITests.__path__)]
    return unittest.defaultTestLoader.loadTestsFromNames(
        [f"{USToMRITests.__name__}.{name}" for name in names]
    )
