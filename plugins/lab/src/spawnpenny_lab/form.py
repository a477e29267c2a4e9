"""The lab plugin's part of the spawn form."""

from __future__ import annotations

from spawnpenny.api import FormChoice, FormField, format_quantity
from spawnpenny_lab.settings import LabSettings, Size


def lab_form(settings: LabSettings) -> tuple[FormField, ...]:
    """Return what a request may choose: a size and an image."""
    sizes = tuple(FormChoice(name, name, _told(size)) for name, size in settings.sizes.items())
    images = tuple(FormChoice(name, name) for name in settings.images)
    return FormField("size", "Size", sizes), FormField("image", "Image", images)


def _told(size: Size) -> str:
    cores = format(size.cpu.normalize(), "f")
    return f"{cores} CPU, {format_quantity(size.memory)} of memory"
