"""Every rule, in Python; tests/operator/test_crds.py asks a real API server the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from cases import CHANGES, GOOD, NAMES, RULES, Case
from pydantic import ValidationError

from tts_app.resources import KINDS
from tts_app.resources.crd import definition


@pytest.mark.parametrize("name", GOOD)
def test_good_resource_is_accepted_and_comes_back(name: str) -> None:
    kind = KINDS[GOOD[name]["kind"]]
    model = kind.model_validate(GOOD[name])
    dumped = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert kind.model_validate(dumped) == model


@pytest.mark.parametrize("case", RULES, ids=str)
def test_rule_that_is_broken_says_what_would_be_right(case: Case) -> None:
    with pytest.raises(ValidationError) as caught:
        KINDS[case.resource["kind"]].model_validate(case.resource)
    (fault,) = caught.value.errors()
    assert case.says in fault["msg"]


@pytest.mark.parametrize("case", NAMES, ids=str)
def test_rule_refuses_names_that_kuberay_could_not_have(case: Case) -> None:
    with pytest.raises(ValidationError) as caught:
        KINDS[case.resource["kind"]].model_validate(case.resource)
    assert [fault["loc"] for fault in caught.value.errors()] == [("metadata", "name")]


@pytest.mark.parametrize("case", CHANGES, ids=str)
def test_rule_on_changes_accepts_a_resource_by_itself(case: Case) -> None:
    KINDS[case.resource["kind"]].model_validate(case.resource)


@pytest.mark.parametrize("kind", KINDS)
def test_rules_each_have_a_case(kind: str) -> None:
    says = [case.says for case in (*RULES, *NAMES, *CHANGES) if case.resource["kind"] == kind]
    schema = definition(KINDS[kind])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    messages = {validation["message"] for validation in _validations(schema)}
    assert messages
    assert not {message for message in messages if not any(part in message for part in says)}


def _validations(schema: Any) -> Iterator[dict[str, str]]:
    if isinstance(schema, dict):
        yield from schema.get("x-kubernetes-validations", [])
        for part in schema.values():
            yield from _validations(part)
