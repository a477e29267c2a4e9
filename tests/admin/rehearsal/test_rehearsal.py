"""The rehearsal: what it makes, whom it makes it for, and in which order it tells what to mend."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import yaml

from spawnpenny.admin.rehearsal.rehearse import Selection, rehearse
from spawnpenny.api import FormChoice, FormField, FreeText, Step, allow, hookimpl
from spawnpenny.errors import SettingsError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from tests.kit.farm import FarmPlugin

NFS = {"volumes": [{"name": "a", "nfs": {"server": "s", "path": "/"}}]}
SECRET = "do-not-show-this"


def plugin(**hooks):
    return SimpleNamespace(**{f"spawnpenny_{name}": hookimpl(function) for name, function in hooks.items()})


@pytest.fixture
def rehearsed(right):
    """Rehearse settings with changes of the plugins' sections, and further plugins."""

    def run_it(*, selection=None, extra=None, core=None, **sections):
        plugins = {**right["plugins"], **sections, **{name: {} for name in extra or {}}}
        settings = make_settings({**right, **(core or {}), "plugins": plugins})
        return rehearse(settings, load_plugins(settings, extra=extra), selection)

    return run_it


def settings_named(found):
    return list(dict.fromkeys(refusal.setting for refusal in found.refusals))


def kinds(spawn):
    return [manifest["kind"] for manifest in spawn.manifests]


def test_each_choice_is_tried_and_the_first_is_the_default(rehearsed):
    sizes = {"small": {"cpu": 1, "memory": "1Gi"}, "large": {"cpu": 4, "memory": "8Gi"}}
    found = rehearsed(lab={"sizes": sizes, "images": {"a": "a", "b": "b"}})
    usual = [spawn.label for spawn in found.spawns if not spawn.odd]
    assert usual == ["lab size=small image=a", "lab size=large image=a", "lab size=small image=b"]
    assert found.starts
    assert kinds(found.first) == ["NetworkPolicy", "ResourceQuota", "LimitRange", "ConfigMap", "Secret", "Pod"]
    every = rehearsed(lab={"sizes": sizes, "images": {"a": "a", "b": "b"}}, selection=Selection(every=True))
    assert len([spawn for spawn in every.spawns if not spawn.odd]) == 4


def test_a_choice_of_a_choice_is_tried_too(rehearsed):
    choices = {
        "few": {"display_name": "Few"},
        "many": {"display_name": "Many", "kubespawner_override": {"mem_limit": "64G"}},
    }
    profile = {"display_name": "A", "profile_options": {"memory": {"display_name": "Memory", "choices": choices}}}
    found = rehearsed(lab={"profile_list": [profile, {"display_name": "B"}]})
    verdicts = {spawn.label: spawn.starts for spawn in found.spawns if not spawn.odd}
    assert verdicts == {
        "lab profile=a memory=few": True,
        "lab profile=a memory=many": False,
        "lab profile=b": True,
    }
    (problem,) = found.refusals
    assert (problem.setting, problem.spawns) == ("plugins.quota.memory", ("lab profile=a memory=many",))
    assert "64Gi" in problem.message


def test_a_dask_cluster_has_a_scheduler_and_one_worker_of_the_labs_image(rehearsed):
    found = rehearsed(dask={}, lab={"image": "quay.io/lab:1"}, core={"pods": {"images": ["quay.io/*"]}})
    assert found.starts
    cluster = next(spawn for spawn in found.spawns if spawn.kind == "dask")
    pods = [manifest for manifest in cluster.manifests if manifest["kind"] == "Pod"]
    assert [pod["spec"]["containers"][0]["name"] for pod in pods] == ["scheduler", "worker"]
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {"quay.io/lab:1"}


