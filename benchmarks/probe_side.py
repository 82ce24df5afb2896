"""How often the side of a linear probe is found, in simulated scans of adult heads.

``python -m benchmarks.probe_side`` prints it: some minutes of one core. Nothing is translated, so
that heads of the training part serve as well.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from tqdm import tqdm

from training.data.location import add_data_option
from training.data.splits import read_split
from training.simulation.adult_anatomy import MriPriors, read_head
from training.simulation.adult_domain import WIDE
from training.simulation.adult_pairs import make_case
from USToMRILib.pix2pix.cone import echoing
from USToMRILib.pix2pix.orientation import CONE, find_orientation

# The last of the domain's probes is the linear one.
LINEAR = replace(WIDE, name="linear", probes=WIDE.probes[-1:])
_SEED = 9000
_LESIONS = 0.3


def main() -> None:
    """Say how often the side of a linear probe is found."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_data_option(parser)
    parser.add_argument("--per-head", type=int, default=4, help="scans; default: %(default)s")
    options = parser.parse_args()
    priors, split = MriPriors.of("T1", options.data), read_split("adult")
    right, misled = [], 0
    for number, name in enumerate(
        tqdm([*split["test"], *split["validation"], *split["train"][:2]])
    ):
        head = read_head(options.data, name)
        for scan in range(options.per_head):
            seed = _SEED + 100 * number + scan
            case = make_case(head, priors, seed, domain=LINEAR, lesion_probability=_LESIONS)
            seen = case.pair.ultrasound
            found = find_orientation(seen, echoing(seen), (1.0, 1.0, 1.0))
            # Simulated with the probe where the second axis begins.
            right.append(found.axes[1] == 1 and 1 not in found.flipped)
            misled += found.told_by == CONE and not right[-1]
    print(f"right in {sum(right)} of {len(right)} scans; {misled} wrong by what looks like a cone")


if __name__ == "__main__":
    main()
