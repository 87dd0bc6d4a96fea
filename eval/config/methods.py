"""The methods that the paper compares, by name, with the numbers of each one's own paper.

A method is an algorithm, a backbone and values: variants that are only numbers need no code. What is not named here is the
default of the algorithm's or backbone's class, which is Table 5 of arXiv 2605.07727. The numbers of FQL and BFN are those of
FQL (arXiv 2502.02538), Q-chunking (arXiv 2507.07969) and EMaQ (arXiv 2007.11091) as the paper used them. Table 7's other
baselines have the numbers of FQL's section E.2 and Table 6; in mazes and on D4RL those of FQL's released commands, which have
IQL's and ReBRAC's for humanoidmaze-medium alone.

QAM, its relatives and QC-FQL with ten critics have those of QAM (arXiv 2601.14234), one setting for the five goals of an
environment; on cube-single and robomimic, where it has none, what stands here is not tuned. RLPD on chunks has QAM's numbers,
too; FMQ's and DriftQL's are those of their authors' programs. Nobody has published drifting with edits, nor DFP with moved
elites or balanced batches; their numbers are not tuned.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envs.task import Protocol
from eval.config.families import (
    ANTMAZE_GIANT,
    ANTMAZE_LARGE,
    ANTSOCCER,
    DOUBLE,
    HUMANOIDMAZE_LARGE,
    HUMANOIDMAZE_MEDIUM,
    LOCOMOTION,
    PUZZLE_3X3,
    PUZZLE_4X4,
    QUADRUPLE,
    ROBOMIMIC_DATA,
    SCENE,
    SINGLE,
    TRIPLE,
    nearest,
)

Values = Mapping[str, Any]  # by field, of the algorithm, the backbone or the run


@dataclass(frozen=True)
class Method:
    """One row of the paper's tables."""

    label: str
    algo: str
    backbone: str
    values: Values = field(default_factory=dict)
    by_dataset: Mapping[str, Values] = field(default_factory=dict)
    online: Mapping[str, Values] = field(default_factory=dict)  # by dataset too, where it has others offline-to-online
    fixed: tuple[str, ...] = ()  # of which values no preset has others, since those would make another method

    def on(self, dataset: str, protocol: Protocol) -> dict[str, Any]:
        """The method's values for the tasks of a dataset."""
        name = nearest(dataset)
        online = self.online.get(name, {}) if protocol == "offline-to-online" else {}
        return {**self.values, **self.by_dataset.get(name, {}), **online}

    def fixed_on(self, dataset: str, protocol: Protocol) -> dict[str, Any]:
        """Those of its values that no preset changes."""
        return {name: value for name, value in self.on(dataset, protocol).items() if name in self.fixed}


def best_of(n: int) -> dict[str, int]:
    """N': the same for acting and for TD targets."""
    return {"best_of": n, "target_best_of": n}


def on_robomimic(**values: Any) -> dict[str, Values]:
    return dict.fromkeys(ROBOMIMIC_DATA, values)


def in_mazes(**values: Any) -> dict[str, Values]:
    return dict.fromkeys(LOCOMOTION, values)


def in_table_7(name: str | tuple[str, ...], *values: Any) -> dict[str, Values]:
    """One option's values, or those of several, on the five datasets of Table 7."""
    names, datasets = (name,) if isinstance(name, str) else name, (SINGLE, DOUBLE, SCENE, PUZZLE_3X3, PUZZLE_4X4)
    return {
        d: dict(zip(names, v if isinstance(v, tuple) else (v,), strict=True)) for d, v in zip(datasets, values, strict=True)
    }


def in_qam(names: tuple[str, ...], *values: tuple[float, ...]) -> dict[str, Values]:
    """The options' values in QAM's six families."""
    datasets = (DOUBLE, TRIPLE, QUADRUPLE, SCENE, PUZZLE_3X3, PUZZLE_4X4)
    return {d: dict(zip(names, v, strict=True)) for d, v in zip(datasets, values, strict=True)}


def bandwidth(per_dimension: float) -> float:
    """DriftQL's: tau sqrt(a), with the 5 actions of every robot arm and no chunks."""
    return per_dimension * math.sqrt(5)


