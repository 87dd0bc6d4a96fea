"""Presets: the numbers that a whole run has in common, whatever its method.

laptop    small networks and few steps, for a laptop's CPU: what runs take that name none; the values are ours
quick     the same networks, nearly all of the steps offline; the values are ours
small     the same networks and a longer run, for comparisons on a few cores; the values are ours
paper     Tables 5 and 8 of arXiv 2605.07727 as printed
release   as paper, with the kernel bandwidth of the authors' released configuration
qam       the protocol under which QAM and its relatives were published (arXiv 2601.14234)
qc        as paper, with as many episodes as Q-chunking, FMQ and DriftQL were published with
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envs.task import Protocol
from eval.config.families import CAN, DOUBLE, LIFT, OCTUPLE, PUZZLE_4X4, QUADRUPLE, SQUARE, TRIPLE
from eval.config.methods import TEN_CRITICS, Values, best_of, on_robomimic


@dataclass(frozen=True)
class Preset:
    """Values by field: a backbone, an algorithm and a run take those that they have."""

    about: str
    values: Values = field(default_factory=dict)
    by_dataset: Mapping[str, Values] = field(default_factory=dict)
    protocol: Protocol | None = None  # of every task; None: the first of the paper's that has the task
    offline_protocol: Values = field(default_factory=dict)  # what it has instead where there is no online phase

    def on(self, dataset: str, protocol: Protocol) -> dict[str, Any]:
        """The preset's values for the tasks of a dataset."""
        return {**self.values, **(self.offline_protocol if protocol == "offline" else {}), **self.by_dataset.get(dataset, {})}


LARGE = (QUADRUPLE, OCTUPLE, PUZZLE_4X4.replace("-v0", "-100m-v0"))
SHARD_BY_SHARD = {dataset: {"data_order": "shards"} for dataset in LARGE}  # 100M rows come as the published runs read them
TURNING_SHARDS = {dataset: {"data_order": "turning-shards"} for dataset in LARGE}  # and those of QAM

SMALL_NETWORKS = {
    "width": 256,
    "depth": 2,
    "critic_width": 256,
    "critic_depth": 2,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "discount": 0.98,
    "target_rate": 0.01,
    "temperatures": (0.2,),
    "num_generated": 4,
    "num_candidates": 8,
    "num_elites": 4,
    **best_of(4),
}

DEFAULT_PRESET = "laptop"
BALANCED = {"online_share": 0.5, "final_rate": 0.3, "old_policy_rate": 0.005}
"""What makes an online phase of thousands of steps help: at the paper's 1e-4 the old policy would not move in it."""

NO_ONLINE_PHASE: Values = {"final_rate": 0.1, "old_policy_rate": 1e-4}
"""Instead, with the offline protocol: `quick`'s values, whose old policy is the paper's."""

MORE_CUBES = (DOUBLE, TRIPLE, QUADRUPLE, OCTUPLE, *(f"cube-{number}-noisy-v0" for number in ("double", "triple", "quadruple")))
LONG_DEMONSTRATIONS: dict[str, Values] = {
    **{cubes: {"discount": 0.99} for cubes in MORE_CUBES},
    CAN: {"discount": 0.99, "online_share": 0.0},
    SQUARE: {"discount": 0.99, "online_share": 0.0},
}
"""Where demonstrations take 200 steps: a discount of 0.98 leaves nothing of a goal's value for most of the way. On can failures
have more rows than successes and fill the online half of a balanced batch. Tried on can; square takes can's values."""

PRESETS = {
    "laptop": Preset(
        "Minutes on two cores: small networks, balanced batches online but on can and square, an update at every second online "
        "step. Tuned on cube-single-task2 for DFP.",
        {
            "offline_steps": 10_000,
            "online_steps": 16_000,
            "online_warmup": 500,
            "updates_per_step": 0.5,
            "eval_every": 10_000,
            "eval_episodes": 50,
            "log_every": 250,
            **SMALL_NETWORKS,
            **BALANCED,
        },
        {**LONG_DEMONSTRATIONS, LIFT: {"offline_steps": 4_000, "online_steps": 6_000, "eval_every": 4_000}},  # learned sooner
        "offline-to-online",
        NO_ONLINE_PHASE,
    ),
    "quick": Preset(
        "Minutes on two cores: small networks, few steps online, a falling learning rate. Tuned on cube-single-task2 for DFP.",
        {
            "offline_steps": 18_000,
            "online_steps": 3_000,
            "online_warmup": 500,
            "eval_every": 6_000,
            "log_every": 250,
            **SMALL_NETWORKS,
            "final_rate": 0.1,
        },
        on_robomimic(offline_steps=5_000, online_steps=1_500, eval_every=2_500),  # a fifth of the rows, a slower simulator
        "offline-to-online",
    ),
    "small": Preset(
        "Half an hour to an hour on one core for three seeds: the networks of `quick`, as long online as offline, balanced "
        "batches online but on can and square. Chosen by pilots of DFP on cube-single-task2 and can.",
        {
            "offline_steps": 16_000,
            "online_steps": 16_000,
            "online_warmup": 500,
            "eval_every": 8_000,
            "eval_episodes": 50,
            "log_every": 250,
            **SMALL_NETWORKS,
            **BALANCED,
        },
        {**LONG_DEMONSTRATIONS, LIFT: {"offline_steps": 5_000, "online_steps": 5_000, "eval_every": 2_500}},  # learned sooner
        "offline-to-online",
        {"offline_steps": 54_000, "eval_every": 18_000, **NO_ONLINE_PHASE},  # as many as set FQL and DFP above BC
    ),
    "paper": Preset(
        "Tables 5 and 8 as printed: each method's own numbers, 1M + 1M steps. Data of 100M rows come shard by shard.",
        by_dataset=SHARD_BY_SHARD,
    ),
    "release": Preset(
        "As `paper`, with the one kernel bandwidth that the authors' released configuration has.",
        {"temperatures": (0.1,)},
        SHARD_BY_SHARD,
    ),
    "qam": Preset(
        "QAM's protocol: as `paper`, with ten critics, 1M + 500k steps, 50 episodes every 50k; 100M rows turn online, too.",
        {"online_steps": 500_000, "eval_every": 50_000, "eval_episodes": 50, **TEN_CRITICS},
        TURNING_SHARDS,
        "offline-to-online",
    ),
    "qc": Preset(
        "As `paper`, with 50 episodes an evaluation: as Q-chunking's, FMQ's and DriftQL's runs were published.",
        {"eval_episodes": 50},
        SHARD_BY_SHARD,
    ),
}
