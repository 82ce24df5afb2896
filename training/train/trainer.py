"""What every trainer is: a configuration, networks and optimisers, and the next step."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar


class Trainer(ABC):
    """One run. Its checkpoint is the state of its :meth:`parts`, the step and the configuration.

    Attributes:
        changeable: fields of the configuration in which a run may go on otherwise than it began.
        config: what decides the weights, next to the data; a dataclass of plain values.
        step: how many steps were taken.
    """

    changeable: ClassVar[tuple[str, ...]] = ()
    config: Any
    step: int = 0

    @abstractmethod
    def train_step(self) -> dict[str, float]:
        """One optimiser step; its losses."""

    @abstractmethod
    def parts(self) -> dict[str, Any]:
        """What has a state, by its name in the checkpoint: networks, optimisers, schedules.

        Several of a kind stand in a list or in a dictionary.
        """

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        state = {name: _each(part, lambda p: p.state_dict()) for name, part in self.parts().items()}
        return {"step": self.step, "config": _plain(self.config), **state}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`.

        Raises:
            ValueError: if it is of a run with another configuration.
        """
        wanted = _plain(self.config)
        if {**state["config"], **{name: wanted[name] for name in self.changeable}} != wanted:
            raise ValueError(
                "The checkpoint was made with other settings; use another --work folder."
            )
        self.step = state["step"]
        for name, part in self.parts().items():
            _each(part, lambda p, its: p.load_state_dict(its), state[name])


def _each(part: Any, do: Callable[..., Any], *its: Any) -> Any:
    """Do something with a part, or with each of several and what is ``its``."""
    if isinstance(part, dict):
        return {name: _each(one, do, *(of[name] for of in its)) for name, one in part.items()}
    if isinstance(part, list):
        return [_each(one, do, *of) for one, *of in zip(part, *its, strict=True)]
    return do(part, *its)


def _plain(config: Any) -> dict[str, Any]:
    """The configuration as checkpoints and JSON hold it."""
    return json.loads(json.dumps(asdict(config)))
