"""Provenance: what a record says about the code, the data, the simulator and the machine behind its numbers."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from algos.learner.standardize import Standardize
from backbones.dense import kernel
from envs.dataset import Dataset
from envs.outside import fingerprint, is_outside
from envs.physics import physics_fingerprint
from envs.task import Task
from eval.config.config import Config, name_of
from eval.results.record import SCHEMA

PACKAGES = ("torch", "numpy", "mujoco", "gymnasium", "ogbench", "robosuite")


def describe(config: Config, dataset: Dataset, device: str, compiled: bool, command: str) -> dict[str, Any]:
    """The record's first line: all that is needed to judge the numbers, and to make them again."""
    return {
        **made_by(command, config.task, device),
        "config": config.to_json(),
        "digest": config.digest(),
        "dataset": dataset.origin,
        **from_outside(config, dataset),
        "kernel": kernel(),
        "compile": compiled,
    }


def made_by(command: str, task: Task, device: str) -> dict[str, Any]:
    """When, by which command, code and simulator, and where a record is made."""
    return {
        "schema": SCHEMA,
        **made_here(command, device),
        "physics": physics_fingerprint(task) if task.simulated else {},
    }


def made_here(command: str, device: str) -> dict[str, Any]:
    """When, by which command and code, and where something is made."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "versions": versions(),
        "commit": commit(),
        "device": device_name(device),
    }


def from_outside(config: Config, dataset: Dataset) -> dict[str, Any]:
    """Of what the suite does not have itself: the SHA-256 of each file, how the task is scored, how observations are scaled."""
    facts: dict[str, Any] = {"files": files_of(config)}
    facts["task"] = config.task.facts()
    if config.normalize_obs:
        scale = Standardize.of(dataset.obs)
        facts["normalize_obs"] = {"mean": scale.mean.tolist(), "std": scale.std.tolist()}
    return {name: values for name, values in facts.items() if values}


def files_of(config: Config) -> dict[str, str]:
    """The SHA-256 of each file from outside that a run of this configuration is made by, as it is now."""
    named = [config.task.name, name_of(config.backbone), name_of(config.algo)]
    return {name: fingerprint(name) for name in named if is_outside(name)}


def versions() -> dict[str, str]:
    """Of Python and of the packages that a result depends on, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The commit that this code is, -dirty when files differ from it; outside a git checkout what COMMIT says, or None."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("COMMIT")


def device_name(device: str) -> str:
    """The accelerator's name and the precision of its products, or the processor's threads and name; rounding depends on it."""
    return f"{torch.cuda.get_device_name(device)}, TF32" if device.startswith("cuda") else cpu_name(torch.get_num_threads())


def cpu_name(threads: int) -> str:
    """What `device_name` says of the processor in a process of so many threads."""
    return f"cpu, {threads} threads, {processor()}"


def threads_of(device: str) -> int | None:
    """How many of the processor's threads computed, as `device_name` wrote it; None for an accelerator."""
    found = re.match(r"cpu, (\d+) threads", device)
    return int(found[1]) if found else None


def processor() -> str:
    """The processor's name as Linux knows it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
