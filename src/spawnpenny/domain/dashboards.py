"""The dashboard of a kind's spawns, as its plugin describes it to the proxy."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The dashboard of a kind's spawns. The proxy shows it to their user, and lets only GET and HEAD through.

    Attributes:
        paths: A regular expression for the paths that are shown, with their first slash. Leave out all that change
            something, also by GET.
        scripted: Whether its pages fetch data of the same dashboard, or use the browser's storage. The proxy shows
            pages without an origin. With this, they may read their dashboard, and have a storage that ends with them.
        authenticated: Whether the proxy adds the headers of ``Step.dashboard_headers`` to requests.

    """

    paths: str
    scripted: bool = False
    authenticated: bool = False

    def fault(self) -> str | None:
        """Return what is wrong with it, as the rest of a sentence; None if nothing is."""
        try:
            re.compile(self.paths)
        except re.error as error:
            return f"has a dashboard whose paths are no regular expression: {error}."
        return None
