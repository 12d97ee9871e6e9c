"""`segsem info`: what an image file is, its scale, and how good it is to measure on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from segsem.core.exceptions import InputError, PartialBatchError, UsageError

if TYPE_CHECKING:
    from segsem.core.types import PixelSize
    from segsem.imaging.discover import ImageSource
    from segsem.imaging.image import SEMImage
    from segsem.imaging.quality import ImageQuality


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(info)


def info(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Images, folders or manifests.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    pixel_size: Annotated[
        str | None,
        typer.Option(
            metavar="NM",
            help="Pixel size in nm (or Y,X), used where the image itself does not say.",
        ),
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(min=1, help="Refuse images with more pixels; 178956970 if not given."),
    ] = None,
) -> None:
    """Show size, pixel size and its source, data bar, SNR, blur and saturation.

    Exit codes: 0 all is well, 2 usage, 3 no file could be read, 5 some could not.
    """
    from segsem.imaging.quality import image_quality
    from segsem.imaging.read import MAX_PIXELS

    user_nm = _pixel_size(pixel_size)
    console = Console(highlight=False)
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    entries: list[dict[str, Any]] = []
    n_bad = 0
    for source in _sources(files, user_nm, max_pixels or MAX_PIXELS):
        try:
            if isinstance(source, InputError):
                raise source
            image = source.read()
        except InputError as error:
            n_bad += 1
            errors.print(Text.assemble(("error: ", "bold red"), str(error)))
            continue
        quality = image_quality(image)
        entries.append(_entry(source.path, image, quality))
        if not as_json:
            _print_image(console, source.path, image, quality)
    if as_json:
        typer.echo(json.dumps(entries, indent=1, allow_nan=False))
    if n_bad:
        raise typer.Exit(PartialBatchError.exit_code if entries else InputError.exit_code)


def _sources(
    files: Sequence[Path], user_nm: PixelSize | None, max_pixels: int
) -> Iterator[ImageSource | InputError]:
    """Images of each argument; an argument that is wrong does not stop the others."""
    from segsem.imaging.discover import discover

    for file in files:
        try:
            yield from discover([file], pixel_size_nm=user_nm, max_pixels=max_pixels)
        except InputError as error:
            yield error


def _pixel_size(text: str | None) -> PixelSize | None:
    from segsem.imaging.pixel_size import as_pixel_size

    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
        return as_pixel_size(numbers if len(numbers) > 1 else numbers[0])
    except (InputError, ValueError) as error:
        msg = f"Expected --pixel-size as a positive number of nm, or Y,X, but got {text!r}"
        raise UsageError(msg) from error


def _entry(path: Path, image: SEMImage, quality: ImageQuality) -> dict[str, Any]:
    size = image.pixel_size_nm
    return {
        "file": _printable(path),
        "shape": list(image.shape),
        "dtype": str(image.data.dtype),
        "pixel_size_nm": None if size is None else list(size),
        "pixel_size_source": image.pixel_size_source,
        "data_bar_row": image.data_bar_row,
        "snr": quality.snr,
        "blur_px": quality.blur_px,
        "saturated_fraction": quality.saturated_fraction,
        "warnings": list(image.warnings),
        "metadata": image.metadata,
    }


def _print_image(console: Console, path: Path, image: SEMImage, quality: ImageQuality) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("  size", Text(_size_words(image)))
    table.add_row("  pixel size", Text(_scale_words(image)))
    table.add_row("  quality", Text(_quality_words(image, quality)))
    for warning in image.warnings:
        table.add_row(Text("  note", style="yellow"), Text(warning))
    console.print(Text(_printable(path), style="bold"), soft_wrap=True)
    console.print(table)


def _printable(path: Path) -> str:
    """Name of a file; bytes that are no text in it (old file systems) become question marks."""
    return str(path).encode("utf-8", "replace").decode("utf-8")


def _size_words(image: SEMImage) -> str:
    height, width = image.shape
    words = f"{width} x {height} px, {image.data.dtype}"
    if image.data_bar_row is None:
        return f"{words}; no data bar"
    return f"{words}; data bar from row {image.data_bar_row} on"


def _scale_words(image: SEMImage) -> str:
    if image.pixel_size_nm is None:
        return "unknown: give it with --pixel-size NM or in a manifest for results in nm"
    px_y, px_x = image.pixel_size_nm
    size = f"{px_x:.5g} nm" if px_x == px_y else f"{px_x:.5g} x {px_y:.5g} nm (x, y)"
    top, bottom = image.valid_rows
    view = f"{image.shape[1] * px_x / 1e3:.4g} x {(bottom - top) * px_y / 1e3:.4g} µm"
    return f"{size} ({image.pixel_size_source}); field of view {view}"


def _quality_words(image: SEMImage, quality: ImageQuality) -> str:
    saturated = f"{quality.saturated_fraction:.2%} saturated"
    if quality.snr is None or quality.blur_px is None:
        return f"no edges found; {saturated}"
    blur = f"{quality.blur_px:.2f} px"
    if image.pixel_size_nm is not None:
        blur += f" ({quality.blur_px * image.pixel_size_nm[1]:.3g} nm)"
    return f"SNR {quality.snr:.1f}, blur {blur}, {saturated}"
