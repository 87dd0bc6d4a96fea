"""How a configuration is made: layers of values, each over the one before.

1. the defaults of the run, the backbone and the algorithm     Table 5 of arXiv 2605.07727
2. the method's values for the task's dataset                  eval/config/methods.py
3. DFP's values for the task, in the offline protocol          Table 8
4. the preset's                                                eval/config/presets.py
5. what the task's dataset asks of every run                   eval/config/families.py
6. what no preset changes of the method                        eval/config/methods.py
7. what makes the offline protocol                             section B.2
8. the caller's changes
"""

import dataclasses
from typing import Any

from algos.base import Algorithm
from backbones.base import Backbone
from envs.command import nearest
from envs.files.outside import tidy_source
from envs.outside import tidy
from envs.task import Protocol, Task, find_task
from eval.config.config import Config, find_part
from eval.config.families import asked_by
from eval.config.methods import DEFAULT, METHODS, OFFLINE, Values, table_8
from eval.config.presets import DEFAULT_PRESET, PRESETS
from eval.results.record import HARMLESS


def configure(
    task: str = "cube-single-task2",
    method: str | None = None,
    backbone: str | None = None,
    algo: str | None = None,
    preset: str = DEFAULT_PRESET,
    protocol: Protocol | None = None,
    **changes: Any,
) -> Config:
    """The configuration of a method, or of an algorithm and a backbone (DFP with drifting, if none is named).

    Changes go by the command line's names: `offline_steps`, `"algo.num_elites"`, `"backbone.temperatures"`. ValueError in one
    line for what does not exist or fit.
    """
    found = find_task(task)
    if preset not in PRESETS:
        raise ValueError(f"unknown preset '{preset}'; there are {', '.join(PRESETS)}")
    method, algo, backbone = resolve(method, algo, backbone)
    online_alone = method is not None and METHODS[method].values.get("offline_steps") == 0
    protocol = protocol or ("offline-to-online" if online_alone else default_protocol(found, preset))
    if online_alone and protocol == "offline":
        raise ValueError(f"method {method} has no offline phase, protocol offline has no other; name its algo and backbone")
    classes = {"": Config, "backbone.": find_part(Backbone, backbone), "algo.": find_part(Algorithm, algo)}
    values = values_of(method, found, preset, protocol)
    plain = {
        prefix + f.name: values.get(f.name, f.default)
        for prefix, cls in classes.items()
        for f in dataclasses.fields(cls)
        if f.default is not dataclasses.MISSING
    }
    if unknown := [name for name in changes if name not in plain]:
        raise ValueError(f"unknown option '{unknown[0]}'; {nearest(unknown[0], plain)}")
    options = plain | changes
    options["dataset"] = tidy_source(options["dataset"])
    return Config(
        task=found,
        method=method or f"{tidy(algo)}-{tidy(backbone)}",
        backbone=classes["backbone."](**below("backbone.", options)),
        algo=classes["algo."](**below("algo.", options)),
        preset=preset,
        protocol=protocol,
        changes={name: value for name, value in changes.items() if value != plain[name] and name not in HARMLESS},
        **below("", options),
    )


def values_of(method: str | None, task: Task, preset: str, protocol: Protocol) -> Values:
    """The values by field that are not defaults: of the method, if the choice is one, of the preset and of the protocol."""
    offline = protocol == "offline"
    layers = (
        METHODS[method].on(task.dataset, protocol) if method else {},
        table_8(task.name) if offline and method == "dfp" else {},
        PRESETS[preset].on(task.dataset, protocol),
        asked_by(task.dataset),
        METHODS[method].fixed_on(task.dataset, protocol) if method else {},
        OFFLINE if offline else {},
    )
    return {name: value for layer in layers for name, value in layer.items()}


def below(prefix: str, options: Values) -> dict[str, Any]:
    """The options right below a prefix, by field."""
    parent = prefix.rstrip(".")
    return {name.rpartition(".")[2]: value for name, value in options.items() if name.rpartition(".")[0] == parent}


def resolve(method: str | None, algo: str | None, backbone: str | None) -> tuple[str | None, str, str]:
    """The method, if the choice is one, its algorithm and its backbone."""
    if method is None:
        algo, backbone = algo or "dfp", backbone or "drifting"
        return DEFAULT.get((algo, backbone)), algo, backbone
    if method not in METHODS:
        raise ValueError(f"unknown method '{method}'; {nearest(method, METHODS)}")
    own = METHODS[method]
    if (algo or own.algo) != own.algo or (backbone or own.backbone) != own.backbone:
        raise ValueError(f"method {method} is {own.algo} with {own.backbone}; name another method, or an algo and a backbone")
    return method, own.algo, own.backbone


def default_protocol(task: Task, preset: str) -> Protocol:
    """The preset's, or the first of the paper's protocols that has the task."""
    if chosen := PRESETS[preset].protocol:
        return chosen
    return task.protocols[0] if task.protocols else "offline-to-online"
