"""The order of steps: declared, checked, and the same whoever registers first."""

from __future__ import annotations

from itertools import permutations

import pytest

from spawnpenny.errors import PluginError
from spawnpenny.pipeline.order import order
from spawnpenny.pipeline.validation import check_kinds
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.model import Settings


def names(ordered):
    return [step.name for step in ordered.steps]


def refusal(steps, **more):
    with pytest.raises(PluginError) as refused:
        order(steps, "lab", **more)
    return str(refused.value)


def test_any_order_of_registration_gives_one_order(make_step):
    steps = [
        make_step("quota", needs=["namespace"], before=["lab"]),
        make_step("lab.pod", "spawn", needs=["lab.secret"]),
        make_step("lab.secret", "spawn", needs=["namespace"]),
        make_step("namespace"),
        make_step("welcome", after=["quota"]),
    ]
    orders = {order(permutation, "lab") for permutation in permutations(steps)}
    assert len(orders) == 1
    assert names(orders.pop()) == ["namespace", "quota", "lab.secret", "welcome", "lab.pod"]


def test_independent_steps_share_a_wave_by_name(make_step):
    ordered = order([make_step("b"), make_step("c", needs=["a"]), make_step("a")], "lab")
    assert ordered.waves == (("a", "b"), ("c",))


@pytest.mark.parametrize("word", ["needs", "after"])
def test_a_family_is_each_step_of_it(make_step, word):
    steps = [make_step("a", **{word: ["lab"]}), make_step("lab.x"), make_step("lab.y"), make_step("label")]
    assert order(steps, "lab").predecessors("a") == {"lab.x", "lab.y"}


def test_a_step_may_come_before_its_own_family(make_step):
    assert names(order([make_step("lab.x"), make_step("lab.y", before=["lab"])], "lab")) == ["lab.y", "lab.x"]


def test_a_soft_name_that_nobody_has_is_listed_and_orders_nothing(make_step):
    ordered = order([make_step("a", after=["b"], before=["c"]), make_step("b", kinds=["dask"])], "lab")
    assert ordered.unknown == (("a", "before", "c"),)
    assert ordered.edges == ()


def test_steps_of_other_kinds_are_left_out(make_step):
    assert names(order([make_step("a"), make_step("b", kinds=["user"])], "lab")) == ["a"]


def test_an_unmet_need_names_the_step_its_plugin_and_the_need(make_step):
    message = refusal([make_step("a", needs=["b"])], origin={"a": "mine"})
    assert message == "The step 'a' (plugin 'mine') needs 'b', which no loaded plugin provides."


def test_a_need_that_only_another_kind_has_is_unmet(make_step):
    message = refusal([make_step("a", needs=["b"]), make_step("b", kinds=["dask"])])
    assert "needs 'b', which is not part of the lab pipeline" in message


def test_a_cycle_is_reported_in_the_order_in_which_it_would_run(make_step):
    steps = [make_step("a", before=["b"]), make_step("b", before=["c"]), make_step("c", before=["a"]), make_step("d")]
    message = {refusal(permutation) for permutation in permutations(steps)}
    assert len(message) == 1
    assert message.pop().partition(": ")[2] in {"a -> b -> c -> a.", "b -> c -> a -> b.", "c -> a -> b -> c."}


def test_two_steps_of_one_name_are_refused(make_step):
    assert "Two steps are called 'a'" in refusal([make_step("a"), make_step("a", kinds=["dask"])])


def test_a_spawn_step_without_a_revert_is_refused(make_step):
    assert "'a'" in refusal([make_step("a", "spawn", revert=False)])


def test_a_user_step_with_a_revert_is_refused(make_step):
    assert "may not have a revert" in refusal([make_step("a", revert=True)])


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (["lab", "labs"], "names unknown kinds: labs. Did you mean lab?"),
        (["notebook"], "names unknown kinds: notebook. The kinds are lab, dask."),
    ],
)
def test_a_kind_that_there_is_not_is_refused(make_step, kinds, message):
    with pytest.raises(PluginError) as refused:
        check_kinds([make_step("a", kinds=kinds)], {"a": "mine"}, ("lab", "dask"), set())
    assert refused.value.message == f"The step 'a' (class Made of plugin 'mine') {message}"


@pytest.mark.parametrize("kinds", [["lab", "notebook"], ["ray"], []])
def test_a_step_may_name_kinds_of_plugins_that_are_not_loaded(make_step, kinds):
    check_kinds([make_step("a", kinds=kinds)], {}, ("lab", "dask"), {"ray"})


def test_a_step_without_kinds_is_part_of_all_of_them_but_user(make_step):
    shared, commissions = make_step("shared"), make_step("commissions")
    type(shared).kinds = type(commissions).kinds = None
    type(commissions).commissions = True
    assert [names(order([shared, commissions], kind)) for kind in ("lab", "ray", "user")] == [
        ["commissions", "shared"],
        ["commissions", "shared"],
        ["commissions"],
    ]


def test_a_name_weighs_more_than_a_star(make_step):
    steps = [
        make_step("quota", before=["*"]),
        make_step("lab.pod", "spawn"),
        make_step("first", "spawn", before=["files"]),
        make_step("files", before=["quota"]),
    ]
    assert names(order(steps, "lab")) == ["first", "files", "quota", "lab.pod"]


def test_a_star_stands_for_the_spawn_steps_of_any_kind(make_step):
    steps = [make_step("z", before=["*"]), make_step("ray.pod", "spawn", kinds=["ray"]), make_step("a", kinds=["ray"])]
    type(steps[0]).kinds = None
    ordered = order(steps, "ray")
    assert (ordered.waves, ordered.why("ray.pod")) == ((("a", "z"), ("ray.pod",)), ["z says before ray.pod"])
    assert order(steps, "lab").unknown == ()


@pytest.mark.parametrize("scope", ["users", "Spawn", None])
def test_a_scope_that_there_is_not_is_refused(make_step, scope):
    assert refusal([make_step("a", scope)]).endswith("The scopes are user and spawn.")


@pytest.mark.parametrize("name", ["", "A", ".a", "a b", "a\n", "x" * 64])
def test_a_step_without_a_distinct_name_is_refused(make_step, name):
    assert "needs a name of up to 63" in refusal([make_step(name)])


def test_a_string_where_a_set_of_names_belongs_is_refused(make_step):
    step = make_step("a")
    type(step).kinds = "lab"
    assert "needs kinds as a set of names" in refusal([step])


def test_why_says_which_declarations_put_a_step_where_it_is(make_step):
    steps = [make_step("n"), make_step("q", before=["p"]), make_step("z"), make_step("p", needs=["n"], after=["z"])]
    assert order(steps, "lab").why("p") == ["needs n", "q says before p", "after z"]


def test_the_standard_pipelines_are_as_they_were():
    pipelines = load_plugins(Settings()).pipelines
    assert pipelines["lab"].waves == (
        ("namespace", "user.provision"),
        ("network", "quota", "user.files"),
        ("lab.secret",),
        ("lab.pod",),
    )
    assert pipelines["user"].waves == (("user.provision",),)


@pytest.mark.parametrize("kind", ["lab", "dask", "user"])
def test_of_the_standard_pipelines_only_dask_is_not_known_yet(kind):
    assert {name for _, _, name in load_plugins(Settings()).pipelines[kind].unknown} <= {"dask"}
