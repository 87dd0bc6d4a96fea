"""Rows on disk: the same batches and rewards as in memory, whatever the size, and nothing but what was written."""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator

import envs.files.ogbench
from envs import replay
from envs.dataset import Dataset
from envs.files import mapped
from envs.replay import Replay
from envs.rows import MappedRows, read_ahead
from envs.suites import ogbench
from envs.suites.ogbench_manipulation import ManipulationTask
from envs.task import find_task

TASK = find_task("puzzle-3x3-task4")
LENGTHS = (40, 7, 90, 2, 61)  # rows of the episodes


def save(path: Path, lengths=LENGTHS, seed=0, **changes) -> None:
    """A file in OGBench's format; `changes` replace arrays."""
    rng, rows = np.random.default_rng(seed), sum(lengths)
    arrays = {
        "observations": rng.normal(size=(rows, TASK.obs_dim)),  # of double precision, as some data are
        "actions": rng.uniform(-1, 1, (rows, 5)).astype(np.float32),
        "terminals": np.isin(np.arange(rows), np.cumsum(lengths) - 1),
        "qpos": rng.normal(size=(rows, TASK.qpos_dim)).astype(np.float32),
        "button_states": rng.integers(0, 2, (rows, 9)) if seed else np.tile(np.arange(rows)[:, None] % 3 > 0, 9) * 1,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **(arrays | changes))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Blocks that cut through episodes, and shards of a few episodes which turn after few steps."""
    for module in (mapped, ogbench, envs.files.ogbench):
        monkeypatch.setattr(module, "BLOCK_ROWS", 64)
    monkeypatch.setattr("envs.rows.SHARD_ROWS", 60)
    monkeypatch.setattr(replay, "SHARD_STEPS", 3)


make_env = cache(ManipulationTask.make_env)


@pytest.fixture(autouse=True)
def shared_environments(monkeypatch):
    """One environment a task: to make one takes longer than all that is tested here."""
    monkeypatch.setattr(ManipulationTask, "make_env", make_env)


@pytest.fixture
def folder(tmp_path):
    """A folder with the task's data as one file."""
    save(tmp_path / f"{TASK.dataset}.npz")
    return tmp_path


def in_memory_and_mapped(folder: Path) -> tuple[Dataset, Dataset]:
    in_memory = TASK.load_dataset([folder])
    TASK.unpack(folder)
    return in_memory, TASK.load_dataset([folder])


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_unpacked_rewards_are_those_in_memory(folder):
    tasks = [find_task(f"puzzle-3x3-task{goal}") for goal in range(1, 6)]
    expected = [task.load_dataset([folder]) for task in tasks]
    TASK.unpack(folder)
    for task, theirs in zip(tasks, expected, strict=True):
        for ours in (task.load_dataset([folder]), task.load_dataset([folder])):  # computed, then kept
            for name in ("obs", "action", "reward", "mask"):
                assert isinstance(getattr(ours, name), np.memmap)
                np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
                assert getattr(ours, name).dtype == np.float32
            np.testing.assert_array_equal(ours.ends, theirs.ends)
            assert ours.origin == theirs.origin
    assert len({data.reward.tobytes() for data in expected}) > 1, "the goals should differ"


@pytest.mark.parametrize("order", ["uniform", "shards"])
def test_batches_are_those_in_memory_bit_for_bit(folder, order):
    """With online rows, through a ring that wraps, and through a checkpoint."""
    here, there = (Replay(data, 2, 2, capacity=20, order=order) for data in in_memory_and_mapped(folder))
    assert isinstance(there.obs, MappedRows) and len(there.obs) == len(here.obs)
    mine, theirs = ([Generator().manual_seed(i) for i in range(2)] for _ in range(2))
    rng, online = np.random.default_rng(0), 0
    for step in range(30):
        obs, action = rng.normal(size=TASK.obs_dim), rng.normal(size=5)
        for r in (here, there):
            for seed in range(2 if step > 5 else 0):
                r.add(seed, obs + seed, action, float(step), 1.0)
                if step % 9 == 8:
                    r.finish(seed, obs)
        if step == 20:
            state, there = there.state_dict(), Replay(TASK.load_dataset([folder]), 2, 2, capacity=20, order=order)
            there.load_state_dict(state)
        a, b = here.sample(mine, 64, step), there.sample(theirs, 64, step)
        assert all(torch.allclose(a[name], b[name], rtol=0, atol=0, equal_nan=True) for name in a)
        online += int((a["reward"] > 0).any())
    assert online > 10, "online rows should have been drawn"


