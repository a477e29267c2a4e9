"""The kind of labs, which the plugin ``lab`` declares."""

from typing import Final

LAB: Final = "lab"
