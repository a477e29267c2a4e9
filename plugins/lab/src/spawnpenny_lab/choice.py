"""What a request chose: a size and an image by name, never by content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spawnpenny.api import Resources, answers
from spawnpenny_lab.form import lab_form
from spawnpenny_lab.settings import LabSettings, Size


@dataclass(frozen=True, slots=True)
class Choice:
    """The size and the image of one lab."""

    size: Size
    image: str

    @property
    def resources(self) -> Resources:
        return Resources(self.size.cpu, self.size.memory, labs=1)


def choose(options: Mapping[str, Any], settings: LabSettings) -> Choice:
    """Return what a request's options stand for. Options of other plugins are not looked at.

    Raises:
        UnknownOptionError: There is no such size or image.
        InvalidOptionError: A choice is not a name.

    """
    chosen = answers(lab_form(settings), options)
    return Choice(settings.sizes[chosen["size"].value], settings.images[chosen["image"].value])
