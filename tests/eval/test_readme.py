"""The README's commands are commands, and its snippet runs."""

import re
import shlex
from pathlib import Path
from textwrap import dedent

import pytest

from eval import policy
from eval.config.command_line import parse

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_s_commands_parse():
    commands = re.findall(r"^(?:\$ )?python -m (eval\.run|eval\.bench) ?(.*)$", README.read_text(), re.M)
    assert commands
    for module, options in commands:
        words = shlex.split(options, comments=True)
        if module == "eval.run" and "--list" not in words:
            parse(words)


SNIPPETS = {
    "README": re.findall(r"```python\n(.*?)```", README.read_text(), re.S)[0],
    "eval.policy": dedent(re.sub(r"(?m)^\S.*$", "", policy.__doc__ or "")),
}


@pytest.mark.parametrize("snippet", SNIPPETS.values(), ids=SNIPPETS.keys())
def test_the_snippet_begins_every_episode_with_a_new_chunk(snippet, kept_policy, capsys, monkeypatch):
    begun, reset = [], policy.Policy.reset
    monkeypatch.setattr(policy.Policy, "reset", lambda self: begun.append(len(self._planned)) or reset(self))
    exec(snippet.replace('load("runs")', f"load({kept_policy('probe-chain')!r})"), {})
    assert len(begun) == len(capsys.readouterr().out.split()) == 5 and any(begun), "episodes end within chunks"
