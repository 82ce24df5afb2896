"""Checks on paths before work begins, and files that appear complete or not at all."""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

# How much of a name a temporary one repeats, so that both are at most 255 bytes long.
_TAIL_BYTES = 200

# What a full disk, a used-up quota or a file beyond the disk's limit are called.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Endings of image files, those of two parts too.
_SUFFIX = re.compile(r"(\.seq)?\.[A-Za-z0-9]+(\.gz)?$")
_SAMPLE = re.compile(r"_SAMPLE_\d+$")
_TEMPORARY = re.compile(r"^\.[0-9a-f]{32}\.")


class FullDiskError(InputError, OSError):
    """A file that there is no room for; an OSError too, for those who see to their own files."""

    def __init__(self, path: Path, error: OSError) -> None:
        meant = path.with_name(_TEMPORARY.sub("", path.name))  # a file within a file's writing
        super().__init__(
            f"{meant} could not be written ({error.strerror}); free some space there or choose "
            "another folder."
        )
        self.errno, self.strerror = error.errno, error.strerror

    def __str__(self) -> str:
        return str(self.args[0])


def expanded(path: str | Path) -> Path:
    """Return the path with a ``~`` for the home folder, or as it is where nobody is called so."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # such as "~scan.nrrd", a file's own name
        return Path(path)


def sidecar_path(output: Path) -> Path:
    """Where the record of an output file lies unless the user names a place: beside it."""
    return output.with_name(output.name + ".json")


def sample_path(output: Path, number: int) -> Path:
    """Where one of several samples goes beside the pseudo-MRI: ``a.nrrd``, ``a_SAMPLE_1.nrrd``."""
    stem = image_stem(output.name)
    return output.with_name(f"{stem}_SAMPLE_{number}{output.name[len(stem) :]}")


def is_sample(stem: str) -> bool:
    """Whether a name without its suffix is that of a :func:`sample_path`."""
    return _SAMPLE.search(stem) is not None


def image_stem(name: str) -> str:
    """Return the name of an image file without its suffix, which may be one of two: ``.nii.gz``."""
    return _SUFFIX.sub("", name)


def printable(text: str) -> str:
    """Return the text with what is not valid in UTF-8, as in file names of old, escaped."""
    return text.encode(errors="backslashreplace").decode()


def is_special(path: Path) -> bool:
    """Whether a path is a pipe, a socket or a device, which a reader may wait for for ever."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def check_readable(path: Path) -> None:
    """Raise InputError unless the path is a file that can be opened and is not of zero bytes."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; give an image file.")
    try:
        if is_special(path):
            raise InputError(f"{path} is a pipe or a device; give an image file.")
        with open(path, "rb") as file:
            first = file.read(1)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the name and the folder.") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be opened ({error.strerror}); check the path and its permissions."
        ) from error
    if not first:
        raise InputError(f"{path} is empty (0 bytes); copy or export it again.")


def check_creatable(path: Path) -> None:
    """Raise InputError unless a file of this name can be created or replaced in its folder."""
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"The output folder {folder} does not exist; create it first.")
    temporary = _beside(path)
    try:
        # os.access() does not know about Windows folder rights or read-only mounts, and nobody
        # how long a name may be: try it.
        temporary.touch(exist_ok=False)
        temporary.unlink()
        if path.is_dir():
            raise InputError(f"{path} is a folder; give the name of an output file.")
        if path.exists() and not os.access(path, os.W_OK):
            raise InputError(f"{path} exists and is write-protected; choose another output name.")
    except OSError as error:
        raise InputError(
            f"{path} cannot be created ({error.strerror}); choose another name or folder."
        ) from error


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that replaces it only if the block succeeds.

    The temporary name ends like ``path``, in small letters, so that writers that go by the suffix
    work. When the block raises, nothing is left behind and an existing file stays as it was.

    Raises:
        FullDiskError: there is no room for it.
    """
    temporary = _beside(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except FullDiskError:  # of another file, written within the block
        raise
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise FullDiskError(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """Return a new name in the same folder that ends alike, and is no longer than names may be."""
    suffix = "".join(path.suffixes[-2:])
    name = path.name[: len(path.name) - len(suffix)] + suffix.lower()
    tail = name.encode(errors="surrogateescape")[-_TAIL_BYTES:].decode(errors="ignore")
    return path.with_name(f".{uuid.uuid4().hex}.{tail}")


# Two threads in quiet_libraries() would restore each other's redirection.
_QUIET = threading.RLock()


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what C++ libraries print off the process's standard error.

    MetaIO, the NIfTI library and libtiff write there by themselves when a file is damaged or
    the disk is full, and the same news arrives as an exception, which becomes one sentence.
    """
    with _QUIET:
        try:
            saved = os.dup(2)
        except OSError:  # closed, as in a windowed application: there is nothing to keep quiet
            saved = -1
        try:
            if saved >= 0:
                with open(os.devnull, "wb") as nowhere:
                    os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            if saved >= 0:
                os.dup2(saved, 2)
                os.close(saved)