def test_a_cluster_without_room_for_one_worker_is_refused(rehearsed):
    found = rehearsed(dask={"worker": {"cores": 16}})
    assert settings_named(found) == ["plugins.quota.cpu"]
    assert rehearsed(dask={"max_workers": 0}).refusals[0].setting == "plugins.dask.max_workers"
    assert rehearsed(dask={"max_clusters": 0}).refusals[0].setting == "plugins.dask.max_clusters"


def test_each_group_of_workers_is_tried_by_itself(rehearsed):
    groups = {"spot": {"cores": 2, "node_selector": {"pool": "spot"}}, "large": {"cores": 64}}
    found = rehearsed(dask={"worker_groups": groups})
    verdicts = {spawn.label: spawn.starts for spawn in found.spawns if spawn.kind == "dask" and not spawn.odd}
    assert verdicts == {
        "dask (defaults)": True,
        "dask (defaults) with the worker group spot": True,
        "dask (defaults) with the worker group large": False,
    }
    (problem,) = found.refusals
    assert (problem.setting, problem.spawns) == (
        "plugins.quota.cpu",
        ("dask (defaults) with the worker group large",),
    )


def test_all_is_reported_at_once_in_the_order_of_mending(rehearsed):
    found = rehearsed(
        core={"pods": {"images": ["quay.io/*"]}, "deadlines": {"spawn": 0.1}},
        quota={"memory": "1Gi"},
        lab={**NFS, "volume_mounts": [{"name": "b", "mountPath": "/b"}], "node_selector": {"a": "b c"}},
    )
    assert settings_named(found) == [
        "deadlines.spawn",
        "pods.allow",
        "broker.pod_security",
        "pods.images",
        "plugins.quota.memory",
        "plugins.lab.node_selector.a",
        "plugins.lab.volume_mounts.0.name",
    ]


def test_what_is_pasted_mends_it(rehearsed, right):
    lab = {**NFS, "uid": 0, "extra_containers": [{"name": "s", "image": "busybox"}]}
    broken = rehearsed(core={"pods": {"images": ["spawnpenny/*"]}}, lab=lab)
    assert settings_named(broken) == ["pods.allow", "broker.pod_security", "pods.images"]
    (paste,) = {refusal.paste for refusal in broken.refusals}
    assert rehearsed(core=yaml.safe_load(paste), lab=lab).starts


def test_the_fence_knows_the_openings_of_the_settings(rehearsed):
    found = rehearsed(core={"pods": {"allow": ["nfs"]}, "broker": {"pod_security": "baseline"}}, lab=NFS)
    assert found.starts
    fence = next(warning for warning in found.warnings if warning.setting == "policy")
    assert "nfs" in fence.message
    assert "permissions --overlay OVERLAY --output kustomize" in fence.advice


def test_unusual_names_are_samples_and_a_named_user_is_not(rehearsed):
    lab = {"extra_labels": {"owner": "{unescaped_username}"}}
    found = rehearsed(lab=lab)
    (problem,) = found.refusals
    assert problem.odd_names
    assert problem.setting == "plugins.lab.extra_labels.owner"
    assert "kamala.de-la-cruz_vargas@accounts" in problem.message
    assert rehearsed(lab=lab, selection=Selection("grace")).starts
    (problem,) = rehearsed(lab=lab, selection=Selection("grace@example.org")).refusals
    assert not problem.odd_names


def test_safe_templates_suit_unusual_names(rehearsed):
    assert rehearsed(storage={}, lab={"volumes": [{"name": "v-{user_server}", "emptyDir": {}}]}).starts


def test_user_groups_name_and_options_reach_the_manifests(rehearsed):
    sizes = {"small": {"cpu": 1, "memory": "1Gi"}, "large": {"cpu": 4, "memory": "8Gi"}}
    selection = Selection("grace", groups=("physics",), name="big", options={"size": "large"})
    found = rehearsed(lab={"sizes": sizes}, selection=selection)
    (spawn,) = found.spawns
    pod = spawn.manifests[-1]
    assert (pod["metadata"]["namespace"], pod["metadata"]["name"]) == ("lab-grace", "lab-big")
    assert pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "4"
    files = next(manifest for manifest in spawn.manifests if manifest["kind"] == "ConfigMap")
    assert "physics" in files["data"]["group"]


