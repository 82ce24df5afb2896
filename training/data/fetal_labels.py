"""The numbers that stand for the tissues of a fetal brain in published parcellations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from USToMRILib.errors import InputError
from USToMRILib.fetal.tissues import Tissue


@dataclass(frozen=True)
class LabelScheme:
    """What the numbers in a data set's parcellations mean.

    Attributes:
        name: of the data set.
        tissues: the tissue of each number but 0, which is outside the brain in all.
    """

    name: str
    tissues: Mapping[int, Tissue]

    def read(self, path: Path) -> sitk.Image:
        """A parcellation with each voxel's :class:`Tissue`, uint8, on the grid of the file.

        Raises:
            InputError: if the file cannot be read, or holds a number that the scheme has not.
        """
        try:
            labels = sitk.ReadImage(str(path), sitk.sitkUInt8)
        except RuntimeError as error:
            raise InputError(
                f"{path.name} cannot be read as an image; download it again"
            ) from error
        unknown = set(np.unique(sitk.GetArrayViewFromImage(labels)).tolist()) - {0, *self.tissues}
        if unknown:
            raise InputError(
                f"{path.name} holds {', '.join(map(str, sorted(unknown)))}, which {self.name} has "
                "no tissue for; correct the file, or read it as the data set that it is of"
            )
        changed = {number: int(tissue) for number, tissue in self.tissues.items()}
        return sitk.ChangeLabel(labels, changeMap=changed)


FIDON = LabelScheme("the parcellation of Fidon et al.", {int(t): t for t in Tissue})

# The numbers of Payette et al. 2021; they name no corpus callosum.
FETA = LabelScheme(
    "FeTA",
    {
        1: Tissue.EXTERNAL_CSF,
        2: Tissue.CORTEX,
        3: Tissue.WHITE_MATTER,
        4: Tissue.VENTRICLES,
        5: Tissue.CEREBELLUM,
        6: Tissue.DEEP_GREY_MATTER,
        7: Tissue.BRAINSTEM,
    },
)
