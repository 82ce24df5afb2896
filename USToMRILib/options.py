"""Options of a method, as fields of a dataclass that say everything about themselves.

Command line, panel, batch and record read the fields; nobody lists them a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Optional, Union, get_args, get_origin, get_type_hints

from .errors import InputError

_KEY = "USToMRI"
_NUMBERS = (int, float)


@dataclass(frozen=True)
class Option:
    """What is to be known about one option.

    Attributes:
        name: of the field, and of the argument of ``translate``.
        type: str, int, float or bool.
        default: None where the method chooses.
        help: one line for users, without the default.
        choices: the values that there are; empty for any.
        least, most: range of a number; the most only together with the least.
        unit: of the value, in capitals, for help texts.
        flag: on the command line.
        of_machine: a share of this machine, as memory: divided among processes that work at once,
            and no more than rounding of the result depends on it.
    """

    name: str
    type: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    least: Optional[float] = None
    most: Optional[float] = None
    unit: str = ""
    flag: str = ""
    of_machine: bool = False

    def check(self, value: Any) -> None:
        """Raise InputError for a value that is none of this option."""
        if value is None and self.default is None:
            return
        wanted = _NUMBERS if self.type is float else (self.type,)
        if not isinstance(value, wanted) or (isinstance(value, bool) and self.type is not bool):
            raise InputError(f"{value!r} is no {self._words}; give {_in_words(self.type)}.")
        if self.choices and value not in self.choices:
            known = ", ".join(self.choices)
            raise InputError(f"The {self._words} {value!r} is unknown; choose from {known}.")
        if not isinstance(value, (int, float)):
            return
        low, high = self.least, self.most
        if low is not None and high is not None and not low <= value <= high:
            raise InputError(
                f"{value} {self._words} cannot be used; choose from {low:g} to {high:g}."
            )
        if low is not None and not value >= low:
            raise InputError(f"{value} {self._words} cannot be used; choose {low:g} or more.")

    def describe(self) -> dict[str, Any]:
        """Everything about it, ready for JSON."""
        said = {name: value for name, value in asdict(self).items() if name != "type"}
        return {**said, "type": self.type.__name__, "choices": list(self.choices)}

    @property
    def _words(self) -> str:
        return self.name.replace("_", " ")


def option(default: Any, help: str, **about: Any) -> Any:
    """A field of an options dataclass; ``about`` are attributes of :class:`Option`."""
    return field(default=default, metadata={_KEY: {"help": help, **about}})


def options_of(cls: type) -> list[Option]:
    """The options that a dataclass has, in their order."""
    hints = get_type_hints(cls)
    return [_option(each, hints[each.name]) for each in fields(cls)]


def _option(each: Any, hint: Any) -> Option:
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    kind = kinds[0] if get_origin(hint) is Union else hint
    flag = f"--{each.name.replace('_', '-')}"
    return Option(**{"name": each.name, "type": kind, "default": each.default, "flag": flag,
                     **each.metadata[_KEY]})  # fmt: skip


def make_options(cls: type, values: Mapping[str, Any], method: str) -> Any:
    """The options with these values, the others by default; each is checked.

    Raises:
        InputError: for a name that the method's options lack, or a value that cannot be used.
    """
    known = {each.name: each for each in options_of(cls)}
    for name in values:
        if name not in known:
            has = ", ".join(known) or "none"
            raise InputError(
                f"The method {method!r} has no option {name!r}; leave it out, its options are: "
                f"{has}."
            )
    made = cls(**values)
    check_options(made)
    return made


def check_options(options: Any) -> None:
    """Raise InputError for a value that cannot be used.

    What no field can say of itself, the dataclass says in a method ``check``.
    """
    for each in options_of(type(options)):
        each.check(getattr(options, each.name))
    if hasattr(options, "check"):
        options.check()


def deciding(options: Any) -> dict[str, Any]:
    """The values on which more of the result than its rounding depends, by name."""
    kept = [each.name for each in options_of(type(options)) if not each.of_machine]
    return {name: getattr(options, name) for name in kept}


def _in_words(kind: type) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false"}
    return words.get(kind, "a word")
