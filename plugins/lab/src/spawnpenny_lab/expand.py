"""The names of a spawn in a template's strings, where KubeSpawner has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.api import Spawn, expand, expand_all, fields_of

if TYPE_CHECKING:
    from spawnpenny_lab.template import Template

EXPANDED: Final = (
    "working_dir",
    "environment",
    "volumes",
    "volume_mounts",
    "init_containers",
    "extra_containers",
    "extra_pod_config",
    "extra_labels",
    "extra_annotations",
    "service_account",
)
"""The keys of a template whose values (but not the keys in them) name the spawn's names."""
JUPYTERHUB_FIELDS: Final = ("username", "base_url")
"""What JupyterHub's own templates may name: the true username, and the path under which the lab answers."""
_ELSEWHERE: Final = {
    "{pvc_name}": "the plugin storage names the claim, and adds its volume and mount by itself",
    "{hubnamespace}": "the Hub's namespace is not known here, write its name",
    "{userid}": "the Hub's number of a user is not known here",
}


def check_templates(value: Any, known: tuple[str, ...] | None = None) -> None:
    """Refuse a template, or one in data, that names what there is not; ``known`` are other fields than the usual.

    Raises:
        ValueError: Which field, and which there are.

    """
    for text in _texts(value):
        try:
            if known is None:
                fields_of(text)
            else:
                expand(text, dict.fromkeys(known, ""))
        except ValueError as error:
            hints = [f"; {hint}" for field, hint in _ELSEWHERE.items() if field in text]
            raise ValueError(f"{text!r} is no template: {error}{''.join(hints)}.") from None


def expanded(template: Template, spawn: Spawn, prefix: str) -> Template:
    """Return a template for one spawn; ``prefix`` is the path under which its lab answers."""
    fields = _fields(spawn.fields, template.slug_scheme)
    server = {"username": spawn.user.username, "base_url": prefix}
    return replace(
        template,
        **{key: expand_all(getattr(template, key), fields) for key in EXPANDED},
        notebook_dir=expand_all(template.notebook_dir, server, trim=False),
        default_url=expand_all(template.default_url, server, trim=False),
    )


def _fields(fields: Mapping[str, str], scheme: str) -> dict[str, str]:
    """Return fields with the plain names in a scheme: ``escape`` is that of KubeSpawner before version 7."""
    if scheme == "safe":
        return dict(fields)
    user, server = fields["escaped_username"], fields["escaped_servername"]
    joined = f"{user}--{server}" if server else user
    return {**fields, "username": user, "servername": server, "user_server": joined}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