NO_TOP_K = {"elite_weight": 0.0}
TEN_CRITICS = {"num_critics": 10, "pessimism": 0.5}
EDIT_SCALES = in_qam(("edit_scale",), (0.2,), (0.3,), (0.4,), (0.2,), (0.2,), (0.8,))
UNSQUASHED = {"squash": False}  # with unit variance, the Gaussian policy of FQL's baselines
NEAR_ZERO = {"output_gain": 0.1}
BEST_OF_32 = {"inverse_temperature": 0.0, "num_samples": 32}
IDQL_NETWORKS = {"diffusion_steps": 5, "residual": True, "width": 256, "depth": 3, "critic_width": 256, "critic_depth": 2}
DFP_ON_ROBOMIMIC = on_robomimic(num_elites=2, temperatures=(0.005, 0.05), **best_of(4))
FQL_IN_MAZES: dict[str, Values] = {
    ANTMAZE_LARGE: {"distill_weight": 10.0, "pessimism": 1.0},
    ANTMAZE_GIANT: {"distill_weight": 10.0, "pessimism": 1.0},
    HUMANOIDMAZE_MEDIUM: {"distill_weight": 30.0},
    HUMANOIDMAZE_LARGE: {"distill_weight": 30.0},
    ANTSOCCER: {"distill_weight": 10.0},
}
FQL_ON_D4RL: dict[str, Values] = {
    **{
        f"D4RL/antmaze/{maze}-v1": {"distill_weight": 10.0}
        for maze in ("umaze", "umaze-diverse", "medium-play", "medium-diverse")
    },
    **{f"D4RL/antmaze/{maze}-v1": {"distill_weight": 3.0} for maze in ("large-play", "large-diverse")},
    **{
        f"D4RL/{hand}/{data}-v2": {"distill_weight": weight, "pessimism": 1.0}
        for hand, weights in {
            "pen": (10_000.0, 10_000.0, 3_000.0),
            "door": (30_000.0, 30_000.0, 30_000.0),
            "hammer": (30_000.0, 10_000.0, 30_000.0),
            "relocate": (10_000.0, 30_000.0, 30_000.0),
        }.items()
        for data, weight in zip(("human", "cloned", "expert"), weights, strict=True)
    },
}
FQL_ONLINE: dict[str, Values] = {
    HUMANOIDMAZE_MEDIUM: {"distill_weight": 100.0},
    ANTSOCCER: {"distill_weight": 30.0},
    **{
        f"D4RL/{hand}/cloned-v2": {"distill_weight": weight}
        for hand, weight in {"pen": 1000.0, "door": 1000.0, "hammer": 1000.0, "relocate": 10_000.0}.items()
    },
}
"""What FQL's released commands have instead with online steps; there are none for other mazes and data."""
NO_CONSTRAINT_ON_TRIPLE = {TRIPLE: {"constraint_weight": 0.0}}

