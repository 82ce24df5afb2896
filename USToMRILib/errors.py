"""The exceptions that callers of the library are meant to catch."""

from __future__ import annotations


class InputError(ValueError):
    """An input or argument that cannot be used.

    ``str(error)`` is one sentence that says what is wrong and what to do about it; the command
    line prints it as it is and exits with status 2.
    """


class Cancelled(RuntimeError):
    """Raised out of a run whose cancel token was set; the command line exits with status 130."""
