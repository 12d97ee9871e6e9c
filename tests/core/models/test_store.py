from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsem.core.exceptions import ModelError, UsageError
from segsem.models import store

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def describe(folder: Path, weights: bytes = b"weights") -> store.ModelDescription:
    folder.mkdir(parents=True)
    path = folder / store.WEIGHTS_FILE
    path.write_bytes(weights)
    description = store.ModelDescription(
        folder.name, "segsem-nano", 256, store.file_sha256(path), {"d_model": 128}, {"seed": 3}
    )
    store.write_description(folder, description)
    return description


def test_description_reads_back_as_written(tmp_path: Path) -> None:
    written = describe(tmp_path / "mine")

    assert store.read_description(tmp_path / "mine") == written
    assert store.verify(tmp_path / "mine") == written


def test_models_are_found_by_name_in_the_users_folder_and_by_path(home: Path) -> None:
    describe(home / "models" / "mine")

    assert store.find_model("mine") == home / "models" / "mine"
    assert store.find_model(home / "models" / "mine") == home / "models" / "mine"
    assert store.installed_models()["mine"] == home / "models" / "mine"


@pytest.mark.usefixtures("home")
def test_missing_official_model_says_how_to_get_it() -> None:
    for name in ("sam2.1_hiera_tiny", "tiny"):
        with pytest.raises(
            ModelError, match=r"Run: segsem models download sam2\.1_hiera_tiny;"
        ) as e:
            store.find_model(name)
        assert "segsem models add sam2.1_hiera_tiny.pt --config sam2.1_hiera_t" in str(e.value)


def test_a_short_name_is_a_published_models_unless_a_model_has_it(home: Path) -> None:
    describe(home / "models" / "sam2.1_hiera_small")
    assert store.find_model("small") == home / "models" / "sam2.1_hiera_small"

    describe(home / "models" / "small")
    assert store.find_model("small") == home / "models" / "small"


@pytest.mark.usefixtures("home")
def test_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Unknown model 'nonesuch'"):
        store.find_model("nonesuch")
    with pytest.raises(ModelError, match=r"model folder with model\.json"):
        store.find_model(tmp_path)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_names_that_are_no_folder_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="model name"):
        store.folder_for(name)


def test_changed_weights_are_found_out(tmp_path: Path) -> None:
    describe(tmp_path / "mine")
    (tmp_path / "mine" / store.WEIGHTS_FILE).write_bytes(b"weightt")

    with pytest.raises(ModelError, match="is damaged"):
        store.verify(tmp_path / "mine")


@pytest.mark.parametrize(
    ("name", "provenance", "remedy"),
    [
        ("sam2.1_hiera_tiny", {}, r"Run: segsem models download sam2\.1_hiera_tiny$"),
        (
            "mine",
            {"added_from": "w.pt"},
            r"Add it again: segsem models add w\.pt --config segsem-nano --name mine$",
        ),
        ("mine", {"command": "train"}, r"Train it again, or copy .*mine from where it is whole\.$"),
    ],
)
def test_a_damaged_model_says_what_to_do(
    name: str, provenance: dict[str, str], remedy: str, home: Path
) -> None:
    folder = home / "models" / name
    description = describe(folder)
    store.write_description(folder, replace(description, provenance=provenance))
    (folder / store.WEIGHTS_FILE).write_bytes(b"weightt")

    with pytest.raises(ModelError, match=remedy):
        store.verify(folder)


def test_a_damaged_bundled_model_says_to_reinstall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUNDLED", tmp_path)
    describe(tmp_path / "segsem-nano")
    (tmp_path / "segsem-nano" / store.DESCRIPTION_FILE).write_text("{}")

    with pytest.raises(ModelError, match=r"no.* model description.*Reinstall napari-segsem\.$"):
        store.verify(tmp_path / "segsem-nano")


def test_weights_that_cannot_be_read_are_one_clear_error(tmp_path: Path) -> None:
    describe(tmp_path / "mine")
    (tmp_path / "mine" / store.WEIGHTS_FILE).unlink()
    (tmp_path / "mine" / store.WEIGHTS_FILE).mkdir()

    with pytest.raises(ModelError, match=r"Cannot read .*: Is a directory\. Train it again"):
        store.verify(tmp_path / "mine")


def test_weights_that_are_gone_are_found_out(tmp_path: Path) -> None:
    describe(tmp_path / "mine")
    (tmp_path / "mine" / store.WEIGHTS_FILE).unlink()

    with pytest.raises(ModelError, match="no such file"):
        store.verify(tmp_path / "mine")


def test_newer_format_says_to_update(tmp_path: Path) -> None:
    describe(tmp_path / "mine")
    path = tmp_path / "mine" / store.DESCRIPTION_FILE
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 99'))

    with pytest.raises(ModelError, match="format version 99"):
        store.read_description(tmp_path / "mine")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary() | JSON.map(lambda value: str(value).encode()))
def test_any_other_content_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / store.DESCRIPTION_FILE).write_bytes(content)

    with pytest.raises(ModelError):
        store.read_description(tmp_path)
