"""A starting file for a task, a backbone or an algorithm of your own: `python -m eval.template task > mine.py`."""

from pathlib import Path

from envs.command import Parser, first_line, run_command

FOLDER = Path(__file__).with_name("templates")
KINDS = "task", "backbone", "algo"


def main() -> None:
    parser = Parser(prog="python -m eval.template", description=first_line(__doc__))
    parser.add_argument("kind", choices=KINDS, help="what it is to be; each file runs as it is, and says how")
    print((FOLDER / f"{parser.parse_args().kind}.py").read_text(), end="")


if __name__ == "__main__":
    run_command(main)