def test_secrets_are_masked(rehearsed):
    found = rehearsed(dask={"options": {"environment": {"type": "mapping", "default": {"KEY": SECRET}}}})
    secrets = [manifest for spawn in found.spawns for manifest in spawn.manifests if manifest["kind"] == "Secret"]
    assert {value for secret in secrets for value in secret["stringData"].values()} == {"(secret)"}
    assert SECRET not in json.dumps([spawn.manifests for spawn in found.spawns])
    assert "PRIVATE KEY" not in json.dumps([spawn.manifests for spawn in found.spawns])


class Site(Step):
    name, kinds, scope = "site.thing", frozenset({"lab"}), "user"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "patch", on="configmaps"),)
    applied = 0

    def manifests(self, spawn):
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "thing"}, "data": {"a b": "c"}}]

    async def apply(self, spawn):
        type(self).applied += 1


class Hidden(Site):
    name = "site.hidden"
    manifests = Step.manifests


class Broken(Site):
    name = "site.broken"

    def manifests(self, spawn):
        return [spawn.options["no such option"]]


class NeedsCluster(Site):
    name = "site.asking"

    def manifests(self, spawn):
        spawn.cluster.namespace_hash()
        return []


def test_a_sites_own_plugin_is_rehearsed_and_no_step_applied(rehearsed):
    found = rehearsed(extra={"site": plugin(steps=lambda: [Site(), Hidden(), NeedsCluster()])})
    (problem,) = found.refusals
    assert (problem.setting, problem.code) == ("plugins.site", "cluster_invalid_object")
    assert "'a b' is not a valid key" in problem.message
    assert {"site.hidden", "site.asking"} <= {skipped.step for skipped in found.unrehearsed}
    assert Site.applied == Hidden.applied == 0


def test_a_step_that_fails_is_reported_with_its_plugin(rehearsed):
    (problem,) = rehearsed(extra={"site": plugin(steps=lambda: [Broken()])}).refusals
    assert (problem.setting, problem.code) == ("plugins.site", "step_failed")
    assert "KeyError" in problem.message


def test_every_conflict_of_patches_is_reported(rehearsed):
    def patch(key, value):
        return lambda: {"spec": {key: value}}

    found = rehearsed(
        lab={"extra_pod_config": {"hostname": "a", "subdomain": "a"}},
        extra={"one": plugin(pod_patch=patch("hostname", "b")), "two": plugin(pod_patch=patch("subdomain", "b"))},
    )
    assert settings_named(found) == ["plugins.one", "plugins.two"]
    assert {refusal.code for refusal in found.refusals} == {"pod_patch_conflict"}


def test_a_text_that_nobody_can_guess_is_left_to_the_user(rehearsed):
    field = FormField("ticket", "Ticket", free_text=FreeText("Ticket", pattern="T-[0-9]{7}"))
    choice = FormField("colour", "Colour", (FormChoice("red", "Red"), FormChoice("blue", "Blue")))
    found = rehearsed(extra={"site": plugin(form=lambda: [field, choice])})
    assert [skipped.step for skipped in found.unrehearsed if "--option" in skipped.why] == ["Ticket"]


class Copying(Hidden):
    name = "site.copies"
    permissions = (allow("create", "patch", on="secrets"),)


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({}, "refusal"),
        ({"core": {"broker": {"ignore": ["Secret/d*"]}}}, None),
        ({"extra": {"site": plugin(steps=lambda: [Copying()])}}, "warning"),
        ({"extra": {"site": plugin(steps=lambda: [Hidden()])}}, "refusal"),
    ],
    ids=["nobody", "broker.ignore", "a step that may", "a step that may not"],
)
def test_a_secret_that_nothing_makes_is_refused_unless_something_may_have_it_there(rehearsed, more, severity):
    found = rehearsed(lab={"volumes": [{"name": "a", "secret": {"secretName": "db"}}]}, **more)
    assert [problem.severity for problem in found.problems if problem.code == "reference_missing"] == [severity] * bool(
        severity
    )


