"""The command line, made from the configuration's dataclasses: one option a field, one line an error."""

import argparse
import dataclasses
import difflib
import sys
import types
from collections.abc import Collection, Sequence
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints


class Parser(argparse.ArgumentParser):
    """Refuses in one line on stderr, with exit code 2."""

    def __init__(self, **kwargs: Any):
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def error(self, message: str) -> NoReturn:
        refuse(f"{message}; see --help")

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            near = difflib.get_close_matches(unknown[0].split("=")[0], known, n=3)
            self.error(f"unknown option '{unknown[0]}'" + (f"; did you mean {' or '.join(near)}?" if near else ""))
        return parsed


def refuse(message: object) -> NoReturn:
    """Print one line and end with exit code 2."""
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    raise SystemExit(2)


def add_fields(parser: argparse.ArgumentParser, title: str, values: Any, prefix: str = "", skip: Collection[str] = ()) -> None:
    """An option `--<prefix><field>` for each field of a dataclass instance, whose values are the defaults shown."""
    group, hints = parser.add_argument_group(title), get_type_hints(type(values))
    for f in dataclasses.fields(values):
        if f.name in skip:
            continue
        flag, default = f"--{prefix}{f.name.replace('_', '-')}", getattr(values, f.name)
        text = f"{f.metadata.get('help', '')} (default: {_shown(default)})"
        group.add_argument(flag, dest=prefix + f.name, default=argparse.SUPPRESS, help=text, **_kind(hints[f.name]))


def _kind(hint: Any) -> dict[str, Any]:
    """How argparse reads a value of this type."""
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if get_origin(hint) is Literal:
        return {"choices": get_args(hint)}
    if get_origin(hint) is tuple:
        return {"nargs": "+", "type": get_args(hint)[0], "metavar": get_args(hint)[0].__name__.upper()}
    if get_origin(hint) in (Union, types.UnionType):
        return _kind(get_args(hint)[0])
    return {"type": hint, "metavar": hint.__name__.upper()}


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
