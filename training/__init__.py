"""From public data to the bundles in ``Resources/Models``."""

from USToMRILib.compute.torch_environment import prepare_torch

prepare_torch()
