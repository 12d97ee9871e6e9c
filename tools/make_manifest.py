"""Write what the keymap says into the plugin's manifest: commands and settings of every action.

    python tools/make_manifest.py           writes napari_segsem/napari.yaml
    python tools/make_manifest.py --check   ends with 1 where that would change it

Only the lines between the marks are written.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from napari_segsem._key_settings import PLUGIN, section_name
from napari_segsem._keymap import TABLES

MANIFEST = Path(__file__).parents[1] / "napari_segsem" / "napari.yaml"
TITLES = {
    "annotate": "Keys of Annotate",
    "finetune": "Keys of Fine-tune",
    "review": "Keys of Review and export",
}
PANELS = {"annotate": "SegSEM", "finetune": "SegSEM", "review": "SegSEM: Review"}


def main() -> None:
    """Read the command line, write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    old = MANIFEST.read_text(encoding="utf-8")
    new = filled(old)
    if options.check:
        sys.exit(int(old != new))
    MANIFEST.write_text(new, encoding="utf-8")


def filled(manifest: str) -> str:
    """Put commands and settings between their marks."""
    for name, lines in (("commands", commands()), ("configurations", configurations())):
        mark = re.compile(rf"( *# {name} from _keymap\.py\n)(.*?)( *# end\n)", re.DOTALL)
        text = "".join(f"{line}\n" for line in lines)
        manifest, count = mark.subn(lambda m, text=text: m[1] + text + m[3], manifest)
        if count != 1:
            sys.exit(f"Expected one pair of marks for {name} in {MANIFEST}, but got {count}")
    return manifest


def commands() -> Iterator[str]:
    """Give a command for each action."""
    for table, keys in TABLES.items():
        for key in keys:
            name = f"{table}_{key.action}"
            yield f"    - id: {PLUGIN}.{name}"
            yield f"      title: {json.dumps(f'{PANELS[table]}: {key.help}', ensure_ascii=False)}"
            yield f"      python_name: napari_segsem._commands:{name}"


def configurations() -> Iterator[str]:
    """Give a setting for each action's key."""
    for table, keys in TABLES.items():
        yield f"    {section_name(table)}:"
        yield f"      title: {json.dumps(TITLES[table])}"
        yield "      properties:"
        for key in keys:
            yield f"        {key.action}:"
            yield "          type: string"
            yield f"          title: {json.dumps(key.help, ensure_ascii=False)}"
            yield f"          default: {json.dumps(key.key)}"


if __name__ == "__main__":
    main()
