"""From public data to the bundles in ``Resources/Models``."""

from USToMRILib.openmp import wait_asleep

wait_asleep()
