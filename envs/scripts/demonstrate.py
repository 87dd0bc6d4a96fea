"""Demonstrations of robomimic's tasks, each the first try of its operator that succeeds."""

from typing import cast

import numpy as np

from envs.files.hdf5 import Demo
from envs.scripts.can import CanDemonstrator
from envs.scripts.demonstrator import MAX_STEPS, Demonstrator
from envs.scripts.lift import LiftDemonstrator
from envs.scripts.operators import Operator
from envs.scripts.square import SquareDemonstrator
from envs.suites.robomimic import RobomimicTask
from envs.suites.robosuite_env import RobosuiteEnv

HOLD = 10  # steps of success in a row with which a demonstration ends
MAX_TRIES = 100

DEMONSTRATORS: dict[str, type[Demonstrator]] = {
    "lift": LiftDemonstrator,
    "can": CanDemonstrator,
    "square": SquareDemonstrator,
}


def make_demonstration_env(task: RobomimicTask) -> RobosuiteEnv:
    """The task's environment, which also shows the joints, as robomimic's files do."""
    env = cast(RobosuiteEnv, task.make_env().unwrapped)
    for name in env.robosuite.observation_names:
        if "joint_pos" in name:
            env.robosuite.modify_observable(name, "active", True)
    return env


def demonstrate(env: RobosuiteEnv, task: RobomimicTask, seed: int, index: int) -> Demo:
    """Demonstration `index`: its operator's first try that succeeds. It depends on `seed` and `index` alone."""
    operator = Operator.number(seed, index)
    for attempt in range(MAX_TRIES):
        arrays = try_once(env, task, operator, np.random.SeedSequence([seed, 1, index, attempt]))
        if arrays:
            return Demo(arrays, env.robosuite.sim.model.get_xml(), operator.tier, attempt + 1)
    raise RuntimeError(f"{task.name}: demonstration {index} failed {MAX_TRIES} times")


def try_once(
    env: RobosuiteEnv, task: RobomimicTask, operator: Operator, seeds: np.random.SeedSequence
) -> dict[str, np.ndarray] | None:
    """One try, in the arrays of robomimic's files; None unless it succeeds. All randomness comes from `seeds`."""
    reset_seed, operator_seed = (int(word) for word in seeds.generate_state(2))
    env.reset(seed=reset_seed)
    demonstrator = DEMONSTRATORS[task.name](env.robosuite, operator, np.random.default_rng(operator_seed))
    obs, states, actions, successes = [_observation(env)], [], [], []
    for action, _ in zip(demonstrator.actions(), range(MAX_STEPS), strict=False):
        action = action.astype(np.float32)  # as learners will read it, so that replays move alike
        states.append(env.robosuite.sim.get_state().flatten())
        actions.append(action)
        successes.append(env.step(action)[-1]["success"])
        obs.append(_observation(env))
        if all(successes[-HOLD:]) and len(successes) >= HOLD:
            return _arrays(obs, states, actions, successes)
    return None


def _observation(env: RobosuiteEnv) -> dict[str, np.ndarray]:
    """All that robosuite shows, under robomimic's names."""
    values = {key: value for key, value in env.values.items() if key.startswith("robot0_") and "proprio" not in key}
    return {key: np.array(value, np.float32) for key, value in values.items()} | {
        "object": env.values["object-state"].astype(np.float32)
    }


def _arrays(
    obs: list[dict[str, np.ndarray]], states: list[np.ndarray], actions: list[np.ndarray], successes: list[bool]
) -> dict[str, np.ndarray]:
    done = np.array(successes, np.int64)
    done[-1] = 1
    arrays = {"actions": np.stack(actions), "states": np.stack(states), "rewards": np.array(successes, float), "dones": done}
    for key in obs[0]:
        column = np.stack([values[key] for values in obs])
        arrays[f"obs/{key}"], arrays[f"next_obs/{key}"] = column[:-1], column[1:]
    return arrays
