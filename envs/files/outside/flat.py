"""Arrays of all transitions, one after another, as D4RL and most collectors keep them: in an .npz file or an HDF5 file.

    observations [N, obs_dim]  actions [N, action_dim]  rewards [N]
    terminals [N]       true where the task ended                                  also: terminations, terminated
    timeouts [N]        true where a time limit or the collector ended an episode  also: truncations, truncated
    next_observations   [N, obs_dim], optional                                     success [N], optional

The end of the file ends an episode. So does a row whose next observation is not the following row's.
"""

from collections.abc import Callable, Collection

import numpy as np

from envs.files.outside.recording import Recording

TERMINAL = ("terminals", "terminations", "terminated")
CUT = ("timeouts", "truncations", "truncated")

Read = Callable[[str, tuple[int | None, ...]], np.ndarray]
"""The array of a name, which must have this shape (None: any size)."""


@np.errstate(over="ignore")  # beyond float32 is not finite, and refused as such
def recording(names: Collection[str], read: Read) -> Recording:
    """The transitions in a file that has arrays of these `names`."""
    if missing := [name for name in ("observations", "actions", "rewards") if name not in names]:
        raise ValueError(f"no {missing[0]!r}; it has {', '.join(sorted(names)) or 'no arrays'}")
    obs = read("observations", (None, None)).astype(np.float32)
    n = len(obs)
    action, reward = read("actions", (n, None)).astype(np.float32), read("rewards", (n,)).astype(np.float32)
    next_obs = read("next_observations", obs.shape).astype(np.float32) if "next_observations" in names else None
    terminal_name, cut_name = (next((name for name in known if name in names), None) for known in (TERMINAL, CUT))
    if terminal_name is None and cut_name is None:
        raise ValueError(f"no {TERMINAL[0]!r} and no {CUT[0]!r} to tell episodes by ('dones' would mix the two)")
    terminal, cut = (_flags(read(name, (n,)), name) if name else np.zeros(n, bool) for name in (terminal_name, cut_name))
    if terminal.any() and np.array_equal(terminal, cut):
        raise ValueError(f"{terminal_name} and {cut_name} are equal in every row; a time limit does not end the task")
    if n == 0:
        raise ValueError("observations has no rows")
    if next_obs is not None:
        cut[:-1] |= (next_obs[:-1] != obs[1:]).any(1) & ~terminal[:-1]
    cut[-1] |= not terminal[-1]
    success = _flags(read("success", (n,)), "success") if "success" in names else None
    called = {"obs": "observations", "action": "actions", "reward": "rewards", "next_obs": "next_observations"}
    return Recording(obs, action, reward, terminal, cut, next_obs, success, called | {"cut": cut_name or CUT[0]})


def _flags(values: np.ndarray, name: str) -> np.ndarray:
    if (bad := np.flatnonzero((values != 0) & (values != 1))).size:
        raise ValueError(f"{name} row {bad[0]}: {values[bad[0]]:g} is neither 0 nor 1")
    return values.astype(bool)
