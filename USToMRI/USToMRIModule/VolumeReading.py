"""Reading image files piece by piece, so that Slicer's event loop never waits for a large one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

import qt
import vtk
from vtk.util.numpy_support import vtk_to_numpy

if TYPE_CHECKING:
    from USToMRILib import Volume

# Read at once: some milliseconds.
_VOXELS = 2**20


class ReadVolume:
    """A float32 MetaImage while it is read, into the memory that a node will show.

    volume - the voxels on their grid; complete when the last piece was read
    image - the ``vtkImageData`` whose voxels these are
    """

    volume: Volume
    image: Any

    def __init__(self, path: Path) -> None:
        """Read the header.

        :raises USToMRILib.InputError: it is no image.
        """
        from USToMRILib import Grid, Volume
        from USToMRILib.itk_files import open_header

        self._reader = open_header(path)
        grid = Grid.from_sitk(self._reader)
        self.image = vtk.vtkImageData()
        self.image.SetDimensions(*grid.size)
        self.image.AllocateScalars(vtk.VTK_FLOAT, 1)
        voxels = vtk_to_numpy(self.image.GetPointData().GetScalars())
        self.volume = Volume(voxels.reshape(grid.shape), grid)
        self._slices = max(1, _VOXELS // (grid.size[0] * grid.size[1]))
        self._next = 0

    def readPiece(self) -> bool:
        """Read some slices; return whether there are more.

        :raises RuntimeError: the file is damaged.
        """
        import SimpleITK as sitk

        i, j, k = self.volume.grid.size
        end = min(self._next + self._slices, k)
        self._reader.SetExtractIndex([0, 0, self._next])
        self._reader.SetExtractSize([i, j, end - self._next])
        piece = self._reader.Execute()  # the view below does not keep it alive
        self.volume.array[self._next : end] = sitk.GetArrayViewFromImage(piece)
        self._next = end
        return end < k


class Reading:
    """Reads files one after the other from Qt's event loop."""

    def __init__(
        self,
        paths: list[Path],
        onRead: Callable[[list[ReadVolume]], None],
        onError: Callable[[Exception], None],
    ) -> None:
        """Make a reading; :meth:`start` begins it.

        :param onRead: called once with what was read, in the order of the paths.
        :param onError: called instead where a file is missing or damaged.
        """
        self._paths = list(paths)
        self._onRead = onRead
        self._onError = onError
        self._read: list[ReadVolume] = []
        self._current: Optional[ReadVolume] = None
        self._stopped = False

    def start(self) -> None:
        """Begin."""
        qt.QTimer.singleShot(0, self._step)

    def stop(self) -> None:
        """Read no further, and call nobody."""
        self._stopped = True

    def _step(self) -> None:
        if self._stopped:
            return
        try:
            if self._current is None:
                self._current = ReadVolume(self._paths[len(self._read)])
            if not self._current.readPiece():
                self._read.append(self._current)
                self._current = None
        except Exception as error:  # Qt calls this: nobody above could tell the user
            self._onError(error)
            return
        if len(self._read) < len(self._paths):
            qt.QTimer.singleShot(0, self._step)
        else:
            self._onRead(self._read)
