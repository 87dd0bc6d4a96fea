"""Claims: who runs what, as files in a folder that every machine of a sweep sees.

A unit of work is one seed of one configuration. Its claims are the files `<unit>.1`, `<unit>.2`, ...; each is created by one
owner (O_EXCL: once, whoever tries), who alone writes it, and the last one counts. None is ever renamed or deleted, so two
that find a claim abandoned at the same time cannot both take its place: the next number is created once.

A claim that says `running` is abandoned

- when its owner was a process of this machine, and neither that process nor the run that it started is alive;
- when its owner is elsewhere, and its heartbeat (the file's time) has stood still for SILENCE seconds by the watch of
  whoever looks. Two machines' clocks are never compared.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

FOLDER = ".sweep"  # in the folder of runs
HEARTBEAT, SILENCE = 5, 120  # seconds


@dataclass(frozen=True)
class Claim:
    """What its owner last said: `state` (running, finished, failed, left), and on what, where and by whom."""

    path: Path
    number: int
    facts: dict[str, Any]

    @property
    def state(self) -> str:
        return str(self.facts.get("state", "running"))  # one that was created and not yet written is held

    def say(self, **facts: Any) -> "Claim":
        """Replace some of the facts."""
        claim = Claim(self.path, self.number, self.facts | facts)
        whole = self.path.with_name(f".{self.path.name}")
        whole.write_text(json.dumps(claim.facts))
        os.replace(whole, self.path)
        return claim


class Hold:
    """Claims that this process holds together."""

    def __init__(self, claims: Iterable[Claim] = ()):
        self.claims = [*claims]

    def say(self, **facts: Any) -> None:
        self.claims = [claim.say(**facts) for claim in self.claims]

    def give_back(self, **facts: Any) -> None:
        """Say how it ended, as soon as the disk has room for that: what says `running` is waited for while its owner lives."""
        while True:
            try:
                return self.say(**facts)
            except FileNotFoundError:  # the folder of runs was deleted, and the claims with it
                return
            except OSError:
                time.sleep(HEARTBEAT)

    def beat(self) -> None:
        """Say that the owner lives."""
        for claim in self.claims:
            os.utime(claim.path)

    def superseded(self) -> bool:
        """Whether somebody took the place of one, believing this process gone."""
        return any(claim.path.with_suffix(f".{claim.number + 1}").exists() for claim in self.claims)


class Claims:
    """The claims in one folder of runs."""

    def __init__(self, runs: Path):
        self.folder = runs / FOLDER

    def last(self, unit: str) -> Claim | None:
        """The claim of a unit that counts; None when nobody ever had one."""
        found = None
        for number in count(1):
            path = self.folder / f"{unit}.{number}"
            if not path.exists():
                break
            found = path
        return read(found, number - 1) if found else None

    def take(self, units: Iterable[str], free: Callable[[Claim], bool], facts: dict[str, Any]) -> Hold | None:
        """The next claim of every unit, for this process; None when one of them is held and not `free`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        hold = Hold()
        with ExitStack() as unless_whole:
            unless_whole.callback(hold.give_back, state="left")
            for unit in units:
                last = self.last(unit)
                claim = self._create(unit, last.number + 1 if last else 1, facts) if last is None or free(last) else None
                if claim is None:
                    return None
                hold.claims.append(claim)
            unless_whole.pop_all()
        return hold

    def _create(self, unit: str, number: int, facts: dict[str, Any]) -> Claim | None:
        """None when somebody else was faster."""
        path = self.folder / f"{unit}.{number}"
        whole = {"unit": unit, "number": number, "state": "running", "owner": identity(os.getpid()), **facts}
        try:
            with open(path, "x") as file:
                file.write(json.dumps(whole))
        except FileExistsError:
            return None
        return Claim(path, number, whole)

    def all(self) -> Iterable[Claim]:
        """The last claim of every unit."""
        found: dict[str, Claim] = {}
        for path in self.folder.glob("[!.]*.*"):
            facts = read(path, 0).facts
            if "unit" in facts and facts["number"] > getattr(found.get(facts["unit"]), "number", 0):
                found[facts["unit"]] = Claim(path, facts["number"], facts)
        return found.values()


def read(path: Path, number: int) -> Claim:
    try:
        facts = json.loads(path.read_text())
    except ValueError:  # created a moment ago
        facts = {}
    return Claim(path, number, facts if isinstance(facts, dict) else {})


class Watch:
    """Which running claims are abandoned, as far as this process can tell; `clock` gives its seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self.seen: dict[Path, tuple[int, float]] = {}  # each heartbeat, and when it was first seen

    def abandoned(self, claim: Claim) -> bool:
        processes = [claim.facts[name] for name in ("owner", "run") if claim.facts.get(name)]
        if processes and all(process["place"] == place() for process in processes):
            return not any(map(alive, processes))
        beat, now = claim.path.stat().st_mtime_ns, self.clock()
        before, since = self.seen.get(claim.path, (None, now))
        self.seen[claim.path] = (beat, since if beat == before else now)
        return beat == before and now - since > SILENCE


def identity(pid: int) -> dict[str, Any]:
    """A process, so that it is not taken for a later one with its number, nor for one of another machine or container."""
    return {"host": socket.gethostname(), "place": place(), "pid": pid, "started": started(pid)}


def alive(process: dict[str, Any]) -> bool:
    """Whether a process of this machine still runs."""
    return process["started"] is not None and started(process["pid"]) == process["started"]


@cache
def place() -> str:
    """This boot of this machine, and in it this container."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')}"


def started(pid: int) -> int | None:
    """When a process started, in ticks since the machine did; None when there is none, or only its remains."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else int(fields[18])
