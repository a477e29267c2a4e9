"""Check settings without a cluster: problems, refusals of a rehearsal, and notes."""

from __future__ import annotations

from typing import Final

from spawnpenny.admin.check.loaded import Loaded, attempt, load, load_deployment
from spawnpenny.admin.check.notes import notes_on_orders, notes_on_plugins, notes_on_rights, notes_on_settings
from spawnpenny.admin.check.result import CheckResult
from spawnpenny.admin.check.summary import summary
from spawnpenny.admin.permissions.comparison import differences
from spawnpenny.admin.permissions.fence import make_fence
from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.manifests import make_manifests
from spawnpenny.admin.permissions.rendered import Rendered
from spawnpenny.admin.rehearsal.rehearse import rehearse
from spawnpenny.broker.orders import Orders
from spawnpenny.plugin.manager import Plugins
from spawnpenny.settings.model import Settings

_WRITE_OVERLAY: Final = (
    "Write exactly the needed rights into the overlay: spawnpenny permissions --overlay OVERLAY --output kustomize"
)


def check_settings(file: str | None) -> CheckResult:
    """Check a settings file; settings that cannot be read are the only problem."""
    loaded = load(file)
    result = _check(loaded)
    if loaded.settings is not None and not loaded.partly:
        result.unusual.extend(notes_on_orders(loaded.settings))
        if loaded.plugins is not None and loaded.settings.cluster == "kubernetes":
            result.unusual.extend(notes_on_rights(loaded.settings, loaded.plugins))
    return result


def check_deployment(deployment: Rendered) -> CheckResult:
    """Check the settings in a rendered deployment, and compare its roles and fence with what they need."""
    loaded = load_deployment(deployment)
    result = _check(loaded, fence=False)
    if loaded.settings is not None and loaded.plugins is not None:
        settings = loaded.settings
        found = list(differences(deployment, make_manifests(gather(settings, loaded.plugins), settings)))
        fence = fence_differences(deployment, settings)
        found.extend(fence or ())
        if fence is None and settings.broker.separate:
            result.unusual.append(
                "The deployment has no admission policies (the fence): RBAC alone limits both accounts. "
                "See docs/explanation/privileges.md."
            )
        result.problems.extend(found)
        if found:
            result.problems.append(_WRITE_OVERLAY)
    return result


def fence_differences(deployment: Rendered, settings: Settings) -> list[str] | None:
    """Return how the fence of a deployment differs from the one of its settings; None if it has no fence."""
    fence = list(make_fence(settings, attempt([], deployment.orders) or Orders()))
    return list(differences(deployment, fence)) if deployment.has_any(fence) else None


def _check(loaded: Loaded, *, fence: bool = True) -> CheckResult:
    """Check settings; ``fence`` adds what the fence has to open, for a fence that cannot be compared."""
    result = CheckResult(loaded.problems)
    if loaded.settings is None or loaded.partly:
        return result
    result.used.update(summary(loaded.settings, loaded.plugins))
    result.unusual.extend(notes_on_settings(loaded.settings))
    if loaded.plugins is not None:
        result.unusual.extend(notes_on_plugins(loaded.plugins))
        _rehearse(result, loaded.settings, loaded.plugins, fence=fence, deployed=loaded.deployed)
    return result


def _rehearse(result: CheckResult, settings: Settings, plugins: Plugins, *, fence: bool, deployed: bool) -> None:
    """Add what keeps users from starting something; a problem of long and unusual names is only a note."""
    found = rehearse(settings, plugins, deployed=deployed)
    result.refused.extend(refusal for refusal in found.refusals if not refusal.odd_names)
    names = [refusal for refusal in found.refusals if refusal.odd_names]
    warnings = [warning for warning in found.warnings if fence or warning.code != "fence"]
    result.unusual.extend(f"{problem.setting}: {problem.message}" for problem in (*names, *warnings))
