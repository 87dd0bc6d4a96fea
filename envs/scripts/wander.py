"""Random motion in OGBench's mazes: stand-ins for locomotion data, whose originals come from policies that were trained.

An episode starts at a random place of the maze; its actions are smooth noise, between still and full strength. Nobody learns to
walk from this: it shows that a task, its file format and its rewards work.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import gymnasium

SMOOTHING = 0.9
"""How much of an action's noise stays in the next."""


@dataclass(frozen=True)
class Wander:
    """What is generated: a maze, a seed and the length of episodes."""

    env: str
    seed: int
    episode_rows: int = 1001
    kind: str = "wander"

    def make_env(self) -> "gymnasium.Env":
        """The maze without a goal that ends an episode."""
        import gymnasium
        import ogbench  # noqa: F401  (registers the environments)

        steps = self.episode_rows
        return gymnasium.make(f"{self.env}-v0", terminate_at_goal=False, max_episode_steps=steps, disable_env_checker=True)

    def episode(self, env: "gymnasium.Env", split: int, index: int) -> dict[str, np.ndarray]:
        """One episode in OGBench's file format."""
        reset_seed, place_seed, action_seed = map(int, np.random.SeedSequence([self.seed, split, index]).generate_state(3))
        np.random.seed(place_seed)  # OGBench's mazes draw from numpy's global generator
        rng = np.random.default_rng(action_seed)
        inner: Any = env.unwrapped
        cells = np.argwhere(inner.maze_map == 0)
        places = {key: tuple(rng.choice(cells)) for key in ("init_ij", "goal_ij", "agent_init_ij", "ball_init_ij")}
        obs, _ = env.reset(seed=reset_seed, options={"task_info": places})
        noise, strength, rows = np.zeros(env.action_space.shape or ()), rng.uniform(0, 1), []
        for _ in range(self.episode_rows):
            noise = SMOOTHING * noise + (1 - SMOOTHING**2) ** 0.5 * rng.standard_normal(noise.shape)
            action = np.clip(strength * noise, -1, 1)
            next_obs, _, _, _, info = env.step(action)
            rows.append({"observations": obs, "actions": action, "qpos": info["prev_qpos"], "qvel": info["prev_qvel"]})
            obs = next_obs
        columns = {key: np.stack([row[key] for row in rows]).astype(np.float32) for key in rows[0]}
        return columns | {"terminals": np.arange(len(rows)) == len(rows) - 1}
