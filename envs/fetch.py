"""Official data, downloaded from the first mirror that has them: OGBench's play data, robomimic's human demonstrations.

python -m envs.fetch cube-double-task2
python -m envs.fetch lift
python -m envs.fetch cube-quadruple-task2      a hundred files of a million rows, for envs.unpack
"""

from pathlib import Path

from envs.command import Parser, first_line, run_command
from envs.task import find_task


def main() -> None:
    parser = Parser(prog="python -m envs.fetch", description=first_line(__doc__))
    parser.add_argument("task", help="a task of the suite, such as cube-double-task2; its dataset is downloaded")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder to write to (default: data)")
    mirror_help = "folders to try, in this order, instead of the known ones"
    parser.add_argument("--mirror", nargs="+", metavar="URL", default=(), help=mirror_help)
    options = parser.parse_args()
    print(find_task(options.task).fetch(options.data, options.mirror))


if __name__ == "__main__":
    run_command(main)
