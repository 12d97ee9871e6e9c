"""Parameters: frozen, bounded, and said once in words."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from segsem.core.params import EdgeParams, EdgeSide, ExtractParams, SauvolaParams, Tone


@pytest.mark.parametrize("model", [ExtractParams, EdgeParams, SauvolaParams])
def test_every_parameter_has_a_title_and_a_description(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            continue
        assert field.title, name
        assert field.description, name


def test_defaults_are_the_documented_edge_definition() -> None:
    params = ExtractParams()
    assert params.edge.edge_method.value == "half"
    assert params.edge.edge_side is EdgeSide.OUTER
    assert params.tone is Tone.AUTO
    assert params.threshold is None


def test_parameters_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        ExtractParams().tone = Tone.DARK


@pytest.mark.parametrize("wrong", [{"threshold": 1.5}, {"min_area_px": -1}, {"tresholt": 0.5}])
def test_values_out_of_bounds_and_unknown_names_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ExtractParams.model_validate(wrong)


def test_parameters_survive_json() -> None:
    params = ExtractParams(threshold=0.7, edge=EdgeParams(search_px=9.0))
    assert ExtractParams.model_validate_json(params.model_dump_json()) == params
