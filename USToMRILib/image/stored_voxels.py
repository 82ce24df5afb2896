"""The voxels of a file as bytes: whole, or a refusal.

NRRD and MetaImage keep them in the same ways: behind the header, in a file of their own or in
many, as they are or compressed. Here it is decided, for both, whether they are complete.
"""

from __future__ import annotations

import bz2
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError
from ..files import is_special
from .reading import UnreadableError

_BLOCK = 2**20

RAW, GZIP, ZLIB, BZIP2 = "raw", "gzip", "zlib", "bzip2"

_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    GZIP: lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    ZLIB: lambda: zlib.decompressobj(zlib.MAX_WBITS | 32),  # or gzip's, as MetaIO takes it
    BZIP2: bz2.BZ2Decompressor,
}


@dataclass(frozen=True)
class StoredVoxels:
    """Where the bytes of an image's voxels are.

    Attributes:
        header: the file that the user gave, for messages.
        files: that hold them, in order, each an equal share.
        encoding: "raw", "gzip", "zlib" or "bzip2", of each file.
        start: byte of a file at which they begin; LAST for those at its end.
        lines: to be skipped from there.
        skipped: bytes to be skipped from there, after decompression.
        stored: compressed bytes, where the header says how many; 0: up to the end.
    """

    LAST = -1

    header: Path
    files: tuple[Path, ...]
    encoding: str = RAW
    start: int = 0
    lines: int = 0
    skipped: int = 0
    stored: int = 0

    def check_there(self) -> None:
        """Raise InputError unless every file can be opened, UnreadableError if there is none."""
        if not self.files:
            raise UnreadableError(self.header)
        for path in self.files:
            self._opened(path).close()

    def read(self, size: int) -> bytearray:
        """Return the bytes of all voxels, ``size`` of them.

        Raises:
            InputError: a file is missing.
            UnreadableError: it ends too early, or its compressed data are damaged.
        """
        share, left = divmod(size, len(self.files))
        if left:
            raise UnreadableError(self.header)
        voxels = bytearray()
        for path in self.files:
            before = len(voxels)
            with self._opened(path) as file:
                self._check_length(path, file, share)
                self._seek(file, share)
                for block in self._blocks(file, share):
                    voxels += block
            if len(voxels) - before != share:
                raise UnreadableError(self.header)
        return voxels

    def numbers(self, dtype: np.dtype, count: int) -> np.ndarray:
        """Return that many values that are written as numbers, in native byte order.

        Raises:
            InputError: a file is missing.
            UnreadableError: it is no text, holds more or fewer, or what the type has no room for.
        """
        try:
            with np.errstate(all="ignore"):
                stated = np.array(self.text().split(), np.float64)
                values = stated.astype(dtype.newbyteorder("="))
        except (ValueError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise UnreadableError(self.header) from error
        exact = dtype.kind == "f" or np.array_equal(values, stated)
        if values.size != count or not exact:
            raise UnreadableError(self.header)
        return values

    def text(self) -> str:
        """Return voxels that are written as text, up to the end of the files.

        Raises:
            InputError: a file is missing.
            UnreadableError: it is no text.
        """
        words = []
        for path in self.files:
            with self._opened(path) as file:
                self._seek(file, 0)
                file.seek(self.skipped, os.SEEK_CUR)
                words.append(file.read())
        try:
            return b" ".join(words).decode("ascii")
        except UnicodeDecodeError as error:
            raise UnreadableError(self.header) from error

    def _opened(self, path: Path) -> BinaryIO:
        if is_special(path):
            raise InputError(
                f"The voxels of {self.header} should be in {path}, which is a pipe or a device; "
                "put a file there."
            )
        try:
            return open(path, "rb")
        except OSError as error:
            if path == self.header:
                raise
            raise InputError(
                f"The voxels of {self.header} should be in {path}, which cannot be opened "
                f"({error.strerror}); put that file there too."
            ) from error

    def _check_length(self, path: Path, file: BinaryIO, share: int) -> None:
        """Raise InputError if a file of its own holds more voxels than the header says.

        Behind a header of which nothing is said, or with other sizes, they would be scrambled.
        """
        if self.encoding != RAW or path == self.header or self.start or self.lines or self.skipped:
            return
        length = file.seek(0, os.SEEK_END)
        if length > share:
            raise InputError(
                f"{path} holds {length} bytes and {self.header} describes {share} of them; correct "
                "the sizes and the type there, or say how many bytes to skip."
            )

    def _seek(self, file: BinaryIO, share: int) -> None:
        if self.start == self.LAST:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - share))
            return
        file.seek(self.start)
        for _ in range(self.lines):
            file.readline()

    def _blocks(self, file: BinaryIO, share: int) -> Iterator[bytes]:
        """Yield the voxels' bytes, at most a share of them, without those to be skipped."""
        skip, left = self.skipped, share
        source = self._plain(file) if self.encoding == RAW else self._inflated(file, skip + share)
        for block in source:
            kept = block[skip : skip + left]
            skip = max(0, skip - len(block))
            left -= len(kept)
            yield kept
            if not left and self.encoding == RAW:
                return

    @staticmethod
    def _plain(file: BinaryIO) -> Iterator[bytes]:
        while block := file.read(_BLOCK):
            yield block

    def _inflated(self, file: BinaryIO, most: int) -> Iterator[bytes]:
        """Yield what is decompressed, up to the end of the stream, where its checksum is looked at.

        Raises:
            UnreadableError: the stream is damaged, too short, or holds more than ``most`` bytes.
        """
        machine = _DECOMPRESSORS[self.encoding]()
        unread = self.stored or None
        packed, made = b"", 0
        try:
            while not machine.eof:
                packed = packed or file.read(_BLOCK if unread is None else min(_BLOCK, unread))
                if not packed:
                    raise UnreadableError(self.header)
                unread = None if unread is None else unread - len(packed)
                block = machine.decompress(packed)
                made += len(block)
                if made > most:
                    raise UnreadableError(self.header)
                yield block
                packed = b""
                if machine.eof and made < most:  # files that were appended to have several streams
                    packed = machine.unused_data or file.read(_BLOCK)
                    machine = _DECOMPRESSORS[self.encoding]()
        except (zlib.error, OSError, ValueError, EOFError) as error:
            if isinstance(error, InputError):
                raise
            raise UnreadableError(self.header) from error


def numbered(folder: Path, pattern: str, first: int, last: int, step: int) -> tuple[Path, ...]:
    """Return the files of a printf pattern such as ``slice%03d.raw``, the last number included.

    Raises:
        ValueError: it is no such pattern.
    """
    if not step or abs(last - first) // abs(step) > 10**6:
        raise ValueError(f"numbers from {first} to {last} by {step}")
    try:
        names = [pattern % n for n in range(first, last + (1 if step > 0 else -1), step)]
    except TypeError as error:
        raise ValueError(pattern) from error
    if not names:
        raise ValueError(pattern)
    return tuple(folder / name for name in names)
