"""`segsem dataset`: the training set of a project: add, list, split, import, export."""

from __future__ import annotations

import importlib
import json
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segsem.cli.progress_bar import shown
from segsem.core.exceptions import InputError, UsageError
from segsem.dataset.kinds import ExportFormat, MaskKind, Shapes

if TYPE_CHECKING:
    from segsem.dataset.additions import Added
    from segsem.dataset.finding import Found
    from segsem.dataset.listing import Listing
    from segsem.dataset.splits import Split
    from segsem.project.project import Project

Folder = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's folder.")]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace", help="Objects that are there already give way; undo brings them back."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    group = typer.Typer(
        help="The training set of a project: add, list, split, import, export.",
        no_args_is_help=True,
    )
    group.command()(add)
    group.command("list")(list_)
    group.command()(split)
    group.command("import")(import_)
    group.command()(export)
    app.add_typer(group, name="dataset")


def add(
    project: Folder,
    images: Annotated[
        list[Path],
        typer.Argument(help="Images, folders, manifests; a segsem synth folder brings its truth."),
    ],
    masks: Annotated[
        Path | None,
        typer.Option(help="Folder of label or binary masks (TIFF, PNG) of the images' stems."),
    ] = None,
    mask_kind: Annotated[
        MaskKind, typer.Option(help="What the masks' values mean.")
    ] = MaskKind.AUTO,
    class_name: Annotated[str, typer.Option("--class", help="Class name of all objects.")] = "",
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="wafer=, site=, tool=, layout=...; repeatable."),
    ] = None,
    replace: Replace = False,
) -> None:
    """Add images, with or without masks, to the training set: all of them, or none.

    Images stay where they are. Exit codes: 0 added, 2 usage, 3 something does not fit: nothing is
    changed then.
    """
    finding = importlib.import_module("segsem.dataset.finding")
    groups = _groups(group or [])
    found = finding.find_images(_inputs(images), masks, mask_kind, class_name, groups)
    with _opened(project) as opened:
        _add(opened, found, replace, "add masks")


