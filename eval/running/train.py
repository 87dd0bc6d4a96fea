"""Training: the offline loop, the online loop, and what lies between two of their steps.

Every random number comes from (seed, place): update noise and replay draws from the seed's generator, which checkpoints keep;
resets and action noise from (seed, episode, step). So a run that is interrupted and resumed equals one that was not.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from statistics import fmean
from typing import Any

import numpy as np
import torch

from algos.base import Batch
from algos.learner import Actor, Learner
from algos.learner.learner import is_gpu
from algos.learner.standardize import Standardize
from algos.select import one_sample
from envs.command import progress
from envs.dataset import Dataset
from envs.replay import Replay
from envs.workers import Lost
from eval.config.config import Config
from eval.results.folder import FORMAT, OFFLINE_END, save_checkpoint
from eval.results.record import CHECKPOINT, Writer, score
from eval.running.explore import Explorer, explore
from eval.running.faults import Diverged, blamed_on, out_of_memory
from eval.running.plan import Plan, at_once, at_random, one_by_one
from eval.running.rollout import Arena, Episode, Evaluator, blocks, outcomes
from eval.running.threads import Waiting

CHECKPOINT_SECONDS = 600


@dataclass(frozen=True)
class How:
    """How a run computes: no result depends on it, up to rounding."""

    device: str = "cpu"
    compile: bool = False
    graph: bool = False
    apart: bool = False  # environments step in processes of their own while updates run
    one_sample_episodes: int = 0  # of a seed, in each evaluation, where a critic chooses what acts


class Training:
    """One run of a configuration: `run` continues from wherever the state is and returns when done or told to stop."""

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        record: Writer,
        evaluator: Evaluator | None,
        keep: Callable[[dict[str, Any], Actor], None],
        how: How,
    ):
        self.config, self.record, self.evaluator, self.how = config, record, evaluator, how
        self.keep = keep  # what becomes of an evaluated policy, given the record's line of it
        self.one_sample = one_sample(config.algo)  # acts beside it in evaluations; made here, where a rule may yet refuse it
        self.one_sample_episodes = min(how.one_sample_episodes, config.eval_episodes)
        task, algo = config.task, config.algo
        seen = Standardize.of(dataset.obs) if config.normalize_obs else None
        compute = (how.device, how.compile, how.graph)
        with blamed_on(config.backbone, algo):
            self.learner = Learner(algo, config.backbone, task.obs_dim, task.action_dim, config.seeds, *compute, seen)
        self.actors = [self.learner.actor(index) for index in range(len(config.seeds))]
        self.plan: Plan = partial(at_once, self.learner) if is_gpu(self.learner.device) else partial(one_by_one, self.actors)
        self.plan_randomly: Plan = partial(at_random, task.action_dim)
        # The most that can come: each episode has one step at least and adds a row for its final observation.
        capacity = config.online_steps and (config.replay_capacity or max(2 * config.online_steps, algo.horizon + 1))
        try:
            self.replay = Replay(
                dataset,
                algo.horizon,
                len(config.seeds),
                capacity,
                how.device,
                config.data_order,
                algo.reads_next_action,
                config.online_share,
            )
        except Exception as error:
            if not out_of_memory(error):
                raise
            rows = f"{capacity} online rows for each of {len(config.seeds)} seeds"
            raise MemoryError(f"the dataset and {rows}; --replay-capacity keeps fewer") from None
        self.explorers: list[Explorer] = []
        self.done = {"offline": 0, "online": 0}  # steps
        self.evaluated = {"offline": 0, "online": 0}  # the last of them that was evaluated
        self.seconds: float | None = 0.0  # spent in steps, without evaluations and saving; None where a checkpoint does not say
        self.batch: Batch  # of the last update
        self.stop = False
        self.waiting = Waiting()
        self._saved = time.monotonic()

    def ask_to_stop(self) -> None:
        """Leaves `run` after the step that is under way."""
        self.stop = True

    def run(self) -> bool:
        """Both phases; true when complete, false when stopped early. Either way the checkpoint is current, also when a process
        is Lost: that shows between two steps."""
        try:
            self._phase("offline", self.config.offline_steps, self._update_offline)
            if self.config.offline_steps:
                self._end_offline()
            if self.config.online_steps and not self.stop:
                if self.learner.phase == "offline":
                    self.learner.begin("online")
                self.explorers = self.explorers or [self._explorer(seed) for seed in self.config.seeds]
                self._phase("online", self.config.online_steps, self._explore_and_update)
        except Lost:
            if not self.stop:  # who ends a group of processes ends the helpers, too
                self.save()
                raise
        self.save()
        return not self.stop

    def _end_offline(self) -> None:
        """What the phase has learned stays, for other runs that would have the same one (`--offline-from`): without the time
        that it took, since their online phase may be on another machine."""
        shared = self.config.protocol != "offline"  # whose runs have no other phase
        if shared and self.learner.phase == "offline" and not self.stop:
            state = self._learned() | {"config": self.config.offline_phase(), "seconds": None}
            save_checkpoint(self.record.path.with_name(OFFLINE_END), state)
        self.learner.set_progress(1)

    def close(self) -> None:
        """Ends the processes that evaluate and simulate."""
        if self.evaluator:
            self.evaluator.close()
        for explorer in self.explorers:
            explorer.simulator.close()

    def _explorer(self, seed: int) -> Explorer:
        return Explorer(self.config, seed, self.how.apart)

    def _phase(self, phase: str, steps: int, one_step: Callable[[int], dict[str, torch.Tensor] | None]) -> None:
        if not steps:
            return
        with progress(total=steps, initial=self.done[phase], desc=phase, unit="step") as bar:
            while not self.stop:
                if self._evaluation_due(phase, steps):
                    bar.set_postfix_str(self._evaluate(phase))
                    self.save()
                    continue
                if self.done[phase] == steps:
                    break
                step, begun = self.done[phase] + 1, time.monotonic()
                info = one_step(step)
                self.waiting.look()
                self.done[phase] = step
                if self.seconds is not None:
                    self.seconds += time.monotonic() - begun
                bar.update()
                if info is not None and (step % self.config.log_every == 0 or step == steps):
                    self._log(phase, step, info | self.learner.watch(self.batch.obs))
                if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                    self.save()

    def _evaluation_due(self, phase: str, steps: int) -> bool:
        done = self.done[phase]
        return self.evaluated[phase] < done and (done % self.config.eval_every == 0 or done == steps)

    def _update_offline(self, step: int) -> dict[str, torch.Tensor]:
        self.learner.set_progress((step - 1) / self.config.offline_steps)
        return self._update(step)

    def _update(self, offline_step: int) -> dict[str, torch.Tensor]:
        batch = self.replay.sample(self.learner.generators, self.config.algo.batch_size, offline_step)
        self.batch = Batch(**batch)
        return self.learner.update(self.batch, self.learner.draw())

    def _explore_and_update(self, step: int) -> dict[str, torch.Tensor] | None:
        warming_up = step <= self.config.online_warmup
        acts_randomly = warming_up and self.config.warmup_actions == "random"
        explore(self.explorers, self.plan_randomly if acts_randomly else self.plan, self.replay)
        if warming_up or not self.replay.ready:
            return None
        turns = self.config.data_order == "turning-shards" or not self.config.offline_steps  # else the first is all it sees
        turned = step if turns else 0
        info, rate = None, self.config.updates_per_step
        for _ in range(math.floor(step * rate) - math.floor((step - 1) * rate)):
            info = self._update(self.config.offline_steps + turned)
        return info

    def _log(self, phase: str, step: int, info: dict[str, torch.Tensor]) -> None:
        values = dict(zip(info, torch.stack(list(info.values())).tolist(), strict=True))  # a GPU is waited for once
        for name, numbers in values.items():
            for seed, number in zip(self.config.seeds, numbers, strict=True):
                if not np.isfinite(number):
                    raise Diverged(f"{name} of seed {seed} is {number} at {phase} step {step}")
        self.record.write("metrics", phase=phase, step=step, values=values)

    def _evaluate(self, phase: str) -> str:
        """Evaluates and records every episode of every seed, unless told to stop; returns their score as text. Without an
        evaluator there are no episodes, and the policies are kept. Where a critic chooses what acts, some episodes are of one
        sample that it did not choose: what the policy alone is worth."""
        step, config = self.done[phase], self.config
        actors = {seed: actor.snapshot(config.acting()) for seed, actor in zip(config.seeds, self.actors, strict=True)}
        chooses = self.one_sample != config.acting()
        alone = {seed: actor.by(self.one_sample) for seed, actor in actors.items()} if chooses else {}
        results = self._episodes(f"evaluation at {phase} step {step}", actors, alone)
        if results is None:
            return "stopped"
        scores = []
        if self.seconds is not None:
            self.record.write("clock", phase=phase, step=step, seconds=round(self.seconds, 1))
        for seed in actors:
            chosen, unchosen = (outcomes(config.task, [e for e in episodes if e.seed == seed]) for episodes in results)
            line = {"seed": seed, "phase": phase, "step": step, **chosen}
            if unchosen["success"]:
                line["one_sample"] = unchosen.get("score", unchosen["success"])
            if self.evaluator:
                self.record.write("evaluation", **line)
                scores.append(score(line))
            self.keep(line, actors[seed])
        self.evaluated[phase] = step
        return f"score {fmean(scores):.1f}" if scores else ""

    def _episodes(
        self, title: str, actors: dict[int, Actor], alone: dict[int, Actor]
    ) -> tuple[Sequence[Episode], Sequence[Episode]] | None:
        """Those of the actors, and the fewer of those that act alone; None when told to stop."""
        if not self.evaluator:
            return (), ()
        count = len(actors) * self.config.eval_episodes
        total = count + len(alone) * self.one_sample_episodes
        jobs = [*blocks(actors, self.config.eval_episodes), *blocks(alone, self.one_sample_episodes)]
        running = chain.from_iterable(self.evaluator.each(Arena.run, jobs, lambda: self.stop))
        found = list(progress(running, desc=title, total=total, leave=False, unit="episode"))
        return (found[:count], found[count:]) if len(found) == total else None

    def save(self) -> None:
        """Everything that the rest of the run depends on, in place of the last checkpoint. OSError where there is no room."""
        state = {"replay": self.replay.state_dict(), "explorers": [explorer.state_dict() for explorer in self.explorers]}
        save_checkpoint(self.record.path.with_name(CHECKPOINT), self._learned() | state)
        self._saved = time.monotonic()

    def _learned(self) -> dict[str, Any]:
        """All of that but what was collected online."""
        return {
            "format": FORMAT,
            "config": self.config.to_json(),
            "done": self.done,
            "evaluated": self.evaluated,
            "seconds": self.seconds,
            "learner": self.learner.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what was saved: by `save`, or by a run with the same offline phase at its end."""
        self.done, self.evaluated = state["done"], state["evaluated"]
        self.seconds = state.get("seconds")
        self.learner.load_state_dict(state["learner"])
        if "replay" in state:
            self.replay.load_state_dict(state["replay"])
        for seed, saved in zip(self.config.seeds, state.get("explorers", ()), strict=False):
            explorer = self._explorer(seed)
            explorer.load_state_dict(saved)
            self.explorers.append(explorer)
