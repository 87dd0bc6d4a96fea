"""Robomimic's tasks (Mandlekar et al., CoRL 2021), their environments rebuilt with robosuite: lift, can, square."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from envs.dataset import Dataset
from envs.task import SuccessTiming, Task

OBS_KEYS = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object-state")


@dataclass(frozen=True)
class RobomimicTask(Task):
    """A Panda arm moved by end-effector deltas at 20 Hz; -1 for each step without success, which ends the episode."""

    def make_env(self, success_timing: SuccessTiming = "post") -> gymnasium.Env:
        """The task's environment; ImportError with one line when robosuite is missing, ValueError for 'pre'."""
        if success_timing != "post":
            raise ValueError(f"{self.name}: success_timing {success_timing!r} is OGBench's alone; allowed is 'post'")
        return gymnasium.wrappers.TimeLimit(RobosuiteEnv(self), self.time_limit)

    def load_dataset(self, folders: Sequence[Path]) -> Dataset:
        raise ValueError(f"{self.name}: robomimic HDF5 datasets are not read yet; OGBench's datasets are")


class RobosuiteEnv(gymnasium.Env):
    """A robosuite task behind Gymnasium's interface: obs = end effector, gripper and object, concatenated."""

    def __init__(self, task: RobomimicTask) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (task.obs_dim,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (task.action_dim,), np.float32)
        self._env = _make_robosuite(task.env)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        if seed is not None:
            # robosuite's samplers hold references to its generator, so its state is set, not the generator replaced.
            self._env.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state
        self._env.reset()
        # What robosuite's reset returns has zeros for the object in can and square.
        return self._obs(self._env._get_observations(force_update=True)), {"success": False}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        values, *_ = self._env.step(np.asarray(action, dtype=np.float64))
        success = bool(self._env._check_success())
        return self._obs(values), float(success) - 1.0, success, False, {"success": success}

    def close(self) -> None:
        self._env.close()

    @staticmethod
    def _obs(values: dict[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([values[key] for key in OBS_KEYS]).astype(np.float32)


def _make_robosuite(name: str) -> Any:
    """robosuite's environment `name` as robomimic's low-dimensional datasets configure it."""
    logging.disable(logging.WARNING)  # robosuite greets with five lines
    try:
        import robosuite
        from robosuite.controllers import load_composite_controller_config

        controller = load_composite_controller_config(robot="Panda")
        return robosuite.make(
            name,
            robots="Panda",
            controller_configs=controller,
            control_freq=20,
            has_renderer=False,
            has_offscreen_renderer=False,
            ignore_done=True,
            use_object_obs=True,
            use_camera_obs=False,
            hard_reset=name == "Lift",  # only lift's reset changes the model: the size of the cube
        )
    except ModuleNotFoundError as error:
        raise ImportError(f"robomimic's tasks need robosuite ({error}); `pip install robosuite==1.5.2`") from None
    finally:
        logging.disable(logging.NOTSET)


def _task(name: str, env: str, obs_dim: int, time_limit: int) -> RobomimicTask:
    return RobomimicTask(
        name=name,
        env=env,
        dataset=f"{name}-mh",
        obs_dim=obs_dim,
        action_dim=7,
        time_limit=time_limit,
        min_reward=-1,
        protocols=("offline-to-online",),
    )


TASKS = [
    _task("lift", "Lift", obs_dim=19, time_limit=300),
    _task("can", "PickPlaceCan", obs_dim=23, time_limit=300),
    _task("square", "NutAssemblySquare", obs_dim=23, time_limit=400),
]
