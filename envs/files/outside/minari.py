"""Datasets of Minari (https://minari.farama.org), by their ids or in a folder. They have every episode's final observation."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from envs.command import import_extra
from envs.files.outside.recording import Recording, joined

PREFIX = "minari:"


def open_minari(source: str) -> tuple[Any, Path]:
    """A Minari dataset, and its folder: of an id such as 'minari:D4RL/pen/human-v2', downloaded if need be, or of a folder.

    ImportError without the extra `minari`, FileNotFoundError when it is neither here nor to be had.
    """
    minari = import_extra("minari", "minari")
    if not source.startswith(PREFIX):
        folder = Path(source)
        folder = folder / "data" if (folder / "data").is_dir() else folder
        return minari.MinariDataset(folder), folder
    name = source.removeprefix(PREFIX)
    folder = Path(os.environ.get("MINARI_DATASETS_PATH") or os.path.expanduser("~/.minari/datasets")) / name / "data"
    try:
        return minari.load_dataset(name, download=True), folder
    except Exception as error:  # whatever the server's client raises
        raise FileNotFoundError(f"no {folder}, and Minari cannot fetch it ({' '.join(str(error).split())[:200]})") from None


def recordings(dataset: Any, keys: Sequence[str]) -> list[Recording]:
    """The episodes; an observation that is a dict is the parts `keys`, joined."""
    return [_episode(episode, keys) for episode in dataset.iterate_episodes()]


def _episode(episode: Any, keys: Sequence[str]) -> Recording:
    name, n = f"episode {episode.id}", len(episode.rewards)
    obs = episode.observations
    if isinstance(obs, dict):
        obs = joined(f"{name} observations", obs, keys, lambda part: obs[part])
    action, reward = np.asarray(episode.actions), np.asarray(episode.rewards)
    for kind, array, shape in (("observations", obs, (n + 1, None)), ("actions", action, (n, None))):
        if np.ndim(array) != 2 or len(array) != shape[0]:
            found = list(np.shape(array)) if isinstance(array, np.ndarray) else type(array).__name__
            raise ValueError(f"{name} {kind}: {found}, needed is [{shape[0]}, any]; only vectors are read")
    if not n:
        raise ValueError(f"{name} has no steps")
    terminal = np.asarray(episode.terminations, bool)
    cut = ~terminal & (np.arange(n) == n - 1)
    success = np.asarray(episode.infos["success"], bool).reshape(-1)[-n:] if "success" in (episode.infos or {}) else None
    names = {"obs": f"{name} observations", "action": f"{name} actions", "reward": f"{name} rewards", "cut": name}
    obs, action, reward = (column.astype(np.float32) for column in (obs, action, reward))
    names["next_obs"] = names["obs"]
    return Recording(obs[:-1], action, reward, terminal, cut, obs[1:], success, names)
