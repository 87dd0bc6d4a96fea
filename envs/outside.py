"""What others define in a file or in an installed package: `./mine.py`, `./mine.py:Name`, `module:package.part:Name`.

A file is imported as a script imports its neighbours: its folder is on Python's path and the module is called as the file, so
that worker processes find the same classes. In records it goes by its path as it was given: what continues or loads a run is
started in the same folder. A package may give what it has a short name by an entry point of the group `steerbench`.
"""

import hashlib
import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

GYM, DATA, PACKAGE = "gym:", "data:", "module:"
_names: dict[type, str] = {}  # of classes from outside


class Fault(ValueError):
    """What something from outside does wrong, said in one line that names it."""


def is_outside(name: str) -> bool:
    """Whether a name is that of a file or of a package from outside."""
    return name.startswith(PACKAGE) or _split(name)[0].endswith(".py")


def is_own_task(name: str) -> bool:
    """Whether a task's name is none of the suite's: what `envs.own` makes of it is said by its beginning or its file."""
    return name.startswith((GYM, DATA)) or is_outside(name)


def tidy(name: str) -> str:
    """The one name of what `./mine.py` and `mine.py` both are."""
    place, part = _split(name)
    return (str(Path(place)) if place.endswith(".py") else place) + (f":{part}" if part else "")


def load_class(name: str, kind: type) -> Any:
    """The subclass of `kind` in a file or package: the one called so, or the only one. ValueError in one line without it."""
    module, part = _import(name)
    found = _choose(name, kind, part, _classes(module, kind))
    _names[found] = tidy(name)
    return found


def load_instance(name: str, kind: type) -> Any:
    """The instance of `kind` in a file or package, else one of its subclass, whose fields have defaults; as `load_class`."""
    module, part = _import(name)
    instances = {key: value for key, value in vars(module).items() if isinstance(value, kind)}
    found = _choose(name, kind, part, instances or _classes(module, kind))
    try:
        return found() if isinstance(found, type) else found
    except TypeError as error:
        raise ValueError(f"{tidy(name)}: {error}; give every field a default") from None


def load_function(name: str) -> Callable[..., Any]:
    """The function or class that a name ends with, as `./mine.py:act`. ValueError in one line without it."""
    module, part = _import(name)
    found = getattr(module, part or " ", None)
    if callable(found):
        return found
    own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    missing = f"no function or class '{part}'" if part else "names no function or class"
    raise ValueError(f"{tidy(name)}: {missing}; there is {', '.join(own) or 'none'}")


def name_of(cls: type) -> str | None:
    """The name by which a class was found outside; None for the suite's own."""
    return _names.get(cls)


def as_file_name(text: str) -> str:
    """A text with names from outside, which may be paths, in a file's name: without folders and signs that shells read."""
    return re.sub(r"[^\w.=+-]+", "-", re.sub(r"[^\s:-]*/", "", text)).strip("-.")


def fingerprint(name: str) -> str:
    """SHA-256 of the file behind a name: of that file alone, not of what it imports."""
    module, _ = _import(name)
    return hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()


def _split(name: str) -> tuple[str, str]:
    """The file or package, and what is named in it."""
    prefix = PACKAGE if name.startswith(PACKAGE) else ""
    place, _, part = name.removeprefix(prefix).partition(":")
    return prefix + place, part


def _import(name: str) -> tuple[ModuleType, str]:
    """The module behind a name, and what is named in it."""
    place, part = _split(name)
    if place.endswith(".py"):
        return _import_file(Path(place)), part
    package = place.removeprefix(PACKAGE)
    for point in entry_points(group="steerbench", name=package):
        package, part = point.module, point.attr
    return _import_module(package, place), part


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"{path}: no such file in {Path.cwd()}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last, so that nothing in it hides what Python or a package has
    module = _import_module(path.stem, str(path))
    if not (own := getattr(module, "__file__", None)) or not path.samefile(own):
        raise ValueError(f"{path}: another module is called {path.stem}; give the file another name")
    return module


def _import_module(name: str, said: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Fault as fault:  # of what it defines: it can be imported
        raise Fault(f"{said}: {fault}{line_in(fault.__cause__ or fault, said)}") from fault
    except (Exception, SystemExit) as error:  # whatever the module raises
        raise ValueError(f"{said}: cannot be imported, {in_words(error, said)}") from error


def in_words(error: BaseException, name: str) -> str:
    """What the file behind a name raised, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{line_in(error, name)}"


def line_in(error: BaseException, name: str) -> str:
    """In brackets the last line of the file behind a name that led to an error; nothing where none did."""
    file = Path(_split(name)[0]).resolve()
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == file]
    return f" (line {lines[-1]})" if lines else ""


def _classes(module: ModuleType, kind: type) -> dict[str, Any]:
    """The subclasses of `kind` that the module itself defines."""
    own = {name: value for name, value in vars(module).items() if isinstance(value, type)}
    return {
        name: value
        for name, value in own.items()
        if issubclass(value, kind) and value.__module__ == module.__name__ and not inspect.isabstract(value)
    }


def _choose(name: str, kind: type, part: str, found: dict[str, Any]) -> Any:
    what, place = kind.__name__.lower(), tidy(name)
    if not found:
        raise ValueError(f"{place}: defines no {what}")
    if not part and len(found) > 1:
        raise ValueError(f"{place}: defines several, {', '.join(found)}; name one, as in {place}:{next(iter(found))}")
    if part and part not in found:
        raise ValueError(f"{place}: no {what} of this name; there is {', '.join(found)}")
    return found[part or next(iter(found))]