METHODS: dict[str, Method] = {
    "bfn": Method("BFN", "dfp", "flow", {"horizon": 1, **NO_TOP_K, **best_of(4)}),
    "qc-bfn": Method(
        "QC-BFN", "dfp", "flow", {**NO_TOP_K, **best_of(32)}, {**on_robomimic(**best_of(16)), PUZZLE_3X3: best_of(64)}
    ),
    "fql": Method(
        "FQL",
        "fql",
        "flow",
        {"horizon": 1, "distill_weight": 300.0},
        {
            **on_robomimic(distill_weight=10_000.0),
            PUZZLE_3X3: {"distill_weight": 1000.0},
            PUZZLE_4X4: {"distill_weight": 1000.0},
            **FQL_IN_MAZES,
            **FQL_ON_D4RL,
        },
        FQL_ONLINE,
    ),
    "qc-fql": Method(
        "QC-FQL",
        "fql",
        "flow",
        {"distill_weight": 300.0},
        {
            **on_robomimic(distill_weight=10_000.0),
            TRIPLE: {"distill_weight": 100.0},
            QUADRUPLE: {"distill_weight": 100.0},
            **FQL_IN_MAZES,
        },
        FQL_ONLINE,
    ),
    "mvp": Method("MVP", "dfp", "meanflow", NO_TOP_K, NO_CONSTRAINT_ON_TRIPLE),
    "mvp-top-k": Method("MVP w/ top-K", "dfp", "meanflow", {}, {**on_robomimic(num_elites=2), **NO_CONSTRAINT_ON_TRIPLE}),
    "dfp-no-top-k": Method("DFP w/o top-K", "dfp", "drifting", NO_TOP_K, DFP_ON_ROBOMIMIC),
    "dfp": Method("DFP", "dfp", "drifting", {}, DFP_ON_ROBOMIMIC),
    "bc": Method("BC", "bc", "deterministic", UNSQUASHED),
    "iql": Method(
        "IQL",
        "iql",
        "deterministic",
        {"horizon": 1, **UNSQUASHED, **NEAR_ZERO},
        in_table_7("inverse_temperature", 1.0, 0.3, 10.0, 10.0, 3.0) | in_mazes(inverse_temperature=10.0),
    ),
    "rebrac": Method(
        "ReBRAC",
        "rebrac",
        "deterministic",
        {"horizon": 1, **NEAR_ZERO},
        in_table_7(("actor_penalty", "critic_penalty"), (1.0, 0.0), (0.1, 0.0), (0.1, 0.01), (0.3, 0.01), (0.3, 0.01))
        | in_mazes(actor_penalty=0.01, critic_penalty=0.01),
    ),
    "idql": Method("IDQL", "iql", "diffusion", {"horizon": 1, **BEST_OF_32, **IDQL_NETWORKS}),
    "srpo": Method(
        "SRPO", "srpo", "diffusion", {"horizon": 1, **IDQL_NETWORKS}, in_table_7("q_weight", 0.03, 0.1, 0.1, 0.1, 0.1)
    ),
    "cac": Method(
        "CAC",
        "brac",
        "consistency",
        {
            "horizon": 1,
            "data_weight": 100.0,  # its consistency loss is 100 |...|^2 / (the distance of the noise levels)
            "normalize_q": True,
            "pessimism": 1.0,
            "target_samples": 10,
            "sigma_max": 80.0,
            "refinements": (2.0,),
        },
        in_table_7("q_weight", 0.003, 0.3, 0.3, 0.01, 0.01),
    ),
    "fawac": Method("FAWAC", "awac", "flow", {"horizon": 1}, in_table_7("inverse_temperature", 1.0, 0.3, 0.3, 0.3, 0.3)),
    "fbrac": Method("FBRAC", "brac", "flow", {"horizon": 1}, in_table_7("data_weight", 100.0, 100.0, 100.0, 100.0, 300.0)),
    "ifql": Method("IFQL", "iql", "flow", {"horizon": 1, **BEST_OF_32}),
    "qc-fql-10": Method(
        "QC-FQL-10",
        "fql",
        "flow",
        {"distill_weight": 300.0, **TEN_CRITICS},
        {
            **on_robomimic(distill_weight=10_000.0),
            **in_qam(("distill_weight",), (300.0,), (30.0,), (100.0,), (300.0,), (300.0,), (1.0,)),
        },
    ),
    "qam": Method(
        "QAM",
        "qam",
        "flow",
        {"inverse_temperature": 1.0, **TEN_CRITICS},
        in_qam(("inverse_temperature",), (1.0,), (3.0,), (1.0,), (1.0,), (3.0,), (30.0,)),
    ),
    "qam-f": Method(
        "QAM-F",
        "qam",
        "flow",
        {"inverse_temperature": 1.0, "distill_weight": 300.0, **TEN_CRITICS},
        in_qam(
            ("inverse_temperature", "distill_weight"),
            *((1.0, 0.0), (10.0, 300.0), (0.3, 30.0), (1.0, 300.0), (3.0, 0.0), (3.0, 3.0)),
        ),
    ),
    "qam-e": Method(
        "QAM-E",
        "qam",
        "flow",
        {"inverse_temperature": 1.0, "edit_scale": 0.1, **TEN_CRITICS},
        in_qam(
            ("inverse_temperature", "edit_scale"),
            *((1.0, 0.0), (3.0, 0.1), (3.0, 0.1), (1.0, 0.0), (1.0, 0.1), (0.1, 0.9)),
        ),
    ),
    "fedit": Method("FEdit", "edit", "flow", {"edit_scale": 0.2, **TEN_CRITICS}, EDIT_SCALES),
    "drifting-edit": Method("Drifting + edits", "edit", "drifting", {"edit_scale": 0.2, **TEN_CRITICS}, EDIT_SCALES),
    "fmq": Method("FMQ", "fmq", "flow_map"),
    "fmq-adaptive": Method("FMQ, adaptive step", "fmq", "flow_map", {"step": 1.0, "caution": 0.3}),
    "rlpd": Method(
        "RLPD",
        "sac",
        "tanh_gaussian",
        {"offline_steps": 0, "online_share": 0.5, "warmup_actions": "random", **TEN_CRITICS},
        in_qam(("data_weight",), (0.1,), (0.0,), (0.0,), (0.3,), (0.01,), (0.0,)),
        fixed=("offline_steps", "online_share"),
    ),
    "driftql": Method(
        "DriftQL",
        "brac",
        "drifting",
        {
            "horizon": 1,
            "data_weight": 100.0,
            "field": "mean_shift",
            "exclude_self": True,
            "clip_goals": True,
            "temperatures": (bandwidth(0.2),),
        },
        in_table_7(
            ("temperatures", "num_generated", "data_weight", "discount", "pessimism", "noise_dim"),
            ((bandwidth(0.02),), 32, 60.0, 0.995, 0.0, 5),
            ((bandwidth(0.2),), 4, 100.0, 0.99, 0.0, 8),
            ((bandwidth(0.2),), 32, 250.0, 0.995, 1.0, 5),
            ((bandwidth(0.5),), 32, 50.0, 0.99, 1.0, 5),
            ((bandwidth(0.8),), 32, 300.0, 0.99, 0.0, 5),
        ),
        fixed=("temperatures",),  # in units of actions, where those of the joint field have none
    ),
    "dfp-moved": Method("DFP, moved elites", "dfp", "drifting", {"elite_step": 0.25}, DFP_ON_ROBOMIMIC),
    "dfp-balanced": Method(
        "DFP, balanced", "dfp", "drifting", {"online_share": 0.5}, DFP_ON_ROBOMIMIC, fixed=("online_share",)
    ),
}

