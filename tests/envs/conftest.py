"""A small dataset, generated once for all tests of this folder, and mirrors on this machine."""

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], str]]:
    """Serves a folder until the test ends and returns its address."""
    monkeypatch.setenv("NO_PROXY", "*")
    servers = []

    def start(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address where nobody answers."""
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
