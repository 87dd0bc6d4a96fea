"""A small dataset, generated once for all tests of this folder."""

from pathlib import Path

import pytest

from envs.generate import generate
from envs.play import Script

SCRIPT = Script("cube-single", "play", seed=5, episode_rows=200)


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two episodes (400 rows) of cube-single's play data and one for validation, made by one worker."""
    folder = tmp_path_factory.mktemp("generated")
    generate(SCRIPT, "cube-single-play-v0", folder, rows=301)
    return folder
