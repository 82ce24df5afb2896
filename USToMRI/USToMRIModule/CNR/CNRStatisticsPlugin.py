"""The contrast-to-noise ratio among the measurements of Slicer's Segment Statistics module."""

from __future__ import annotations

from typing import Any, Optional

import slicer
from SegmentStatisticsPlugins import SegmentStatisticsPluginBase
from slicer.i18n import tr as _

from ..Scene.RegionVoxels import Region, measureContrast

# Kept in the parameter node of Segment Statistics: the ID of the segment that is the background.
BACKGROUND_PARAMETER = "CNRStatisticsPlugin.BackgroundSegmentID"


class CNRStatisticsPlugin(SegmentStatisticsPluginBase):
    """Measures every segment against the background segment of the same segmentation.

    The background is the segment that ``BACKGROUND_PARAMETER`` names; without it, the one that
    is called "background", in capitals or not, in English or in Slicer's language. It must be
    drawn as a segment of its own: what no segment covers is no tissue one would compare with.
    """

    def __init__(self) -> None:
        """Tell Segment Statistics what can be measured."""
        super().__init__()
        self.name = "CNR"
        self.title = _("Contrast-to-noise ratio")
        self.keys = ["cnr", "background_mean", "background_stdev", "background_voxel_count"]
        self.defaultKeys = self.keys

    def computeStatistics(self, segmentID: str) -> dict[str, float]:
        """Return what was asked for; nothing for the background and where it cannot be computed."""
        from USToMRILib import InputError

        parameters = self.getParameterNode()
        segmentation = slicer.mrmlScene.GetNodeByID(parameters.GetParameter("Segmentation"))
        volume = slicer.mrmlScene.GetNodeByID(parameters.GetParameter("ScalarVolume"))
        background = self._backgroundOf(segmentation)
        if volume is None or background is None or background == segmentID:
            return {}
        regions = (Region(segmentation, segmentID), Region(segmentation, background))
        try:
            measured = measureContrast(volume, *regions)
        except InputError:
            return {}
        values = {
            "cnr": measured.cnr,
            "background_mean": measured.background.mean,
            "background_stdev": measured.background.standard_deviation,
            "background_voxel_count": measured.background.voxels,
        }
        return {key: values[key] for key in self.getRequestedKeys()}

    def getMeasurementInfo(self, key: str) -> Optional[dict[str, Any]]:
        """Return name, description and unit of a measurement."""
        texts = {
            "cnr": (
                _("CNR"),
                _("|mean of segment - mean of background| / root of the sum of their variances"),
                "",
            ),
            "background_mean": (_("Background mean"), _("Mean of the background segment"), ""),
            "background_stdev": (
                _("Background SD"),
                _("Standard deviation of the background segment"),
                "",
            ),
            "background_voxel_count": (
                _("Background voxels"),
                _("Number of voxels of the background segment"),
                "voxels",
            ),
        }
        if key not in texts:
            return None
        name, description, units = texts[key]
        info: dict[str, Any] = self.createMeasurementInfo(
            name=name, description=description, units=units
        )
        return info

    def _backgroundOf(self, segmentationNode: Any) -> Optional[str]:
        segmentation = segmentationNode.GetSegmentation()
        named = self.getParameterNode().GetParameter(BACKGROUND_PARAMETER)
        if named and segmentation.GetSegment(named):
            return str(named)
        for index in range(segmentation.GetNumberOfSegments()):
            name = segmentation.GetNthSegment(index).GetName().lower()
            if name in ("background", _("Background").lower()):
                return str(segmentation.GetNthSegmentID(index))
        return None


def register() -> None:
    """Add the plugin to Segment Statistics; called once, when Slicer has loaded its modules."""
    from SegmentStatistics import SegmentStatisticsLogic

    names = [plugin.__name__ for plugin in SegmentStatisticsLogic.registeredPlugins]
    if CNRStatisticsPlugin.__name__ not in names:  # the module may have been reloaded
        SegmentStatisticsLogic.registerPlugin(CNRStatisticsPlugin())
