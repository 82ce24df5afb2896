"""What is measured, against what, with its results written down."""

from USToMRILib.compute.torch_environment import prepare_torch

prepare_torch()  # as the command does
