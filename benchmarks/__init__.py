"""What is measured, against what, with its results written down."""

from USToMRILib.openmp import wait_asleep

wait_asleep()  # as the command does
