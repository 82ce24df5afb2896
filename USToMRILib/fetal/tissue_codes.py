"""What DICOM calls the tissues of a fetal brain, and their colours."""

from __future__ import annotations

from ..image.dicom_segmentation import Label
from .tissues import Tissue

# In SNOMED CT; the code of what is nearest where it has no name for a tissue.
_CODES = {
    Tissue.WHITE_MATTER: ("68523003", "Cerebral White Matter"),
    Tissue.VENTRICLES: ("35764002", "Brain ventricle"),
    Tissue.CEREBELLUM: ("113305005", "Cerebellum"),
    Tissue.EXTERNAL_CSF: ("33930006", "Cranial Subarachnoid Space"),
    Tissue.CORTEX: ("40146001", "Cerebral cortex"),
    Tissue.DEEP_GREY_MATTER: ("389081007", "Gray Matter"),
    Tissue.BRAINSTEM: ("119238007", "Brain Stem"),
    Tissue.CALLOSUM: ("88442005", "Corpus callosum"),
}

TISSUE_LABELS = {
    int(tissue): Label(tissue.title, code, tissue.colour) for tissue, code in _CODES.items()
}
