from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from segsem.cli.app import build_app
from segsem.core.appearance import SOURCE_STYLES
from segsem.core.contour import Source
from segsem.core.exceptions import UsageError
from segsem.core.extraction import Extraction
from segsem.core.progress import run_to_completion
from segsem.export.job import ExportJob
from segsem.export.outputs import write_results
from segsem.export.report import write_report
from segsem.export.report_pictures import draw_region
from segsem.export.report_plots import histogram
from segsem.export.reviewed import find_lot, open_review
from segsem.review.decision import Action
from segsem.review.item import ItemKey

VOID = {"meta", "link", "br", "img", "input", "hr"}
EVIL = '<script>alert("x")</script>&"\''


class Page(HTMLParser):
    """Checks that elements are closed in order, and keeps what they say."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def picture_file(path: Path, extraction: Extraction) -> None:
    grey = np.where(extraction.labels() > 0, 170, 80).astype(np.uint8)
    Image.fromarray(grey).save(path)


@pytest.fixture
def results(tmp_path: Path, undecided: Extraction) -> Path:
    """Two images, one of them on disk; a reason that would be markup."""
    picture_file(tmp_path / "a.png", undecided)
    regions = tuple(
        replace(r, fallback_reason=EVIL) if r.region_id == 2 else r for r in undecided.regions
    )
    for name in ("a", "b"):
        provenance = {**undecided.provenance, "image_path": str(tmp_path / f"{name}.png")}
        made = replace(undecided, image_id=name, regions=regions, provenance=provenance)
        write_results(made, tmp_path / "results")
    review = open_review(find_lot([tmp_path / "results"]), write=True)
    review.decide(ItemKey("a", 1), Action.ACCEPT, f"Anna {EVIL}")
    review.decide(ItemKey("a", 1), Action.REJECT, "Berta")
    review.close()
    return tmp_path / "results"


@pytest.fixture
def page(tmp_path: Path, results: Path) -> Page:
    run_to_completion(write_report(ExportJob.open([results]), tmp_path / "report.html"))
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_nothing_comes_from_elsewhere(page: Page, tmp_path: Path) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form", "audio"}
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "xlink:href", "action", "srcset"):
                assert value.startswith("data:image/png;base64,")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(https?:)?//[a-z]", re.sub(r"base64,[^\"]*", "", text))
    assert "@import" not in text
    assert "url(" not in text


def test_what_users_wrote_is_text(page: Page) -> None:
    assert page.text.count('<script>alert("x")</script>') >= 3
    assert "script" not in {tag for tag, _ in page.elements}


def test_the_verdict_comes_first_with_its_reasons(page: Page) -> None:
    assert page.text.index("Verdict:") < page.text.index("Images")
    start = page.text[: page.text.index("Signature")]
    assert "FAIL" in start
    assert "Waiting for a person: neither method was good enough" in start
    assert "Berta" in start


def test_tables_say_what_the_results_say(page: Page) -> None:
    text = page.text
    assert "2 x 1.5 nm (manifest)" in text
    assert "half, outer" in text
    assert "Anna <script>" in text
    assert "Reviewers compared" in text
    # 4 regions an image, one of them Sauvola's.
    assert re.search(r"Sauvola 2 25.0 % 0 0 0 2 0.70", text), text


def test_pictures_show_the_image_and_the_outline_as_the_viewer_does(
    page: Page, undecided: Extraction
) -> None:
    images = [attributes for tag, attributes in page.elements if tag == "image"]
    assert len(images) == 4
    shown = Image.open(BytesIO(base64.b64decode(images[0]["href"].partition(",")[2])))
    assert shown.mode == "L"
    assert shown.size == (int(images[0]["width"]), int(images[0]["height"]))
    assert "b: outlines are shown without the image" in page.text
    lines = [attributes for tag, attributes in page.elements if tag == "polyline"]
    strokes = {line["stroke"]: line.get("stroke-dasharray") for line in lines}
    assert strokes[SOURCE_STYLES[Source.SAM2].color] is None
    assert strokes[SOURCE_STYLES[Source.SAUVOLA].color] is not None
    assert strokes["#D55E00"] is None


def test_an_outline_lies_where_the_region_is(undecided: Extraction) -> None:
    region = undecided.regions[1]
    svg = draw_region(undecided, region, None).svg
    left, top, width, height = map(float, re.search(r'viewBox="([^"]*)"', svg)[1].split())
    points = re.findall(r'<polyline points="([^"]*)"[^>]*stroke-width="1.6"', svg)
    outer = np.array([[float(v) for v in p.split(",")] for p in points[0].split()])
    np.testing.assert_allclose(outer[:4, ::-1], region.contours[0].vertices_rc)
    assert left <= outer[:, 0].min()
    assert outer[:, 0].max() <= left + width
    assert top <= outer[:, 1].min()
    assert outer[:, 1].max() <= top + height


def test_the_same_state_gives_the_same_bytes_and_the_seed_counts(
    tmp_path: Path, results: Path
) -> None:
    def written(name: str, seed: int) -> bytes:
        job = ExportJob.open([results])
        run_to_completion(write_report(job, tmp_path / name, seed=seed, pictures=2))
        return (tmp_path / name).read_bytes()

    assert written("one.html", 1) == written("two.html", 1)
    assert written("three.html", 4) != written("one.html", 1)


def test_moved_images_are_found(tmp_path: Path, results: Path, undecided: Extraction) -> None:
    (tmp_path / "moved").mkdir()
    for name in ("a", "b"):
        picture_file(tmp_path / "moved" / f"{name}.png", undecided)
    done = invoke(results, "-o", tmp_path / "r.html", "--images", tmp_path / "moved")
    assert done.exit_code == 0, done.output
    assert "results fail" in done.output
    found = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert sum(tag == "image" for tag, _ in found.elements) == 8


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build_app(), ["report", *map(str, arguments)])


def test_only_html(tmp_path: Path, results: Path) -> None:
    done = invoke(results, "-o", tmp_path / "report.pdf")
    assert isinstance(done.exception, UsageError)
    assert not (tmp_path / "report.pdf").exists()


def test_a_lot_without_regions_or_pixel_size(tmp_path: Path, uncalibrated: Extraction) -> None:
    write_results(replace(uncalibrated, image_id="a", regions=()), tmp_path / "results")
    assert invoke(tmp_path / "results", "-o", tmp_path / "r.html").exit_code == 0
    text = Page((tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "Nothing to show." in text
    assert "no feature was found" in text
    assert "Pixel size: nothing can be said in nm" in text


def test_bars_add_up() -> None:
    svg = histogram(
        {"one": [0.1, 0.1, 0.9], "two": [0.1, 1.0]}, {"one": "#111111", "two": "#222222"},
        label="confidence", low=0.0, high=1.0, bins=4,
    )  # fmt: skip
    titles = re.findall(r"<title>([^<]*)</title>", svg)
    assert titles == [
        "0 to 0.25: 2 one",
        "0.75 to 1: 1 one",
        "0 to 0.25: 1 two",
        "0.75 to 1: 1 two",
    ]
    tops = {t: float(y) for y, t in re.findall(r'y="([\d.]+)"[^>]*><title>([^<]*)</title>', svg)}
    heights = {t: float(h) for h, t in re.findall(r'height="([\d.]+)"[^>]*><title>([^<]*)', svg)}
    # The second group stands on the first.
    assert tops["0 to 0.25: 1 two"] + heights["0 to 0.25: 1 two"] == pytest.approx(
        tops["0 to 0.25: 2 one"], abs=0.02
    )
    assert heights["0 to 0.25: 2 one"] == pytest.approx(2 * heights["0 to 0.25: 1 two"], abs=0.02)