def test_shards_are_unpacked_in_the_order_of_their_names(tmp_path):
    shards = tmp_path / TASK.dataset
    for number in (1, 0, 2):
        save(shards / f"puzzle-{number:03}.npz", seed=number)
        save(shards / f"puzzle-{number:03}-val.npz", seed=9)
    with pytest.raises(ValueError, match=r"`python -m envs\.unpack puzzle-3x3-task4 --data .*` makes these shards readable"):
        TASK.load_dataset([tmp_path])
    TASK.unpack(tmp_path)
    data = TASK.load_dataset([tmp_path])
    expected = [np.load(shards / f"puzzle-{number:03}.npz")["observations"].astype(np.float32) for number in range(3)]
    np.testing.assert_array_equal(data.obs, np.concatenate(expected))
    np.testing.assert_array_equal(data.ends, np.cumsum(LENGTHS * 3) - 1)
    assert data.origin.items() >= {"source": "local", "files": 3, "rows": 600, "episodes": 15}.items()
    shutil.rmtree(shards)
    assert TASK.load_dataset([tmp_path]).origin == data.origin, "the shards are not needed any more"


def test_the_next_shard_s_rows_are_read_ahead_once(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(replay, "read_ahead", lambda columns, rows: asked.append((len(columns), rows)))
    _, data = in_memory_and_mapped(folder)
    sampler = Replay(data, 2, 1, 0, order="shards")
    for step in range(7):
        sampler.sample([Generator()], 4, step)
    # Rows of the episodes: 0-39 and 40-46, 47-136, 137-138 (too short for a chunk) and 139-199. Steps 0, 3 and 6 begin a shard.
    assert asked == [(4, range(47, 137)), (4, range(139, 200)), (4, range(0, 47))]


def test_reading_ahead_ends_with_the_file(folder):
    _, data = in_memory_and_mapped(folder)
    for rows in (range(150, 200), range(190, 300)):
        read_ahead([data.obs, data.mask], rows).join(timeout=120)
    Path(str(data.obs.filename)).unlink()
    thread = read_ahead([data.obs], range(10))
    thread.join(timeout=120)
    assert not thread.is_alive()


def refusal(folder: Path, load=lambda folder: TASK.load_dataset([folder])) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def rewrite(path: Path, **facts) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda there: (there / "qpos.npy").unlink(), "qpos.npy: missing or damaged"),
        (lambda there: (there / "actions.npy").write_bytes(b"something else"), "actions.npy: missing or damaged"),
        (lambda there: (there / "actions.npy").write_bytes((there / "actions.npy").read_bytes()[:-1]), "missing or damaged"),
        (lambda there: np.save(there / "actions.npy", np.zeros((200, 4), np.float32)), "shape [200, 4], needed is [200, 5]"),
        (lambda there: np.save(there / "terminals.npy", np.zeros(199, bool)), "shape [199], needed is [200]"),
        (lambda there: (there / "index.json").write_text("{"), "index.json: not valid JSON"),
        (lambda there: flip_last_byte(there / TASK.name / "rewards.npy"), "rewards.npy: not what was written"),
        (lambda there: (there / TASK.name / "masks.npy").unlink(), "masks.npy: missing or damaged"),
        (lambda there: rewrite(there / TASK.name / "index.json", data="00"), "its data is 00, needed is"),
        (lambda there: rewrite(there / TASK.name / "index.json", ogbench="0.1"), "its ogbench is 0.1, needed is"),
        (lambda there: save(there.parent / f"{TASK.dataset}.npz", seed=1), "unpacked from other files than are there now"),
    ],
)
def test_damaged_and_foreign_columns_are_refused(folder, damage, words):
    in_memory_and_mapped(folder)
    damage(folder / f"{TASK.dataset}-unpacked")
    assert words in refusal(folder)


