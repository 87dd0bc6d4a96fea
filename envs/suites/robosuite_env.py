"""Robosuite's environments as robomimic's datasets have them, and whether a file's demonstrations were made in them."""

import logging
import os
import re
from typing import Any

import gymnasium
import numpy as np

from envs.command import import_extra
from envs.task import Task

PROPRIO = {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2}  # an observation's first parts, their sizes
OBS_KEYS = (*PROPRIO, "object-state")  # robosuite's names; 'object-state' is 'object' in robomimic's files
CONTROL_FREQ = 20  # actions a second

# robosuite's default controller for the Panda's arm, in all that the arm's motion depends on.
CONTROLLER: dict[str, Any] = {
    "type": "OSC_POSE",
    "input_max": 1,
    "input_min": -1,
    "output_max": [0.05, 0.05, 0.05, 0.5, 0.5, 0.5],  # m and rad an action
    "output_min": [-0.05, -0.05, -0.05, -0.5, -0.5, -0.5],
    "kp": 150,
    "damping_ratio": 1,
    "impedance_mode": "fixed",
    "position_limits": None,
    "orientation_limits": None,
    "uncouple_pos_ori": True,
    "input_type": "delta",
    "interpolation": None,
}
GRIPPER = {"type": "GRIP"}

# robosuite's settings of an environment. Those of the world have the values that mean the tasks' own, the first one where a
# file does not say; those of what is seen and when an episode ends move nothing. Any other is of another world.
WORLD: dict[str, tuple[Any, ...]] = {
    "robots": ("Panda",),
    "gripper_types": ("default", "PandaGripper"),
    "base_types": ("default",),
    "mount_types": ("default",),  # the bases of robosuite 1.4
    "env_configuration": ("default",),
    "initialization_noise": ("default",),
    "placement_initializer": (None,),
    "table_friction": ([1, 5e-3, 1e-4],),
    "control_freq": (CONTROL_FREQ,),
}
SEEN_OR_ENDING = re.compile(
    r"(use|has|camera|render|reward)_.*|renderer.*|horizon|ignore_done|hard_reset|lite_physics|seed|controller_configs"
)


def success_reward(success: Any) -> Any:
    """The reward of robomimic's tasks, in data and environment alike: -1 a step, 0 for one that ends in success."""
    return np.float32(success) - np.float32(1)


class RobosuiteEnv(gymnasium.Env):
    """A robosuite task behind Gymnasium's interface: obs = end effector, gripper and object, concatenated."""

    robosuite: Any
    """robosuite's environment."""
    values: dict[str, np.ndarray]
    """robosuite's latest observation, by name."""
    fast: bool
    """Whether steps are those of `envs.suites.panda`, with robosuite's bits; where it does not apply, they are robosuite's."""

    def __init__(self, task: Task, fast: bool = True) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (task.obs_dim,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (task.action_dim,), np.float32)
        self.robosuite = _make_robosuite(task.env)
        self.fast = fast
        self._controller: Any = None
        self._panda: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        if seed is not None:
            # robosuite's samplers hold references to its generator, so its state is set, not the generator replaced.
            self.robosuite.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state
        self.robosuite.reset()
        # What robosuite's reset returns has zeros for the object in can and square.
        self.values = self.robosuite._get_observations(force_update=True)
        return self._obs(), {"success": False}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.values = self._step(np.asarray(action, dtype=np.float64))
        success = bool(self.robosuite._check_success())
        return self._obs(), float(success_reward(success)), success, False, {"success": success}

    def _step(self, action: np.ndarray) -> dict[str, np.ndarray]:
        controller = self.robosuite.robots[0].composite_controller
        if controller is not self._controller:  # robosuite makes a new one in every reset
            self._controller, self._panda = controller, self._fast_step() if self.fast else None
        # Right after a reset, robosuite's controller acts on what it saw there, before the gripper was opened.
        ready = self._panda is not None and self._panda.arm.new_update
        return self._panda(action) if ready else self.robosuite.step(action)[0]

    def _fast_step(self) -> Any:
        from envs.suites.panda import PandaStep, supports  # here, since it imports robosuite, which tasks do not need

        return PandaStep(self.robosuite) if supports(self.robosuite) else None

    def close(self) -> None:
        self.robosuite.close()

    def _obs(self) -> np.ndarray:
        return np.concatenate([self.values[key] for key in OBS_KEYS]).astype(np.float32)


