"""What is not an update: actions, episodes of evaluation, the simulator, the generation of data."""

import statistics
import time
from functools import partial

import numpy as np

from algos.learner import Actor, Learner
from envs.task import Task
from eval.bench.clock import seconds
from eval.config.config import Config
from eval.running.rollout import LIVE, rollouts
from eval.running.simulator import outcomes
from eval.running.threads import one_thread


@one_thread()
def time_actions(configs: dict[str, Config], repeats: int) -> dict[str, float]:
    """Milliseconds of one policy call for one observation, by one thread as in a run: `repeats` rounds of the methods in turn,
    each with ten calls in a row, since the networks of a policy in use lie in the cache."""
    actors = {name: untrained(config) for name, config in configs.items()}
    times: dict[str, list[float]] = {name: [] for name in configs}
    rng = np.random.default_rng(0)
    for _ in range(repeats):
        for name, actor in actors.items():
            act = partial(actor, np.zeros((1, configs[name].task.obs_dim), np.float32), [rng])
            times[name] += [seconds(act) for _ in range(10)]
    return {name: 1e3 * statistics.median(took) for name, took in times.items()}


def untrained(config: Config) -> Actor:
    """The policy of a fresh learner, on the CPU."""
    task = config.task
    return Learner(config.algo, config.backbone, task.obs_dim, task.action_dim, (0,)).actor(0).snapshot()


@one_thread()
def time_episodes(configs: dict[str, Config]) -> dict[str, float]:
    """Seconds of an evaluation episode of an untrained policy in this process, which lasts as long as the task allows; as in an
    evaluation, several run side by side."""
    envs = [next(iter(configs.values())).task.make_env("post") for _ in range(LIVE)]
    episodes = range(LIVE)
    return {name: seconds(partial(rollouts, envs, untrained(config), 0, episodes)) / LIVE for name, config in configs.items()}


def time_simulator(task: Task) -> float:
    """Environment steps a second of one simulator under random actions, resets left out."""
    env, rng, steps, done, took = task.make_env("post"), np.random.default_rng(0), 300, 0, 0.0
    while done < steps:
        env.reset(seed=done)
        actions = rng.uniform(-1, 1, (steps - done, task.action_dim)).astype(np.float32)
        begun = time.perf_counter()
        done += sum(1 for _ in outcomes(env, actions))
        took += time.perf_counter() - begun
    return steps / took


def time_generation(task: Task) -> float | None:
    """Rows a second of the task's data that one process generates, over one episode; None where there is no script."""
    if not (episode := task.scripted_episode()):
        return None
    begun = time.perf_counter()
    rows = episode()
    return rows / (time.perf_counter() - begun)