def test_all_missing_objects_are_pasted_together(rehearsed):
    volumes = [
        {"name": "a", "secret": {"secretName": "db"}},
        {"name": "b", "persistentVolumeClaim": {"claimName": "home"}},
    ]
    broken = rehearsed(lab={"volumes": volumes})
    (paste,) = {refusal.paste for refusal in broken.refusals}
    assert rehearsed(core=yaml.safe_load(paste), lab={"volumes": volumes}).starts
    (claim,) = [refusal for refusal in broken.refusals if "PersistentVolumeClaim" in refusal.message]
    assert "nfs volume" in claim.advice


@pytest.mark.parametrize("deployed", [True, False])
def test_no_tokens_are_a_refusal_where_the_environment_is_known(deployed):
    settings = make_settings({"tokens": {}})
    found = rehearse(settings, load_plugins(settings), deployed=deployed)
    (problem,) = [problem for problem in found.problems if problem.code == "nobody_may_spawn"]
    assert (problem.severity == "refusal") is deployed


def test_a_kind_that_no_plugin_makes_is_not_counted(command, right):
    assert "steps         lab: 7\n" in command("check", right).out
    refused = command("pipeline", right, "--kind", "dask")
    assert (refused.code, refused.err) == (2, "No loaded plugin has the kind 'dask'. The kinds are lab, user.\n")
    assert command("try", right, "--kind", "dask").err == refused.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--option", "size=huge"], "There is no size 'huge'"),
        (["--option", "colour=red"], "There is no option 'colour'"),
        (["--option", "size"], "is not of the form KEY=VALUE"),
        (["--user", "a/b"], "may not hold a slash"),
    ],
)
def test_wrong_choices_are_wrong_usage(command, right, options, says):
    tried = command("try", right, *options)
    assert tried.code == 2
    assert says in tried.err


def test_manifests_and_findings_come_as_data(command, right):
    made = command("try", right, "--output", "yaml", "--user", "grace")
    assert made.code == 0
    documents = list(yaml.safe_load_all(made.out))
    assert documents[-1]["kind"] == "Pod"
    broken = command("try", {**right, "pods": {"images": []}}, "--output", "json")
    found = json.loads(broken.out)
    assert (broken.code, found["starts"]) == (1, False)
    assert {problem["setting"] for problem in found["problems"]} == {"pods.images"}
    assert found["spawns"][0]["manifests"]


def test_a_token_to_paste_has_the_place_of_its_hash(rehearsed, right):
    (problem,) = (warning for warning in rehearsed(core={"tokens": {}}).warnings if warning.setting == "tokens")
    (token,) = yaml.safe_load(problem.paste)["tokens"].values()
    with pytest.raises(SettingsError, match=r"tokens\.hub\.sha256: This is not the SHA-256"):
        make_settings({**right, "tokens": {"hub": token}})


def test_what_the_broker_has_to_know_is_said_to_be_for_both_processes(rehearsed):
    core = {"pods": {"allow": ["nfs"]}, "cluster": "kubernetes"}
    (level,) = (refusal for refusal in rehearsed(lab=NFS, core=core).refusals if "pod_security" in refusal.code)
    assert "for the broker and for the service" in level.advice


def test_each_choice_of_a_kinds_own_form_is_tried(rehearsed):
    found = rehearsed(extra={"farm": FarmPlugin}, selection=Selection(kind="farm"))
    usual = [(spawn.label, kinds(spawn)) for spawn in found.spawns if not spawn.odd]
    assert [label for label, _ in usual] == ["farm engine=fast", "farm engine=broken"]
