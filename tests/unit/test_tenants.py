"""Names of tenants are safe in paths, and the default tenant's objects stay where they were."""

import pytest

from tts_app.tenants import is_tenant, objects_of

UNSAFE = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "/a",
    "a\0",
    "a\n",
    "Hotel",
    "a b",
    "-a",
    "a-",
    "a" * 64,
    "ä",
    "%2e",
]


@pytest.mark.parametrize("name", UNSAFE)
def test_objects_of_refuses_an_unsafe_name(name: str) -> None:
    assert not is_tenant(name)
    with pytest.raises(ValueError, match="is no name of a tenant"):
        objects_of(name, "out")


@pytest.mark.parametrize("name", ["a", "hotel", "hotel-1", "1", "batches", "tenants", "a" * 63])
def test_objects_of_a_tenant_are_in_its_own_folder(name: str) -> None:
    assert is_tenant(name)
    assert objects_of(name, "s3://bucket/out/") == f"s3://bucket/out/tenants/{name}"


def test_objects_of_the_default_tenant_are_where_they_were() -> None:
    assert objects_of("default", "out") == "out"
