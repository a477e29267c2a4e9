"""Say of a part that was left out where it stood, why it was left out, and what to do about it."""

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
"""In the name of a key of a profile: it may say who can choose it."""
_UNKNOWN: Final = re.compile(r"'(\w+)' is not known here")
_PLACED: Final = re.compile(r"(?:In [^:]+: )?(\S+): ")
"""How the service's reasons begin."""
_HIDDEN: Final = ("environment", "env", "extraEnv")
_SHORT: Final = 3
_CORRECT: Final = "Correct it, and write it into the settings by hand."


def report(carried: Carried, section: tuple[str, ...], loss: Loss) -> None:
    """Add a loss to what was not carried; nothing in it may be secret."""
    place = f"{_place(carried, section, loss.path)}{_name(loss.value)}"
    if userid := _names_userid(loss):
        carried.lose(place, *userid)
    elif loss.check(_escaped(loss.value)) is None:
        carried.lose(
            place,
            "it has braces that name no field of a template",
            "KubeSpawner refuses it as well. Write {{ and }} where braces are meant, and else a field: {username}, "
            "{servername} and the like (docs/reference/plugin-lab.md, Templates).",
        )
    elif loss.check(_quoted(loss.value)) is None:
        carried.lose(place, "it has a number or a truth value where Kubernetes wants a text", "Write it in quotes.")
    elif limited := _limited(loss):
        carried.lose(place, *limited)
    else:
        carried.lose(place, f"the service does not take it: {_reason(section, loss)}", _CORRECT)


def limits_choice(key: str) -> bool:
    """Return whether a key that nobody knows may say who can choose a profile or a choice."""
    return bool(_LIMITS.search(key))


def _limited(loss: Loss) -> tuple[str, str] | None:
    unknown = _UNKNOWN.search(loss.reason)
    if "profile_list" not in loss.path or "kubespawner_override" in loss.path or unknown is None:
        return None
    if not limits_choice(unknown[1]):
        return None
    what = "choice" if "choices" in loss.path else "profile"
    why = f"{unknown[1]} limits who may choose it, and here everybody may choose every {what}"
    return (
        f"{why}. It is left out rather than opened",
        "To have it for all, carry it over without that key; to limit it, have a step of a plugin refuse it.",
    )


def _names_userid(loss: Loss) -> tuple[str, str] | None:
    if not any("{userid}" in text for _, text in texts([loss.value])):
        return None
    known = _replaced(loss.value, lambda text: text.replace("{userid}", "{username}"))
    if loss.check(known) is not None:
        return None
    return "{userid}, the Hub's number of a user, is not known to the service", "Use {username}."


def _name(value: Any) -> str:
    """Return the name of an entry of a list; a profile's is said already."""
    return f" ({value['name']})" if isinstance(value, Mapping) and isinstance(value.get("name"), str) else ""


def _place(carried: Carried, section: tuple[str, ...], path: tuple[Key, ...]) -> str:
    """Return where a part stood in what the site wrote: by KubeSpawner's trait, or the chart's value."""
    keys = [*section, *path]
    for length in range(len(keys), 0, -1):
        name = ".".join(map(str, keys[:length]))
        trait = _TRAIT_OF.get(name, name.removeprefix("plugins.lab."))
        if trait in carried.origins or name in _TRAIT_OF:
            return f"{carried.origins.get(trait, trait)}{dotted(keys[length:])}"
    return dotted(keys).removeprefix(".")


def _reason(section: tuple[str, ...], loss: Loss) -> str:
    """Return the service's reason without its place, which is said, and without what may be secret."""
    found = _PLACED.match(loss.reason)
    reason = loss.reason
    if found:
        below = found[1].split(".")[".".join(map(str, (*section, *loss.path))).count(".") + 1 :]
        reason = f"{'.'.join(below)}: {reason[found.end() :]}" if below else reason[found.end() :]
    hidden = any(key in _HIDDEN for key in loss.path) or any(key in _HIDDEN for key, _ in _keys(loss.value))
    if hidden and any(len(text) > _SHORT and text in reason for _, text in texts([loss.value])):
        return "its value is not what Kubernetes or a template can hold"
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
    """Return data with braces doubled where they name no field."""
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
