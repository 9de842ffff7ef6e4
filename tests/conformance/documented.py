"""Holds a table of docs/interoperability.md to what a suite has just checked.

    documented.py NAME TABLE

The table is between the lines `<!-- NAME -->` and `<!-- end -->`; KMSIGND_UPDATE_DOCS=1 writes it anew.
"""

import os
import pathlib
import re
import sys

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "interoperability.md"


def main(name, table):
    table = pathlib.Path(table).read_text()
    text = DOCUMENT.read_text()
    block = re.compile(rf"(<!-- {re.escape(name)} -->\n)(.*?)(<!-- end -->)", re.DOTALL)
    found = block.search(text)
    if found is None:
        sys.exit(f"{DOCUMENT.name} has no table {name!r}")
    if found[2].strip() == table.strip():
        return
    if os.environ.get("KMSIGND_UPDATE_DOCS"):
        DOCUMENT.write_text(block.sub(lambda match: f"{match[1]}\n{table}\n{match[3]}", text))
        print(f"wrote {name} into {DOCUMENT.name}")
        return
    sys.exit(f"{DOCUMENT.name} is stale: with KMSIGND_UPDATE_DOCS=1 this suite writes {name!r} anew\n\n{table}")


main(*sys.argv[1:])
