"""What an environment from outside gives, checked at every reset and step: a Fault says in one line where it goes wrong."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

import numpy as np

from envs.outside import Fault, in_words

FIRST = "(obs, info)"
NEXT = "(obs, reward, terminated, truncated, info)"


@contextmanager
def blamed(name: str, when: str) -> Iterator[None]:
    """Whatever goes wrong in here becomes the Fault of an environment at a reset or a step; a file that is missing and memory
    that is full may be the machine's, and stay what they are."""
    try:
        yield
    except Fault as fault:
        raise Fault(f"{name}: {when} {fault}") from None
    except (OSError, MemoryError):
        raise
    except Exception as error:  # whatever it raises
        raise Fault(f"{name}: {when} fails, {in_words(error, name)}") from error


def first(given: Any, size: int, keys: Sequence[str]) -> tuple[np.ndarray, dict[str, Any]]:
    """What a reset gives: an observation [size], float32, joined from `keys` where it is a dict, and the info."""
    obs, info = fields(given, FIRST)
    return observation(obs, size, keys), info


def following(given: Any, size: int, keys: Sequence[str]) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
    """What a step gives, the observation as in `first`, the reward a finite number."""
    obs, reward, terminated, truncated, info = fields(given, NEXT)
    number = scalar(reward)
    if not np.isfinite(number):
        raise Fault(f"gives reward {shown(reward)}; a finite number is needed")
    flags = truth(terminated, "terminated"), truth(truncated, "truncated")
    return observation(obs, size, keys), number, *flags, info


def fields(given: Any, needed: str) -> Sequence[Any]:
    """The parts of what is given, as many as are needed; the last is a dict."""
    if not isinstance(given, tuple | list) or len(given) != needed.count(",") + 1:
        said = f"{len(given)} values" if isinstance(given, tuple | list) else type(given).__name__
        raise Fault(f"gives {said}; needed is {needed}")
    if not isinstance(given[-1], dict):
        raise Fault(f"gives an info that is {type(given[-1]).__name__}, no dict; needed is {needed}")
    return given


def observation(obs: Any, size: int, keys: Sequence[str]) -> np.ndarray:
    """[size], float32: a copy, since some environments change theirs in place."""
    if keys:
        if not isinstance(obs, Mapping) or not all(key in obs for key in keys):
            said = f"a dict with {', '.join(obs)}" if isinstance(obs, Mapping) else type(obs).__name__
            raise Fault(f"gives an observation that is {said}; needed is a dict with {', '.join(keys)}")
        obs = np.concatenate([obs[key] for key in keys])
    array = np.asarray(obs)
    if array.shape != (size,):
        raise Fault(f"gives an observation of shape {list(array.shape)}; its space has {[size]}")
    if array.dtype.kind not in "biuf":
        raise Fault(f"gives observation {shown(obs)}; numbers are needed")
    copy = array.astype(np.float32)
    if not np.isfinite(copy).all():
        index = np.isfinite(copy).argmin()
        raise Fault(f"gives an observation whose number {index} is {array[index]}; a finite one is needed")
    return copy


def reported(info: dict[str, Any]) -> bool | None:
    """What an environment says of success; None where it says nothing."""
    said = info.get("success", info.get("is_success"))
    return None if said is None else truth(said, "success")


def truth(value: Any, what: str) -> bool:
    """A bool, or 0 or 1, in whatever type."""
    if value is True or value is False:
        return value
    if (number := scalar(value)) not in (0, 1):
        raise Fault(f"gives {what} {shown(value)}; True or False is needed")
    return bool(number)


def scalar(value: Any) -> float:
    """The number that a value is, or an array of one; NaN for what is none."""
    array = np.asarray(value)
    return float(array.item()) if array.size == 1 and array.dtype.kind in "biuf" else np.nan


def shown(value: Any) -> str:
    """A value in a line, as far as it fits."""
    return shorten(repr(value), 60, placeholder=" ...")
