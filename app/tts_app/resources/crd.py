"""The CustomResourceDefinition of a kind, made from its pydantic type: a structural OpenAPI v3 schema."""

from collections.abc import Mapping
from typing import Any

from tts_app.resources.base import GROUP, VERSION, Column, CustomResource, Resource

_IN_ORDER = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "default",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
    "items",
    "additionalProperties",
    "properties",
    "required",
    "x-kubernetes-validations",
)
"""Every keyword that our schemas have, in the order in which they are written."""
_SAID_OTHERWISE = {"title", "$defs"}


def definition(kind: type[CustomResource]) -> dict[str, Any]:
    """Return the CustomResourceDefinition of `kind`, the same to the byte each time."""
    name = kind.__name__
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": name,
                "listKind": f"{name}List",
                "plural": kind.plural,
                "singular": name.lower(),
                "shortNames": [kind.short_name],
                "categories": ["tts"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    **_selectable(kind),
                    "schema": {"openAPIV3Schema": _root(kind)},
                }
            ],
        },
    }


def _selectable(kind: type[CustomResource]) -> dict[str, Any]:
    """Return the fields by which the server can list: the service, so that its reconcile reads no others."""
    spec = kind.model_fields["spec"].annotation
    if not (isinstance(spec, type) and issubclass(spec, Resource) and "service" in spec.model_fields):
        return {}
    return {"selectableFields": [{"jsonPath": ".spec.service"}]}


def _column(column: Column) -> dict[str, Any]:
    shown = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return {**shown, "priority": 1} if column.wide else shown


def _root(kind: type[CustomResource]) -> dict[str, Any]:
    """Return the schema of a whole resource; what Kubernetes itself checks is left to it."""
    schema = kind.model_json_schema(by_alias=True, mode="validation")
    root = _structural(schema, schema["$defs"])
    fields = root["properties"]
    root["properties"] = {
        **{name: {k: fields[name][k] for k in ("description", "type")} for name in ("apiVersion", "kind")},
        "metadata": {"type": "object"},
        **{name: fields[name] for name in ("spec", "status")},
    }
    root["required"] = [name for name in root["required"] if name != "metadata"]
    return {keyword: value for keyword, value in root.items() if value != []}


def _structural(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return `node` of a JSON schema, and all below it, as Kubernetes wants it: no references, no nulls."""
    node = _resolved(node, definitions)
    out: dict[str, Any] = {}
    for keyword, value in node.items():
        match keyword:
            case "properties":
                out[keyword] = {name: _structural(child, definitions) for name, child in value.items()}
            case "items":
                out[keyword] = _structural(value, definitions)
            case "additionalProperties" if value is False:
                pass  # the API server drops unknown fields, and kubectl names them
            case "additionalProperties":
                child = {} if value is True else _structural(value, definitions)
                out |= {keyword: child} if child else {"x-kubernetes-preserve-unknown-fields": True}
            case "const":
                out["enum"] = [value]
            case "exclusiveMinimum":
                out |= {"minimum": _number(value), "exclusiveMinimum": True}
            case "minimum" | "maximum":
                out[keyword] = _number(value)
            case "description":
                out[keyword] = " ".join(value.split())
            case _ if keyword not in _SAID_OTHERWISE:
                out[keyword] = value
    if "default" in out:
        _set_default(out, out.pop("default"))
    return _ordered(out)


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `node` with what it refers to; what it says itself, such as the description, goes first."""
    while True:
        if "$ref" in node:
            inner = definitions[node["$ref"].removeprefix("#/$defs/")]
        elif "anyOf" in node:
            (inner,) = (option for option in node["anyOf"] if option != {"type": "null"})
        else:
            return node
        node = {**inner, **{key: value for key, value in node.items() if key not in {"$ref", "anyOf"}}}


def _set_default(schema: dict[str, Any], value: Any) -> None:
    """Give `schema` its default, unless that is what an absent field means anyway.

    An object's default is an empty one, which the API server then fills from the fields' own defaults. Where
    the object has rules, it is filled here: the API server holds the default against them as it stands.
    """
    if value is None:
        return
    if "properties" in schema:
        if _without_empty(value) != _without_empty(_filled(schema)):
            raise ValueError(f"The default {value} is not what its fields' defaults make: {_filled(schema)}.")
        schema["default"] = _filled(schema) if "x-kubernetes-validations" in schema else {}
    elif value not in ([], {}):
        schema["default"] = _number(value)


def _filled(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the API server makes of an empty object."""
    fields = ((name, field) for name, field in schema["properties"].items() if "default" in field)
    return {name: _filled(field) if "properties" in field else field["default"] for name, field in fields}


def _without_empty(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _without_empty(item) for key, item in value.items()}
    return {key: item for key, item in inner.items() if item not in (None, [], {})}


def _number(value: Any) -> Any:
    """Return a whole number as an integer: a schema's bytes should not depend on how pydantic keeps it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _ordered(schema: Mapping[str, Any]) -> dict[str, Any]:
    unknown = schema.keys() - set(_IN_ORDER)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: no keyword of a structural schema that we know.")
    return {keyword: schema[keyword] for keyword in _IN_ORDER if keyword in schema}
