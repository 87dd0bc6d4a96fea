"""Data of mixed quality for Reacher: a controller that pulls the fingertip to the target, with noise of three sizes."""

import gymnasium
import numpy as np

env, rng, rows = gymnasium.make("Reacher-v5"), np.random.default_rng(0), []
for episode in range(400):
    obs, _ = env.reset(seed=episode)
    noise, over = rng.choice([0.05, 0.3, 1.0]), False
    while not over:
        cos, sin, speed, gap = obs[:2], obs[2:4], obs[6:8], obs[8:10]  # of both joints; from the target to the fingertip
        elbow = 0.11 * np.array([np.sin(np.arctan2(*(sin, cos)).sum()), np.cos(np.arctan2(*(sin, cos)).sum())])
        jacobian = np.array([[-0.1 * sin[0] - elbow[0], -elbow[0]], [0.1 * cos[0] + elbow[1], elbow[1]]])
        action = np.clip(-8 * jacobian.T @ gap - 0.02 * speed + noise * rng.standard_normal(2), -1, 1).astype(np.float32)
        next_obs, reward, terminated, truncated, _ = env.step(action)
        rows.append((obs, action, reward, terminated, truncated, next_obs))
        obs, over = next_obs, terminated or truncated
names = "observations", "actions", "rewards", "terminals", "timeouts", "next_observations"
np.savez("reacher.npz", **{name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})