def import_(
    project: Folder,
    source: Annotated[
        Path,
        typer.Argument(
            help="COCO instance file (JSON), or a folder of label TIFFs named by image."
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the images, where they are not beside the file."),
    ] = None,
    replace: Replace = False,
) -> None:
    """Import objects of a COCO file or of label TIFFs: all of them, or none.

    Exit codes: 0 imported, 2 usage, 3 something does not fit: nothing is changed then.
    """
    finding = importlib.import_module("segsem.dataset.finding")
    find = finding.find_label_folder if source.is_dir() else finding.find_coco
    with _opened(project) as opened:
        _add(opened, find(source, images, opened), replace, f"import {source.name}")


def export(
    project: Folder,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write into.")],
    kind: Annotated[
        ExportFormat, typer.Option("--format", help="coco: annotations.json; labels: ID.tif each.")
    ] = ExportFormat.COCO,
    shapes: Annotated[
        Shapes,
        typer.Option(help="rle: exact; polygon: exact as well, but for objects with holes (rle)."),
    ] = Shapes.RLE,
) -> None:
    """Write the training set for other programs. Every file is read back and compared.

    Exit codes: 0 written, 2 usage, 3 nothing to write, or it cannot be written.
    """
    exporting = importlib.import_module("segsem.dataset.exporting")
    with _opened(project, write=False) as opened:
        if kind is ExportFormat.COCO:
            done = shown(exporting.export_coco(opened, out / exporting.COCO_FILE, shapes))
        else:
            done = shown(exporting.export_labels(opened, out))
    _say(f"wrote {done.objects} objects of {done.images} images to {done.path}")


def list_(project: Folder, as_json: AsJson = False) -> None:
    """List the training set: images, objects, groups, copies of one picture, what is missing.

    Exit codes: 0 listed, 3 no project, or an image cannot be used.
    """
    module = importlib.import_module("segsem.dataset.listing")
    with _opened(project, write=False) as opened:
        listing: Listing = shown(module.list_images(opened))
    if as_json:
        typer.echo(json.dumps(asdict(listing), indent=1))
    else:
        _print(listing)
    if listing.summary.problems:
        raise typer.Exit(InputError.exit_code)


def split(
    project: Folder,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw, as of segsem finetune.")] = 0,
    held_out: Annotated[
        list[str] | None, typer.Option(help="Hold out this image; repeatable.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="So many splits; each image is held out once.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write JSON for segsem finetune --split.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the split by image and group that fine-tuning would use, or write it.

    With --folds and -o, files NAME-1.json, NAME-2.json, ... are written. Exit codes: 0 there is
    one, 2 usage, 3 too few images, or one picture would be on both sides.
    """
    if folds is not None and held_out:
        msg = "Expected --folds or --held-out, but got both: folds choose what is held out"
        raise UsageError(msg)
    splits = importlib.import_module("segsem.dataset.splits")
    listing = importlib.import_module("segsem.dataset.listing")
    with _opened(project, write=False) as opened:
        images = shown(listing.split_images(opened))
    if folds is not None:
        made = splits.k_folds(images, folds, seed)
    else:
        made = [splits.make_split(images, seed, held_out or None)]
    _write_splits(made, out)
    if as_json:
        typer.echo(json.dumps([_split_json(one) for one in made], indent=1))
        return
    for number, one in enumerate(made, start=1):
        _print_split(one, f"fold {number}: " if len(made) > 1 else "")


class _opened:  # noqa: N801
    """A project, closed when the block ends."""

    def __init__(self, folder: Path, write: bool = True) -> None:
        self._folder, self._write = folder, write

    def __enter__(self) -> Project:
        opened: Any = importlib.import_module("segsem.project.project").Project
        project: Project = opened.open(self._folder, write=self._write)
        self._project = project
        return project

    def __exit__(self, *_: object) -> None:
        self._project.close()


def _add(project: Project, found: Found, replace: bool, name: str) -> None:
    additions: Any = importlib.import_module("segsem.dataset.additions")
    steps: Generator[Any, None, Added] = additions.add_all(
        project, found.additions, replacing=replace, name=name
    )
    added: Added = shown(steps)
    for note in (*found.notes, *added.notes):
        _say(Text.assemble(("note: ", "yellow"), note))
    unchanged = f", {added.unchanged} were as they are" if added.unchanged else ""
    _say(
        f"{len(added.image_ids)} images ({added.new_images} new) with {added.new_objects} new "
        f"objects are in the training set of {project.name}{unchanged}"
    )


def _inputs(images: list[Path]) -> list[Path]:
    """A `segsem synth` folder stands for its manifest."""
    return [path / "manifest.csv" if (path / "manifest.csv").is_file() else path for path in images]


def _groups(assignments: list[str]) -> dict[str, str]:
    table = importlib.import_module("segsem.project.image_table")
    found = {}
    for text in assignments:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (name and sign and value) or name in table.COLUMNS:
            msg = f"Expected --group NAME=VALUE such as site=A3, but got {text!r}"
            raise UsageError(msg)
        found[name] = value
    return found


def _split_json(split: Split) -> dict[str, Any]:
    return {
        "train": list(split.train),
        "held_out": list(split.held_out),
        "warnings": list(split.warnings),
    }


def _write_splits(made: list[Split], out: Path | None) -> None:
    if out is None:
        return
    files = importlib.import_module("segsem.core.files")
    for number, one in enumerate(made, start=1):
        path = out if len(made) == 1 else out.with_name(f"{out.stem}-{number}{out.suffix}")
        files.write_json(path, _split_json(one))


def _print_split(split: Split, head: str) -> None:
    _say(f"{head}{len(split.train)} to learn from, {len(split.held_out)} held out:")
    _say("  " + ", ".join(split.held_out))
    for warning in split.warnings:
        _say(Text.assemble(("note: ", "yellow"), warning))


def _print(listing: Listing) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("image", "size", "objects", "cut", "groups"):
        table.add_column(name, justify="right" if name in ("objects", "cut") else "left")
    for image in listing.images:
        groups = image.problem or ", ".join(f"{k} {v}" for k, v in image.groups.items())
        height, width = image.shape
        cells = (image.image_id, f"{height} x {width}", str(image.objects), str(image.cut), groups)
        table.add_row(*map(Text, cells))
    summary = listing.summary
    if listing.images:
        Console(soft_wrap=True).print(table)
    _say(f"{summary.n_images} images, {summary.n_objects} objects, {summary.n_border} cut")
    if summary.classes:
        named = (f"{name or 'no class'} {count}" for name, count in summary.classes.items())
        _say("classes: " + ", ".join(named))
    for ids in summary.duplicates:
        _say(Text.assemble(("copies: ", "yellow"), f"{', '.join(ids)} show the same picture"))
    for name in summary.empty:
        _say(Text.assemble(("empty: ", "yellow"), name))
    for line in (*summary.missing, *summary.advice):
        _say(
            Text.assemble(("missing: " if line in summary.missing else "advice: ", "yellow"), line)
        )
    for line in summary.problems:
        _say(Text.assemble(("error: ", "bold red"), line))


def _say(text: str | Text) -> None:
    Console(highlight=False, soft_wrap=True).print(Text(text) if isinstance(text, str) else text)