def robosuite_settings(name: str) -> dict[str, Any]:
    """How robosuite's environment `name` is built: as robomimic's low-dimensional datasets configure it."""
    return {
        "robots": ["Panda"],
        "controller_configs": {"type": "BASIC", "body_parts": {"right": {**CONTROLLER, "gripper": dict(GRIPPER)}}},
        "control_freq": CONTROL_FREQ,
        "lite_physics": True,
        "has_renderer": False,
        "has_offscreen_renderer": False,
        "ignore_done": True,
        "use_object_obs": True,
        "use_camera_obs": False,
        "camera_depths": False,
        "reward_shaping": False,
        "hard_reset": name == "Lift",  # only lift's reset changes the model: the size of the cube
    }


def _make_robosuite(name: str) -> Any:
    opengl = os.environ.setdefault("MUJOCO_GL", "disable")
    logging.disable(logging.WARNING)  # robosuite greets with five lines
    try:
        return import_extra("robosuite", "robomimic").make(name, **robosuite_settings(name))
    finally:
        logging.disable(logging.NOTSET)
        # robosuite sets it to egl. What is then imported loads Mesa, if there is one, and after it torch's Triton crashes.
        os.environ["MUJOCO_GL"] = opengl


def check_env_args(env_args: dict[str, Any], env_name: str) -> None:
    """ValueError unless demonstrations made with robomimic's `env_args` were made in the task's environment.

    Not compared is what moves nothing: `lite_physics` changes no bit, and a controller's `input_ref_frame` only the rounding,
    since the Panda's base is not turned.
    """
    if env_args.get("env_name") != env_name:
        raise ValueError(f"made in {env_args.get('env_name')!r}, needed is {env_name!r}")
    kwargs = env_args["env_kwargs"]
    for key, found in kwargs.items():
        one = found[0] if isinstance(found, list) and len(found) == 1 else found
        if key in WORLD and one not in WORLD[key]:
            raise ValueError(f"made with {key} {found!r}, needed is {WORLD[key][0]!r}")
        if key not in WORLD and not SEEN_OR_ENDING.fullmatch(key):
            raise ValueError(f"made with {key} {found!r}, which the task's environment does not have")
    controller = _arm_controller(kwargs.get("controller_configs"))
    if (gripper := controller.get("gripper", GRIPPER)) != GRIPPER:
        raise ValueError(f"made with the gripper's controller {gripper!r}, needed is {GRIPPER!r}")
    for key, need in CONTROLLER.items():
        if not _equal(found := controller.get(key, need), need):
            raise ValueError(f"made with a controller whose {key} is {found!r}, needed is {need!r}")


def _arm_controller(configs: Any) -> dict[str, Any]:
    """The arm's part of a controller configuration, be it of robosuite 1.4 or 1.5, under the names of 1.5."""
    part = configs
    if isinstance(part, dict) and "body_parts" in part:
        parts = part["body_parts"]
        part = parts.get("arms", parts).get("right") if isinstance(parts, dict) else None
    if not isinstance(part, dict) or "type" not in part:
        raise ValueError("env_args has no controller for the arm in controller_configs")
    part = dict(part)
    if "damping" in part:
        part.setdefault("damping_ratio", part["damping"])
    if "control_delta" in part:
        part.setdefault("input_type", "delta" if part["control_delta"] else "absolute")
    return part


def _equal(found: Any, need: Any) -> bool:
    """Whether two settings are equal; one number stands for six equal ones."""
    if isinstance(need, (list, int)) and not isinstance(need, bool):
        try:
            return bool(np.all(np.asarray(found, float) == np.asarray(need, float)))
        except (TypeError, ValueError):
            return False
    return bool(found == need)


def summary_of(env_args: dict[str, Any]) -> dict[str, Any]:
    """What tells one file's environment from another's, for records."""
    kwargs = env_args["env_kwargs"]
    return {
        "env_name": env_args["env_name"],
        "env_version": env_args.get("env_version"),
        "controller": CONTROLLER["type"],
        "control_freq": CONTROL_FREQ,
        "lite_physics": kwargs.get("lite_physics"),
    }
