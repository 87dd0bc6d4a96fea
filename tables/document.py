"""Tables inside documents: what stands between `<!-- table: NAME -->` and `<!-- end -->` is the table that the records give."""

import re
from pathlib import Path

from envs.files.whole import replaced


def with_table(text: str, name: str, table: str) -> str:
    """The document with its table called `name` replaced. ValueError where it has no such place, or several."""
    place = re.compile(rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    new, count = place.subn(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)
    if count != 1:
        raise ValueError(f"{count} places between '<!-- table: {name} -->' and '<!-- end -->'; there must be one")
    return new


def write_table(path: Path, name: str, table: str) -> None:
    text = with_table(path.read_text(encoding="utf-8"), name, table)
    with replaced(path) as whole:
        whole.write_text(text, encoding="utf-8")
