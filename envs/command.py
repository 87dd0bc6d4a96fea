"""How the project's commands speak: bars of progress, and one line on stderr with exit code 2 where they fail."""

import argparse
import difflib
import importlib
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from tqdm import tqdm


def refuse(error: object) -> NoReturn:
    """Print one line and end with exit code 2."""
    print(f"error: {in_words(error)}", file=sys.stderr)
    raise SystemExit(2)


def in_words(error: object) -> str:
    """An error in one line; the system's own by the file's name and what is wrong with it."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror[0].lower()}{error.strerror[1:]}"
    if isinstance(error, MemoryError):
        return f"out of memory ({error})" if str(error) else "out of memory"
    return " ".join(str(error).split())


def progress(*args: Any, **kwargs: Any) -> tqdm:
    """A bar; where nobody watches it, one line a minute. TQDM_DISABLE=1 turns all off."""
    often = 0.5 if sys.stderr.isatty() else 60
    return tqdm(*args, mininterval=often, maxinterval=max(often, 10), **kwargs)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written, and room for the names of options beside what they do."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=32)


class Parser(argparse.ArgumentParser):
    """An argument parser that refuses in one line and names the options nearest to an unknown one."""

    def __init__(self, **kwargs: Any):
        super().__init__(allow_abbrev=False, formatter_class=_Help, **kwargs)

    def error(self, message: str) -> NoReturn:
        refuse(f"{message}; see --help")

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            near = difflib.get_close_matches(unknown[0].partition("=")[0], known, n=3, cutoff=0.7)
            self.error(f"unknown option '{unknown[0]}'" + (f", did you mean {' or '.join(near)}?" if near else ""))
        return parsed


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is not known: the ones nearest to it, else all that there are."""
    there = [*known]
    near = difflib.get_close_matches(name, there, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(there) or 'none'}"


def import_extra(name: str, extra: str) -> Any:
    """A package of one of the project's extras. ImportError with the command that installs it where it is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ImportError(f"{name} is not installed: pip install -c constraints.txt -e '.[{extra}]'") from None


def first_line(doc: str | None) -> str:
    """Of a docstring; nothing where Python was told to drop them (-OO)."""
    return (doc or "").partition("\n")[0]


def positive(text: str) -> int:
    """A whole number of at least 1, from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def non_negative(text: str) -> int:
    """A whole number of at least 0, from the command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def run_command(main: Callable[[], None]) -> None:
    """Run a command; what it refuses becomes one line. Ctrl-C and SIGTERM let it clean up first; it exits with 128 + theirs."""

    def stop(number: int, _: Any) -> NoReturn:
        raise KeyboardInterrupt(number)

    signal.signal(signal.SIGTERM, stop)
    try:
        main()
    except (ValueError, OSError, ImportError, MemoryError) as error:
        refuse(error)
    except KeyboardInterrupt as stopped:
        print("stopped", file=sys.stderr)
        sys.exit(128 + (*stopped.args, signal.SIGINT)[0])
