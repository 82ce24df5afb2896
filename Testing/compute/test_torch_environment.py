"""What torch finds in its environment, unless the user wants otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

TOLD = """
import json, os, sys
{start}
loaded = "torch" in sys.modules
import torch
names = "OMP_WAIT_POLICY", "MKL_CBWR"
print(json.dumps([loaded, *(os.environ.get(name) for name in names)]))
"""
COMMAND = "from USToMRILib import cli\ncli.main(['models', 'list'])"


def told(start: str, **environment: str) -> list[object]:
    """Whether torch was loaded before its environment was set, and that environment."""
    names = "OMP_WAIT_POLICY", "MKL_CBWR"
    others = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, "-c", TOLD.format(start=start)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**others, **environment}
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("start", [COMMAND, "import benchmarks", "import training"])
def test_threads_wait_asleep_from_before_torch_is_loaded(start: str) -> None:
    assert told(start) == [False, "passive", "AUTO,STRICT"]


def test_a_policy_of_the_users_stays() -> None:
    assert told(COMMAND, OMP_WAIT_POLICY="active") == [False, "active", "AUTO,STRICT"]


def test_a_rounding_of_the_users_stays() -> None:
    assert told(COMMAND, MKL_CBWR="COMPATIBLE") == [False, "passive", "COMPATIBLE"]


def test_the_library_alone_sets_nothing() -> None:
    assert told("import USToMRILib.translate") == [False, None, None]