def test_unpacking_again_finds_damage(folder):
    in_memory_and_mapped(folder)
    assert TASK.unpack(folder) == folder / f"{TASK.dataset}-unpacked"
    flip_last_byte(folder / f"{TASK.dataset}-unpacked" / "observations.npy")
    assert "observations.npy: not what was written (the SHA-256 differs); delete" in refusal(folder, lambda f: TASK.unpack(f))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"actions": np.zeros((199, 5), np.float32)}, "arrays of different lengths"),
        ({"qpos": np.full((200, TASK.qpos_dim), np.inf)}, "qpos has values that are not finite"),
        ({"actions": np.full((200, 5), -1.01, np.float32)}, "actions reach to 1.01, allowed is -1 to 1"),
        ({"terminals": np.arange(200) == 100}, "the last row does not end an episode"),
        ({"terminals": np.arange(200) >= 198}, "an episode of fewer than two rows"),
        ({"qpos": np.zeros((200, TASK.qpos_dim), order="F")}, "qpos is stored column by column"),
    ],
)
def test_wrong_files_are_refused_and_nothing_stays(tmp_path, change, words):
    """Also when the first of two shards was unpacked already."""
    save(tmp_path / TASK.dataset / "a.npz")
    save(tmp_path / TASK.dataset / "b.npz", **change)
    before = names(tmp_path)
    message = refusal(tmp_path, lambda folder: TASK.unpack(folder))
    assert words in message and "b.npz" in message
    assert names(tmp_path) == before


def test_a_damaged_file_is_refused_and_nothing_stays(folder):
    path = folder / f"{TASK.dataset}.npz"
    np.savez(path, **np.load(path))  # not compressed, so that only the checksum tells
    content = bytearray(path.read_bytes())
    content[5000:5100] = bytes(100)
    path.write_bytes(content)
    assert "truncated, locked or not an .npz file" in refusal(folder, lambda f: TASK.unpack(f))
    assert names(folder) == [path.name]


def test_a_full_disk_is_refused_and_nothing_stays(folder, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    assert "GB on disk, 0.0 GB are free" in refusal(folder, lambda f: TASK.unpack(f))
    assert names(folder) == [f"{TASK.dataset}.npz"]


def test_a_file_too_large_for_memory_is_refused(folder, monkeypatch):
    monkeypatch.setattr(ogbench, "MEMORY_LIMIT", 1e4)
    assert f"`python -m envs.unpack {TASK.name} --data {folder}` leaves them on disk" in refusal(folder)
    TASK.unpack(folder)
    assert len(TASK.load_dataset([folder]).obs) == 200


def test_nothing_to_unpack_is_refused(tmp_path):
    assert "no puzzle-3x3-play-v0.npz and no puzzle-3x3-play-v0/*.npz" in refusal(tmp_path, lambda f: TASK.unpack(f))


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
import torch
from envs.suites.ogbench_manipulation import ManipulationTask
from envs.replay import Replay
from envs.task import find_task

task, folder, limit = find_task("cube-single-task2"), Path(sys.argv[1]), int(sys.argv[2])
env = task.make_env()
env.reset(seed=0)
ManipulationTask.make_env = lambda self: env  # its memory does not depend on the data
used = int(Path("/proc/self/status").read_text().partition("VmData:")[2].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + limit, used + limit))  # of private memory, which file pages are not
task.unpack(folder)
replay = Replay(task.load_dataset([folder]), 5, 1, 1000, order="shards")
for step in range(0, 3000, 30):
    replay.sample([torch.Generator().manual_seed(step)], 256, step)
try:
    np.ones((600_600, 54), np.float32)
except MemoryError:
    print("the limit holds")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_memory_stays_far_below_the_data_s_size(tmp_path):
    """600,000 rows, 130 MB, are unpacked, relabelled and drawn from in 80 MB."""
    rows, length = 600_600, 1001
    sizes = {"observations": (rows, 28), "actions": (rows, 5), "qpos": (rows, 21)}
    arrays = {name: np.zeros(shape, np.float32) for name, shape in sizes.items()}
    np.savez(tmp_path / "cube-single-play-v0.npz", **arrays, terminals=np.arange(rows) % length == length - 1)
    command = [sys.executable, "-c", LIMITED, str(tmp_path), str(80 * 2**20)]
    done = subprocess.run(command, capture_output=True, text=True)
    shutil.rmtree(tmp_path)
    assert done.stdout == "the limit holds\n", done.stderr
