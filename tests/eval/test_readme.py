"""The README's commands are commands."""

import re
import shlex
from pathlib import Path

from eval.config.command_line import parse

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_s_commands_parse():
    commands = re.findall(r"^(?:\$ )?python -m (eval\.run|eval\.bench) ?(.*)$", README.read_text(), re.M)
    assert commands
    for module, options in commands:
        words = shlex.split(options, comments=True)
        if module == "eval.run" and "--list" not in words:
            parse(words)
