"""Report a part that was left out: its place, the reason, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from spawnpenny.admin.migration.carried import Carried, dotted, texts
from spawnpenny.admin.migration.pruning import Key, Loss
from spawnpenny.admin.migration.traits import TRAITS, Outcome
from spawnpenny.domain.templates import FIELDS

_TRAIT_OF: Final = {
    "deadlines.spawn": "start_timeout",
    **{trait.to: name for name, trait in TRAITS.items() if trait.outcome is Outcome.SETTING},
}
_BRACES: Final = re.compile(rf"\{{(?:{'|'.join(FIELDS)})\}}|[{{}}]")
_LIMITS: Final = re.compile(r"group|user|team|role|allow|admin|access|limit|only|permi|restrict|member", re.IGNORECASE)
"""Words in a profile's key which suggest that it limits who can choose the profile."""
_UNKNOWN: Final = re.compile(r"'(\w+)' is not known here")
_PLACED: Final = re.compile(r"(?:In [^:]+: )?(\S+): ")
"""The beginning of the service's error messages."""
_HIDDEN: Final = ("environment", "env", "extraEnv")
_SHORT: Final = 3
_CORRECT: Final = "Correct it, and write it into the settings by hand."


def report(carried: Carried, section: tuple[str, ...], loss: Loss) -> None:
    """Add a loss to the list of what was not carried over, without secret values."""
    place = f"{_place(carried, section, loss.path)}{_name(loss.value)}"
    if userid := _names_userid(loss):
        carried.lose(place, *userid)
    elif loss.check(_escaped(loss.value)) is None:
        carried.lose(
            place,
            "its braces do not name a field of a template",
            "KubeSpawner refuses it too. Write {{ and }} for plain braces, or a field such as {username} or "
            "{servername} (docs/reference/plugin-lab.md, Templates).",
        )
    elif loss.check(_quoted(loss.value)) is None:
        carried.lose(place, "it is a number or a boolean, but Kubernetes needs a text", "Write it in quotes.")
    elif limited := _limited(loss):
        carried.lose(place, *limited)
    else:
        carried.lose(place, f"the service refuses it: {_reason(section, loss)}", _CORRECT)


def limits_choice(key: str) -> bool:
    """Return whether an unknown key may limit who can choose a profile or a choice."""
    return bool(_LIMITS.search(key))


def _limited(loss: Loss) -> tuple[str, str] | None:
    unknown = _UNKNOWN.search(loss.reason)
    if "profile_list" not in loss.path or "kubespawner_override" in loss.path or unknown is None:
        return None
    if not limits_choice(unknown[1]):
        return None
    what = "choice" if "choices" in loss.path else "profile"
    why = f"{unknown[1]} limits who may choose it, but in spawnpenny every user may choose every {what}"
    return (
        f"{why}. It is left out, so that it is not open to all",
        "To offer it to all users, remove that key. To limit it, have a step of a plugin refuse it.",
    )


def _names_userid(loss: Loss) -> tuple[str, str] | None:
    if not any("{userid}" in text for _, text in texts([loss.value])):
        return None
    known = _replaced(loss.value, lambda text: text.replace("{userid}", "{username}"))
    if loss.check(known) is not None:
        return None
    return "the service does not know {userid}, the Hub's number of a user", "Use {username}."


def _name(value: Any) -> str:
    """Return the name of an entry of a list; the place of a profile already has it."""
    return f" ({value['name']})" if isinstance(value, Mapping) and isinstance(value.get("name"), str) else ""


def _place(carried: Carried, section: tuple[str, ...], path: tuple[Key, ...]) -> str:
    """Return the place of a part in the site's own files: KubeSpawner's trait, or the chart's value."""
    keys = [*section, *path]
    for length in range(len(keys), 0, -1):
        name = ".".join(map(str, keys[:length]))
        trait = _TRAIT_OF.get(name, name.removeprefix("plugins.lab."))
        if trait in carried.origins or name in _TRAIT_OF:
            return f"{carried.origins.get(trait, trait)}{dotted(keys[length:])}"
    return dotted(keys).removeprefix(".")


def _reason(section: tuple[str, ...], loss: Loss) -> str:
    """Return the service's reason without its place and without secret values."""
    found = _PLACED.match(loss.reason)
    reason = loss.reason
    if found:
        below = found[1].split(".")[".".join(map(str, (*section, *loss.path))).count(".") + 1 :]
        reason = f"{'.'.join(below)}: {reason[found.end() :]}" if below else reason[found.end() :]
    hidden = any(key in _HIDDEN for key in loss.path) or any(key in _HIDDEN for key, _ in _keys(loss.value))
    if hidden and any(len(text) > _SHORT and text in reason for _, text in texts([loss.value])):
        return "Kubernetes or a template cannot hold its value"
    return reason


def _keys(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
        for inner in value.values():
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _escaped(value: Any) -> Any:
    """Return data with braces doubled that do not name a field."""
    return _replaced(
        value, lambda text: _BRACES.sub(lambda found: found[0] if len(found[0]) > 1 else found[0] * 2, text)
    )


def _quoted(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _replaced(value: Any, replace: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, Mapping):
        return {key: _replaced(inner, replace) for key, inner in value.items()}
    return [_replaced(inner, replace) for inner in value] if isinstance(value, list) else value
