"""The profiles that a user is offered: those of the settings, as the plugins of the site filter or replace them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from marshmallow import ValidationError

from spawnpenny.api import check_form
from spawnpenny_lab.form import lab_form
from spawnpenny_lab.profiles import ProfileListField
from spawnpenny_lab.trial import try_profiles

if TYPE_CHECKING:
    from spawnpenny_lab.settings import LabSettings

ProfileList = Sequence[Mapping[str, Any]]
PassProfiles = Callable[[ProfileList, Callable[[ProfileList], object]], ProfileList]
_MOST: Final = 256
"""The number of lists of profiles that are kept checked."""


def offered(settings: LabSettings, pass_profiles: PassProfiles) -> LabSettings:
    """Return the settings with the profiles that a user is offered.

    They are ``closed`` if the settings have profiles and the plugins leave none of them.
    """
    own: ProfileList = [_as_written(profile) for profile in settings.profile_list]
    found = pass_profiles(own, lambda profiles: _load(settings, profiles))
    if found is own:
        return settings
    return _load(settings, found)


def _load(settings: LabSettings, profiles: ProfileList) -> LabSettings:
    """Check profiles, and return the settings with them.

    Raises:
        ValueError: They are wrong.

    """
    known, key = settings._offers, json.dumps(profiles, sort_keys=True, default=str)  # noqa: SLF001 - they are its cache
    if key not in known:
        try:
            loaded = ProfileListField().deserialize([dict(profile) for profile in profiles])
            try_profiles(loaded, settings.template)
        except ValidationError as error:
            raise ValueError(str(error.messages)) from None
        offer = replace(settings, profile_list=loaded, closed=bool(settings.profile_list) and not loaded, _offers={})
        check_form(lab_form(offer))
        if len(known) >= _MOST:
            del known[next(iter(known))]
        known[key] = offer
    return known[key]


def _as_written(value: Any) -> Any:
    """Return a profile as the settings would have it, without what has its default."""
    if is_dataclass(value):
        found = {field.name: (field, getattr(value, field.name)) for field in fields(value)}
        return {name: _as_written(inner) for name, (field, inner) in found.items() if inner != _default(field)}
    if isinstance(value, Mapping):
        return {key: _as_written(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_written(inner) for inner in value]
    return value


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default