COMPARED = ("bfn", "qc-bfn", "fql", "qc-fql", "mvp", "mvp-top-k", "dfp-no-top-k", "dfp")
"""The paper's eight, in the order of its tables."""

DEFAULT = {
    ("dfp", "drifting"): "dfp",
    ("dfp", "meanflow"): "mvp-top-k",
    ("fql", "flow"): "qc-fql",
    ("bc", "deterministic"): "bc",
    ("iql", "deterministic"): "iql",
    ("iql", "diffusion"): "idql",
    ("iql", "flow"): "ifql",
    ("rebrac", "deterministic"): "rebrac",
    ("srpo", "diffusion"): "srpo",
    ("brac", "consistency"): "cac",
    ("brac", "flow"): "fbrac",
    ("awac", "flow"): "fawac",
    ("qam", "flow"): "qam",
    ("edit", "flow"): "fedit",
    ("edit", "drifting"): "drifting-edit",
    ("fmq", "flow_map"): "fmq",
}
"""The method that an algorithm and a backbone are, unless one is named."""

OFFLINE = {"horizon": 1, **best_of(1), "elites_offline": True, "online_steps": 0}
"""The offline protocol (section B.2): both losses from the first step, no chunks, no best-of-N'."""

TABLE_8: dict[str, Values] = {
    "cube-single-task2": {"elite_weight": 0.45, "num_elites": 8, "temperatures": (0.05,)},
    "cube-double-task2": {"elite_weight": 0.55, "num_elites": 8, "temperatures": (0.05,)},
    "scene-task2": {"elite_weight": 0.5, "num_elites": 8, "temperatures": (0.01, 0.05)},
    "puzzle-3x3-task4": {"elite_weight": 0.5, "num_elites": 8, "temperatures": (0.01, 0.05)},
    "puzzle-4x4-task4": {"elite_weight": 0.5, "num_elites": 16, "num_candidates": 32, "temperatures": (0.01, 0.05)},
}
"""DFP's numbers in the offline protocol, by task."""


def table_8(task: str) -> Values:
    """DFP's numbers in the offline protocol; tasks that the table does not have take those of cube-single-task2."""
    return TABLE_8.get(task, TABLE_8["cube-single-task2"])
