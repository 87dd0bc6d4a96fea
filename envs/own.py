"""A task of your own, from a function that makes its Gymnasium environment:

    TASK = own_task(lambda: gymnasium.make("Pendulum-v1", g=9.0), dataset="pendulum.npz", success_return=-200)

`--task gym:ENV_ID` is such a call without a file, and `--task data:OBSxACTIONS` the task of a dataset without an environment.
"""

import ast
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Space, flatdim

from envs import outside
from envs.dataset import Dataset
from envs.given import blamed, first, following, reported
from envs.outside import DATA, GYM, Fault
from envs.task import SuccessTiming, Task

REFERENCES = {
    "halfcheetah": (-280.178953, 12135.0),
    "hopper": (-20.272305, 3234.3),
    "walker2d": (1.629008, 4592.3),
    "ant": (-325.6, 3879.7),
    "adroithandpen": (96.262799, 3076.8331017826877),
    "adroithandhammer": (-274.856578, 12794.134825156867),
    "adroithanddoor": (-56.512833, 2880.5693087298737),
    "adroithandrelocate": (-6.425911, 4233.877797728884),
}
"""Returns of a random and of an expert policy, by which D4RL (arXiv 2004.07219) normalises, by Gymnasium's names."""

Success = Callable[[np.ndarray, dict[str, Any]], bool]  # of the observation and the info after a step


@dataclass(frozen=True, kw_only=True)
class OwnTask(Task):
    """A Gymnasium environment with flat observations and continuous actions, as the suite sees it: actions in [-1, 1]."""

    make: Callable[[], gymnasium.Env] | None
    """None where there are data alone."""
    low: tuple[float, ...]
    """The bounds of the environment's actions, which -1 and 1 stand for."""
    high: tuple[float, ...]
    keys: tuple[str, ...] = ()
    """Of a dict of observations, those to join."""
    success: Success | None = None
    success_return: float | None = None
    """The return from which on an episode counts as a success."""
    score: str = "success"
    """What an evaluation is judged by: success, return, or D4RL's normalised score."""
    reference: tuple[float, float] | None = None

    @property
    def simulated(self) -> bool:
        return self.make is not None

    def make_env(self, success_timing: SuccessTiming = "post") -> gymnasium.Env:
        if self.make is None:
            raise ValueError(f"{self.name}: there is no environment; --online-steps 0 trains on the data alone")
        if success_timing != "post":
            raise ValueError(f"{self.name}: success_timing {success_timing!r} is OGBench's alone; allowed is 'post'")
        try:
            return OwnEnv(self.make(), self)
        except Exception as error:  # whatever it raises
            raise ValueError(f"{self.name}: its environment cannot be made, {outside.in_words(error, self.name)}") from error

    def load_dataset(self, folders: Sequence[Path]) -> Dataset:
        """The rows of its file; none where it has no file."""
        return self.read_dataset(self.dataset) if self.dataset else self.no_data()

    def read_dataset(self, source: str, keys: Sequence[str] = (), bounds: tuple[Any, Any] | None = None) -> Dataset:
        return super().read_dataset(source, keys or self.keys, bounds or (np.array(self.low), np.array(self.high)))

    @property
    def fetched_unasked(self) -> bool:
        return False

    def scored(self, total_reward: float) -> float | None:
        if self.score == "success":
            return None
        low, high = self.reference or (0.0, 100.0)
        return 100 * (total_reward - low) / (high - low)

    def facts(self) -> dict[str, Any]:
        return {"score": self.score, **({"reference": list(self.reference)} if self.reference else {})}


