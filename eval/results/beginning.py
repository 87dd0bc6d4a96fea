"""How a run begins: afresh, where another run's offline phase ended, or where it was interrupted itself."""

from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from eval.config.config import Config, name_of
from eval.results import record
from eval.results.folder import RECORD, new_folder, saved_state, shared_state, unfinished_folder

Line = dict[str, Any]


class Afresh:
    """With a record of its own in a new folder, and nothing to go on from."""

    def __init__(self) -> None:
        self.goes_on_from: Line = {}  # the first line of the run whose state it takes, which says with what that computed

    def state(self, config: Config, start: Line) -> dict[str, Any]:
        """What that run had learned. ValueError where it cannot go on with this as its record's first line."""
        return {}

    def record(self, config: Config, runs: Path, held: ExitStack) -> record.Writer:
        """Its record, without the lines yet; `held` gives the folder free again."""
        what = f"{name_of(config.algo)}-{name_of(config.backbone)}-{config.task.name}"
        return opened(held.enter_context(new_folder(what, runs)), held)

    def lines(self, start: Line) -> Iterable[Line]:
        """What it writes first."""
        return [{"kind": "start", **start}]


class FromOfflinePhase(Afresh):
    """With all that was recorded of an earlier run's offline phase, but the clock."""

    def __init__(self, folder: Path):
        self.folder, self.earlier = folder, record.read(folder / RECORD)
        self.goes_on_from = self.earlier.start

    def state(self, config: Config, start: Line) -> dict[str, Any]:
        return shared_state(self.folder, config, start)

    def lines(self, start: Line) -> Iterable[Line]:
        told = [line for line in (*self.earlier.metrics, *self.earlier.evaluations) if line["phase"] == "offline"]
        return [{"kind": "start", **start, "offline_from": origin(self.earlier.start)}, *told]


class Resumed(Afresh):
    """As the newest unfinished run of its configuration, whose record it holds from here on."""

    def __init__(self, config: Config, runs: Path, offline_from: Path | None, held: ExitStack):
        earlier = origin(record.read(offline_from / RECORD).start) if offline_from else None
        self.folder = unfinished_folder(config, runs, earlier)
        self.writer = opened(self.folder, held)
        self.goes_on_from = record.read(self.writer.path).start

    def state(self, config: Config, start: Line) -> dict[str, Any]:
        return saved_state(self.folder, config, start)

    def record(self, config: Config, runs: Path, held: ExitStack) -> record.Writer:
        return self.writer

    def lines(self, start: Line) -> Iterable[Line]:
        return [{"kind": "resume", **{key: value for key, value in start.items() if key not in ("schema", "config", "digest")}}]


def opened(folder: Path, held: ExitStack) -> record.Writer:
    return held.enter_context(closing(record.Writer(folder / RECORD)))


def origin(start: Line) -> Line:
    """Who made the offline phase of the run that began with this line: itself, or an earlier one."""
    made_by = {key: start[key] for key in ("command", "commit", "versions", "device")}
    return start.get("offline_from") or {"record": record.identity(start), **made_by}
