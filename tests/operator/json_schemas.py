"""JSON schemas for kubeconform, from the API server's own OpenAPI: nothing is downloaded."""

import json
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from running import eventually

from cluster.control_plane import ControlPlane

LOCATION = "{{ .ResourceKind }}{{ .KindSuffix }}.json"
"""How kubeconform finds a kind's file, in the folder of the schemas."""
_AS_IT_IS = frozenset({"default", "enum", "example"})


def write_schemas(plane: ControlPlane, folder: Path, kinds: Iterable[tuple[str, str]]) -> None:
    """Write a file for each of the kinds, given as `apiVersion, kind`.

    In them is no field that the API server does not know. It tells of new kinds a moment after it takes them.
    """
    wanted: dict[str, set[str]] = {}
    for api_version, kind in kinds:
        wanted.setdefault(api_version, set()).add(kind)
    for api_version, names in sorted(wanted.items()):
        found = eventually(
            partial(_found, plane, api_version, names),
            f"{', '.join(sorted(names))} of {api_version}",
        )
        for kind, schema in found.items():
            group, _, version = api_version.rpartition("/")
            parts = (kind, group.partition(".")[0], version)
            file = folder / f"{'-'.join(filter(None, parts)).lower()}.json"
            file.write_text(json.dumps(schema), encoding="utf-8")


def _found(plane: ControlPlane, api_version: str, names: set[str]) -> dict[str, Any]:
    """Return the schemas of the kinds `names`; none while one of them is missing."""
    index = json.loads(plane.kubectl("get", "--raw", "/openapi/v3"))["paths"]
    path = f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"
    if path not in index:
        return {}
    document = json.loads(plane.kubectl("get", "--raw", index[path]["serverRelativeURL"]))
    schemas: dict[str, Any] = document["components"]["schemas"]
    definitions = {name: _closed(schema) for name, schema in schemas.items()}
    found = {
        kind["kind"]: {"$ref": f"#/definitions/{name}", "definitions": definitions}
        for name, schema in schemas.items()
        for kind in schema.get("x-kubernetes-group-version-kind", ())
        if kind["kind"] in names and f"{kind['group']}/{kind['version']}".lstrip("/") == api_version
    }
    return found if found.keys() == names else {}


def _closed(schema: Any) -> Any:
    """Return a schema of OpenAPI as one of JSON, which allows no property that it does not name."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    closed: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref":
            closed[key] = value.replace("#/components/schemas/", "#/definitions/")
        elif key == "properties":
            closed[key] = {name: _closed(child) for name, child in value.items()}
        else:
            closed[key] = value if key in _AS_IT_IS else _closed(value)
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed
