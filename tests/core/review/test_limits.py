from __future__ import annotations

from pathlib import Path

import pytest

from segsem.core.exceptions import InputError
from segsem.project.description import ProjectDescription, read_description, write_description
from segsem.review.limits import QALimits, project_file_near, read_limits

PROJECT = 'format = "segsem-project"\nversion = 1\nname = "p"\n'


def test_defaults_and_a_projects_own(tmp_path: Path) -> None:
    path = tmp_path / "project.toml"
    assert read_limits(None) == QALimits()
    path.write_text(PROJECT)
    assert read_limits(path) == QALimits()
    path.write_text(PROJECT + "[qa]\nsnr = [6, 3]\noutlier_z = 4.5\n")
    limits = read_limits(path)
    assert (limits.snr, limits.outlier_z, limits.blur_px) == ((6.0, 3.0), 4.5, QALimits().blur_px)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[qa]\nsnrr = [1, 2]\n", "snrr"),
        ("[qa]\nsnr = [2, 4]\n", "must be worse than 2"),
        ("[qa]\nblur_px = [5, 3]\n", "must be worse than 5"),
        ("[qa]\nsnr = 4\n", "snr"),
        ("[qa\n", "Cannot read the QA limits"),
        ("[qa]\nsnr = [nan, 1]\n", "snr"),
    ],
)
def test_limits_that_make_no_sense_are_told_in_one_line(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "project.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as told:
        read_limits(path)
    assert "\n" not in str(told.value)


def test_the_project_that_results_lie_in(tmp_path: Path) -> None:
    (tmp_path / "project.toml").write_text(PROJECT)
    results = tmp_path / "results" / "a"
    results.mkdir(parents=True)
    assert project_file_near(results) == tmp_path / "project.toml"


def test_limits_outlast_what_the_program_writes(tmp_path: Path) -> None:
    path = tmp_path / "project.toml"
    path.write_text(PROJECT + "\n[qa]\nsnr = [6, 3]  # our tool\n")
    write_description(tmp_path, ProjectDescription("new name", model="m"))
    assert read_description(tmp_path).name == "new name"
    assert read_limits(path).snr == (6.0, 3.0)
    before = path.read_text()
    assert "# our tool" in before
    write_description(tmp_path, ProjectDescription("new name", model="m"))
    assert path.read_text() == before
