"""Writes the schemas of the built-in kinds that the tests' API server is may be too old to serve.

They are made of the models in kubernetes-asyncio, which are generated from the OpenAPI document of Kubernetes. Run it
as a program after an update of that library.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

from kubernetes_asyncio.client import models

KINDS = {
    "PodDisruptionBudget": "policy/v1",
    "ValidatingAdmissionPolicy": "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicyBinding": "admissionregistration.k8s.io/v1",
}
SIMPLE = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "object": {"type": ["integer", "string"]},
}
METADATA = {
    "type": "object",
    "properties": {
        "name": SIMPLE["str"],
        "namespace": SIMPLE["str"],
        "labels": {"type": "object", "additionalProperties": SIMPLE["str"]},
        "annotations": {"type": "object", "additionalProperties": SIMPLE["str"]},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def schema_of(type_name):
    """Return the schema of a type of the models."""
    if type_name in SIMPLE:
        return SIMPLE[type_name]
    if found := re.fullmatch(r"list\[(.+)\]", type_name):
        return {"type": "array", "items": schema_of(found[1])}
    if found := re.fullmatch(r"dict\(str, (.+)\)", type_name):
        return {"type": "object", "additionalProperties": schema_of(found[1])}
    if type_name == "V1ObjectMeta":
        return METADATA
    model = getattr(models, type_name)
    names = {name: key for name, key in model.attribute_map.items() if key != "status"}  # which nobody writes
    properties = {key: schema_of(model.openapi_types[name]) for name, key in names.items()}
    required = [key for name, key in names.items() if refuses_none(model, name)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def refuses_none(model, name):
    return "must not be `None`" in inspect.getsource(getattr(model, name).fset)


def make(kind):
    """Return the schema of a kind, with the fields that one may write."""
    schema = schema_of(f"V1{kind}")
    schema["properties"] |= {"apiVersion": {"const": KINDS[kind]}, "kind": {"const": kind}}
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return schema


if __name__ == "__main__":
    for kind in KINDS:
        path = Path(__file__).with_name(f"{kind}.json")
        path.write_text(json.dumps(make(kind), indent=2, sort_keys=True) + "\n")
