"""Settings and plugins as far as they can be loaded, and all that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from spawnpenny.admin.permissions.rendered import Rendered
from spawnpenny.broker.orders import OrdersFile
from spawnpenny.errors import PluginError, SettingsError
from spawnpenny.pipeline.pod_openings import check_openings
from spawnpenny.plugin.manager import Plugins, load_plugins
from spawnpenny.plugin.problems import plugin_problems
from spawnpenny.settings.load import load_what_is_valid
from spawnpenny.settings.model import Settings
from spawnpenny.spawns.container_limits import verify_steps
from spawnpenny.web.routes import routes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and plugins as far as they could be loaded.

    Attributes:
        settings: The settings; None if they cannot be read.
        plugins: The plugins; None if one of them cannot be loaded.
        problems: Sentences on what keeps a service from starting.
        partly: Some sections of the settings are wrong; they have their defaults here.
        deployed: The environment of the service is known, and part of the settings.

    """

    settings: Settings | None
    plugins: Plugins | None
    problems: list[str]
    partly: bool = False
    deployed: bool = False


def load(file: str | None) -> Loaded:
    """Load settings and plugins, and find all that is wrong with them at once."""
    problems: list[str] = []
    loaded = attempt(problems, lambda: load_what_is_valid(file))
    if loaded is None:
        return Loaded(None, None, problems)
    settings, wrong = loaded
    problems += wrong
    plugins = _load_plugins(problems, settings)
    orders = settings.broker.orders
    # A separate broker may read the orders from a file that exists only where it runs.
    exists_here = orders is not None and Path(orders).is_file()
    if exists_here or settings.cluster == "embedded" or not settings.broker.separate:
        attempt(problems, OrdersFile(orders).read)
    problems.extend(_certificate_problems(settings))
    return Loaded(settings, plugins, problems, partly=bool(wrong))


def load_deployment(deployment: Rendered) -> Loaded:
    """Load the settings of a rendered deployment and their plugins, and find all that is wrong with them at once."""
    problems: list[str] = []
    settings = attempt(problems, deployment.settings)
    if settings is None:
        return Loaded(None, None, problems)
    plugins = _load_plugins(problems, settings)
    attempt(problems, deployment.orders)
    problems.extend(deployment.disagreements())
    return Loaded(settings, plugins, problems, deployed=True)


def attempt(problems: list[str], work: Callable[[], T]) -> T | None:
    """Call a function; add the message of an error in settings or plugins to the problems, and return None."""
    try:
        return work()
    except (SettingsError, PluginError) as error:
        problems.append(error.message)
        return None


def _load_plugins(problems: list[str], settings: Settings) -> Plugins | None:
    attempt(problems, lambda: check_openings(settings.pods.allow))
    of_plugins = plugin_problems(settings)
    problems += of_plugins
    plugins = None if of_plugins else attempt(problems, lambda: load_plugins(settings))
    if plugins is not None:
        attempt(problems, lambda: verify_steps(settings, plugins))
        attempt(problems, lambda: routes(plugins))
    return plugins


def _certificate_problems(settings: Settings) -> Iterator[str]:
    web = settings.web
    if (web.certificate is None) != (web.key is None):
        yield "web.certificate and web.key belong together: set both, or neither."
    for name in ("certificate", "key", "authority"):
        path = getattr(web, name)
        if path is not None and not Path(path).is_file():
            yield f"web.{name}: the file {path} does not exist."