class OwnEnv(gymnasium.Wrapper):
    """Flat float32 observations, actions in [-1, 1], the time limit, and in every info whether the task is solved.

    What the environment gives is checked: a reset or a step that goes wrong is a Fault.
    """

    def __init__(self, env: gymnasium.Env, task: OwnTask):
        super().__init__(env)
        self.task, self.steps, self.total = task, 0, 0.0
        self.center = (np.array(task.low) + np.array(task.high)) / 2
        self.half = (np.array(task.high) - np.array(task.low)) / 2
        self.dtype = env.action_space.dtype
        self.observation_space = Box(-np.inf, np.inf, (task.obs_dim,), np.float32)
        self.action_space = Box(-1.0, 1.0, (task.action_dim,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        self.steps, self.total = 0, 0.0
        with blamed(self.task.name, "reset"):
            return first(self.env.reset(seed=seed, options=options), self.task.obs_dim, self.task.keys)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        action = (self.center + self.half * action).astype(self.dtype)
        self.steps += 1
        with blamed(self.task.name, f"step {self.steps} of an episode"):
            given = following(self.env.step(action), self.task.obs_dim, self.task.keys)
            obs, reward, terminated, truncated, info = given
            truncated = truncated or self.steps >= self.task.time_limit
            self.total += reward
            info["success"] = self._succeeds(obs, info, terminated or truncated)
        return obs, reward, terminated, truncated, info

    def _succeeds(self, obs: np.ndarray, info: dict[str, Any], over: bool) -> bool:
        if self.task.success:
            return bool(self.task.success(obs, info))
        if self.task.success_return is not None:
            return over and self.total >= self.task.success_return
        return bool(reported(info))


def own_task(
    make: Callable[[], gymnasium.Env],
    dataset: str = "",
    success: Success | None = None,
    success_return: float | None = None,
    time_limit: int | None = None,
    keys: Sequence[str] = (),
    reference: tuple[float, float] | None = None,
) -> OwnTask:
    """The task of the environment that `make` makes.

    An episode is a success when `success(obs, info)` is true after any step; or when its return is at least `success_return`;
    else when the environment says so in info["success"]. An environment that never does is judged by its return, by D4RL's
    normalised score where there is a `reference`, the returns of a random and of an expert policy. `time_limit` is needed where
    the environment has none, `keys` where its observations are a dict. `dataset` is a file beside the task's, or whatever
    --dataset takes. ValueError in one line for an environment that does not fit.
    """
    env = make()
    name = env.spec.id if env.spec else type(env.unwrapped).__name__
    try:
        own_limit = env.spec.max_episode_steps if env.spec else None
        limit = own_limit if time_limit is None else time_limit
        if limit is None:
            raise ValueError("it has no time limit; time_limit=1000 sets one")
        check_numbers(limit, success_return, reference)
        if own_limit is not None and own_limit < limit:
            longer = f"gymnasium.make(..., max_episode_steps={limit}) makes longer ones"
            raise ValueError(f"time_limit={limit}, and its episodes end after {own_limit} steps; {longer}")
        low, high = action_bounds(env.action_space)
        size = flat_size(env.observation_space, keys)
        with blamed(name, "reset"):
            first(env.reset(seed=0), size, keys)
        with blamed(name, "step 1 of an episode"):
            *_, info = following(env.step(env.action_space.sample()), size, keys)
            defined = success or success_return is not None or (reported(info) is not None and not reference)
    except Fault:
        raise
    except ValueError as error:
        raise Fault(f"{name}: {error}") from None
    finally:
        env.close()
    return OwnTask(
        name=name,
        env=name,
        dataset=dataset,
        obs_dim=size,
        action_dim=len(low),
        time_limit=int(limit),
        make=make,
        low=low,
        high=high,
        keys=tuple(keys),
        success=success,
        success_return=success_return,
        score="success" if defined else "normalised score" if reference else "return",
        reference=reference,
    )


def gym_task(name: str) -> OwnTask:
    """The task `gym:ENV_ID`, or `gym:ENV_ID,option=value,...`: options of `own_task`, and of the environment itself."""
    env_id, options = with_options(name.removeprefix(GYM))
    own = {key: options.pop(key) for key in ("success_return", "time_limit", "keys", "reference") if key in options}
    if isinstance(keys := own.get("keys"), str):
        own["keys"] = keys.split("+")
    base = env_id.rpartition("/")[2].rpartition("-v")[0].lower()
    own.setdefault("reference", REFERENCES.get(base))
    options |= {"max_episode_steps": own["time_limit"]} if "time_limit" in own else {}
    try:
        return own_task(partial(gymnasium.make, env_id, disable_env_checker=True, **options), **own)
    except (gymnasium.error.Error, TypeError, ImportError, OSError, ValueError) as error:
        raise ValueError(str(error) if str(error).startswith(env_id) else f"{name}: {error}") from None
    except Exception as error:  # whatever the environment raises
        raise ValueError(f"{name}: its environment fails, {outside.in_words(error, name)}") from error


def data_task(name: str) -> OwnTask:
    """The task `data:OBSxACTIONS`, by the sizes of an observation and of an action; `,low=-2,high=2` bounds the actions."""
    sizes, options = with_options(name.removeprefix(DATA))
    obs, _, action = sizes.partition("x")
    low, high = options.pop("low", -1), options.pop("high", 1)
    sized = all(size.isdecimal() and int(size) for size in (obs, action))
    if not sized or options or not (is_number(low) and is_number(high) and low < high):
        raise ValueError(f"{name}: write data:OBSxACTIONS, such as data:11x3 or data:11x3,low=-2,high=2")
    lows, highs = ((float(bound),) * int(action) for bound in (low, high))
    return OwnTask(name, "", "", int(obs), int(action), 0, make=None, low=lows, high=highs, score="return")


@cache
def find_own(name: str) -> Task | None:
    """The task from outside that has this name; None for another name."""
    if name.startswith(GYM):
        return replace(gym_task(name), name=name)
    if name.startswith(DATA):
        return data_task(name)
    if not outside.is_outside(name):
        return None
    task: Task = outside.load_instance(name, Task)
    place = Path(name.rpartition(":")[0] or name).parent
    beside = place / task.dataset if task.dataset else Path()
    return replace(task, name=name, dataset=str(beside) if beside.is_file() else task.dataset)


def with_options(text: str) -> tuple[str, dict[str, Any]]:
    """What stands before the first comma, and the options after it as Python's values where they are such, else as text."""
    first, *options = re.split(r",(?![^(]*\))", text)  # not at the comma of (-10, 30)
    found: dict[str, Any] = {}
    for option in options:
        key, _, value = option.partition("=")
        try:
            found[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[key] = value
    return first, found


def flat_size(space: Space, keys: Sequence[str]) -> int:
    """How many numbers an observation has. ValueError in one line for those that are not flat."""
    if keys and not isinstance(space, Dict):
        raise ValueError(f"keys={'+'.join(keys)} are of a dict, and its observations are {space}")
    if not isinstance(space, Dict):
        check_flat(space, "its observations are")
        return flatdim(space)
    if not keys:
        raise ValueError(f"its observations are a dict; name those to join, of keys={'+'.join(space)}")
    if missing := [key for key in keys if key not in space.spaces]:
        raise ValueError(f"no observation is called {missing[0]}; there are {', '.join(space)}")
    for key in keys:
        check_flat(space[key], f"its observation {key} is")
    return sum(flatdim(space[key]) for key in keys)


def check_flat(space: Space, said: str) -> None:
    if not isinstance(space, Box) or len(space.shape) != 1:
        what = "images" if isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) > 1 else str(space)
        raise ValueError(f"{said} {what}; needed is a flat Box, [n]")


def check_numbers(time_limit: Any, success_return: Any, reference: Any) -> None:
    """ValueError for what is asked of a task as text, or by a wrong number."""
    if not isinstance(time_limit, int) or time_limit < 1:
        raise ValueError(f"time_limit={time_limit} is not a whole number of at least 1")
    if success_return is not None and not is_number(success_return):
        raise ValueError(f"success_return={success_return} is not a number")
    pair = isinstance(reference, Sequence) and len(reference) == 2 and all(map(is_number, reference))
    if reference is not None and not (pair and reference[0] < reference[1]):
        raise ValueError(f"reference={reference} is not (return of a random policy, greater one of an expert)")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and math.isfinite(value)


def action_bounds(space: Space) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The bounds of flat, continuous actions; ValueError for others."""
    if not isinstance(space, Box) or len(space.shape) != 1:
        raise ValueError(f"its actions are {space}; needed is a flat Box, continuous actions [n]")
    if not space.is_bounded():
        raise ValueError(f"its actions have no bounds, {space}; wrap it in gymnasium.wrappers.RescaleAction in a task file")
    if (space.low >= space.high).any():
        raise ValueError(f"its actions are {space}; needed are lower bounds below the upper ones")
    return tuple(map(float, space.low)), tuple(map(float, space.high))
