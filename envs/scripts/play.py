"""Scripted play: episodes of OGBench's manipulation environments, driven by OGBench's own oracles.

`play` follows noisy plans towards random targets; `noisy` follows Markov policies with noise and random actions
(OGBench, section 4 and appendix).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from envs.suites.ogbench_manipulation import ACTION_DIM, InfoOnce

if TYPE_CHECKING:
    import gymnasium

Kind = Literal["play", "noisy"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Episode = dict[str, np.ndarray]

STACKING = {"single": (0, 0), "double": (0, 0.25), "triple": (0.05, 0.35), "quadruple": (0.1, 0.5)}


@dataclass(frozen=True)
class Script:
    """What is generated: an OGBench environment, a kind of data, a seed and the length of episodes."""

    env: str
    kind: Kind
    seed: int
    episode_rows: int = 1001

    @property
    def random_action(self) -> float:
        """Probability of a uniformly random action."""
        return {"play": 0.0, "noisy": 0.2 if self.env.startswith("puzzle") else 0.1}[self.kind]

    def stacking(self, rng: np.random.Generator) -> float:
        """The episode's probability of stacking one cube onto another."""
        return rng.uniform(*STACKING.get(self.env.removeprefix("cube-"), (0.5, 0.5)))

    def make_env(self) -> "gymnasium.Env":
        """OGBench's environment in its data-collection mode: random scenes, a new target at each request."""
        import gymnasium
        import ogbench  # noqa: F401  (registers the environments)

        env = gymnasium.make(
            f"{self.env}-v0",
            terminate_at_goal=False,
            mode="data_collection",
            max_episode_steps=self.episode_rows,
            disable_env_checker=True,
        )
        return InfoOnce(env)

    def episode(self, env: "gymnasium.Env", split: int, index: int) -> Episode:
        """Episode `index` of a split: the first attempt that passes the environment's check."""
        for attempt in range(1000):
            episode = roll_episode(env, self, np.random.SeedSequence([self.seed, split, index, attempt]))
            if self.env != "scene" or cube_stays_reachable(episode):
                return episode
        raise RuntimeError(f"{self.env}: episode {index} was rejected 1000 times")


def make_oracles(env: "gymnasium.Env", script: Script) -> dict[str, Any]:
    """OGBench's oracle for each kind of target that the environment sets."""
    if script.kind == "play":
        from ogbench.manipspace.oracles.plan.button_plan import ButtonPlanOracle as Button
        from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle as Cube
        from ogbench.manipspace.oracles.plan.drawer_plan import DrawerPlanOracle as Drawer
        from ogbench.manipspace.oracles.plan.window_plan import WindowPlanOracle as Window

        settings = {"env": env, "noise": 0.1, "noise_smoothing": 0.5}
    else:
        from ogbench.manipspace.oracles.markov.button_markov import ButtonMarkovOracle as Button
        from ogbench.manipspace.oracles.markov.cube_markov import CubeMarkovOracle as Cube
        from ogbench.manipspace.oracles.markov.drawer_markov import DrawerMarkovOracle as Drawer
        from ogbench.manipspace.oracles.markov.window_markov import WindowMarkovOracle as Window

        settings = {"env": env, "min_norm": 0.4}
    return {
        "cube": Cube(**settings),
        "button": Button(gripper_always_closed=script.env.startswith("puzzle"), **settings),
        "drawer": Drawer(**settings),
        "window": Window(**settings),
    }


def roll_episode(env: "gymnasium.Env", script: Script, seeds: np.random.SeedSequence) -> Episode:
    """One episode in OGBench's file format, all randomness from `seeds`."""
    reset_seed, oracle_seed, driver_seed = (int(word) for word in seeds.generate_state(3))
    np.random.seed(oracle_seed)  # OGBench's oracles draw from numpy's global generator
    rng = np.random.default_rng(driver_seed)
    stacking, noise = script.stacking(rng), rng.uniform(0, 0.1)
    noise_scale = noise * np.array([1, 1, 1, 3, 10]) if script.kind == "noisy" else np.zeros(ACTION_DIM)

    oracles = make_oracles(env, script)
    inner: Any = env.unwrapped
    obs, info = env.reset(seed=reset_seed)
    oracle = oracles[info["privileged/target_task"]]
    oracle.reset(obs, info)
    rows: list[dict[str, Any]] = []
    for _ in range(script.episode_rows):
        if rng.random() < script.random_action:
            action = rng.uniform(-1, 1, size=ACTION_DIM)
        else:
            action = np.clip(oracle.select_action(obs, info) + noise_scale * rng.standard_normal(ACTION_DIM), -1, 1)
        next_obs, _, _, _, info = env.step(action)
        rows.append(_row(obs, action, info))
        obs = next_obs
        if oracle.done:
            target_obs, info = inner.set_new_target(p_stack=stacking)
            oracle = oracles[info["privileged/target_task"]]
            oracle.reset(target_obs, info)
    episode = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    episode["terminals"] = np.arange(len(rows)) == len(rows) - 1
    return episode


def _row(obs: np.ndarray, action: np.ndarray, info: dict[str, Any]) -> dict[str, np.ndarray]:
    """The state before the step and the action taken in it."""
    row = {
        "observations": obs.astype(np.float32),
        "actions": action.astype(np.float32),
        "qpos": info["prev_qpos"].astype(np.float32),
        "qvel": info["prev_qvel"].astype(np.float32),
    }
    if "prev_button_states" in info:
        row["button_states"] = info["prev_button_states"].astype(np.int64)
    return row


def cube_stays_reachable(episode: Episode) -> bool:
    """Whether the scene's cube is always either on the reachable table or inside the drawer, as in OGBench's own data."""
    _, y, z = episode["qpos"][:, 14:17].T
    beyond_right = y >= 0.29
    beyond_left_but_not_in_drawer = (y <= -0.3) & ((z < 0.06) | (z > 0.08))
    return not np.any(beyond_right | beyond_left_but_not_in_drawer)
