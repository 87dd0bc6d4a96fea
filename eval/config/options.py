"""Command-line options made from dataclasses: one option a field."""

import argparse
import dataclasses
import re
import types
from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def add_fields(parser: argparse.ArgumentParser, title: str, values: Any, prefix: str = "", skip: Collection[str] = ()) -> None:
    """An option `--<prefix><field>` for each field of a dataclass instance, whose values are the defaults shown."""
    group, hints = parser.add_argument_group(title), get_type_hints(type(values))
    for f in dataclasses.fields(values):
        if f.name in skip:
            continue
        flag, default = f"--{prefix}{f.name.replace('_', '-')}", getattr(values, f.name)
        text = f"{f.metadata.get('help', '')} (default: {_shown(default)})"
        group.add_argument(flag, dest=prefix + f.name, default=argparse.SUPPRESS, help=text, **_kind(hints[f.name]))


def whole_numbers(text: str) -> range:
    """`3`, or `0-4` with its end."""
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    numbers = range(int(found[1]), int(found[2] or found[1]) + 1) if found else range(0)
    if not numbers:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number nor a range as 0-4")
    return numbers


def check_seeds(seeds: Sequence[int]) -> None:
    """ValueError unless these are different seeds, each of which makes another run."""
    if not seeds or len(set(seeds)) < len(seeds) or not 0 <= min(seeds) <= max(seeds) < 2**32:
        raise ValueError(f"seeds {' '.join(map(str, seeds))}: one or more different numbers from 0 to 2^32 - 1")


class Together(argparse.Action):
    """The numbers of several ranges as one list."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, [*chain(*values)])


def _kind(hint: Any) -> dict[str, Any]:
    """How argparse reads a value of this type."""
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(hint) is Literal:
        return {"choices": get_args(hint)}
    if hint == tuple[int, ...]:
        return {"nargs": "+", "type": whole_numbers, "action": Together, "metavar": "INT"}
    if get_origin(hint) is tuple:
        return {"nargs": "+", "type": get_args(hint)[0], "metavar": get_args(hint)[0].__name__.upper()}
    if get_origin(hint) in (Union, types.UnionType):
        return _kind(next(kind for kind in get_args(hint) if kind is not types.NoneType))
    return {"type": hint, "metavar": hint.__name__.upper()}


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
