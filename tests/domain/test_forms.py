"""Forms: what is one, what a request may choose of it, and the JSON Schema that says the same."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from spawnpenny.api import Answer, Checkbox, FormChoice, FormField, FreeText, Number, answers, check_form
from spawnpenny.clients.forms import options_from_form
from spawnpenny.domain.answers import check_options
from spawnpenny.domain.availability import Shortage, unavailable
from spawnpenny.domain.form_answers import combinations, single_changes
from spawnpenny.domain.forms import MAX_TEXT, every_field
from spawnpenny.errors import InvalidOptionError, InvalidRequestError, UnknownOptionError
from spawnpenny.web.form.json_schema import form_schema

IMAGE = FormField(
    "image",
    "Image",
    (FormChoice("r", "R"), FormChoice("python", "Python", default=True)),
    free_text=FreeText("Another image", pattern=r"[a-z]+:\d+", message="write name:tag"),
)
NAME = FormField("name", "Name of the run", free_text=FreeText("Name"))
FORM = (
    FormField(
        "profile",
        "Profile",
        (
            FormChoice("cpu", "CPU"),
            FormChoice("gpu", "With a GPU", fields=(IMAGE,)),
            FormChoice("batch", "Batch", fields=(NAME,)),
        ),
    ),
    FormField("dataset", "Data set", (FormChoice("none", "None"), FormChoice("hg38", "Human genome"))),
)
MINUTES = FormField("minutes", "Minutes", number=Number(60, 15, 480, step=15, unit="minutes"))
SHARE = FormField("share", "Share", number=Number(0.5, 0, 1, step=None))
GPU = FormField("gpu", "With a GPU", checkbox=Checkbox())
TYPED = (MINUTES, SHARE, GPU)
ONE, BATCH = FormChoice("1", "One"), {"profile": "batch"}


def field(name="f", choices=(ONE,), **more):
    return FormField(name, "F", choices, **more)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ([field(), field()], "two fields are called 'f'"),
        ([field(), field("g", (FormChoice("1", "One", fields=(field(),)),))], "two fields are called 'f'"),
        ([field(choices=(FormChoice("1", "", fields=(field("g"), field("g"))),))], "two fields of f.1 are called 'g'"),
        ([field(choices=(ONE, ONE))], "two choices of f have the value '1'"),
        ([field(choices=())], "the field f has neither choices nor a text, a number or a checkbox"),
        ([field(checkbox=Checkbox())], "the field f has more than one of: choices or a text, a number, a checkbox"),
        ([field(choices=(), number=Number(1, 0, 2), checkbox=Checkbox())], "more than one of"),
        ([field(choices=(), number=Number(3, 0, 2))], "the default 3, which is not from its minimum 0 to its maximum"),
        ([field(choices=(), number=Number(1, 2, 0))], "the number of f has the default 1"),
        ([field(choices=(), number=Number(1, 0, 2, step=0))], "the number of f has the step 0"),
        ([field(choices=(), number=Number(1, 0, 2.5))], "has 2.5 as a bound or default, which is no multiple"),
        ([field(choices=(), number=Number(20, 10, 30, step=20))], "has 10 as a bound or default, which is no multiple"),
        ([field(choices=(), number=Number(0, 0, 2**53))], "a bound or default that is not from"),
        ([field(choices=(), number=Number(float("nan"), 0, 1))], "a bound or default that is not from"),
        ([field("a--b")], "a field cannot be called 'a--b'"),
        ([field("_xsrf")], "a field cannot be called '_xsrf'"),
        ([field("")], "a field cannot be called ''"),
        ([field("unlisted-choice")], "a field cannot be called 'unlisted-choice'"),
        ([field(choices=(FormChoice("", "x"),))], "a choice of f cannot have the value ''"),
        ([field(choices=(FormChoice("a\nb", "x"),))], r"a choice of f cannot have the value 'a\nb'"),
        ([field(choices=(FormChoice("unlisted-choice", ""),), free_text=FreeText("T"))], "stands for the text"),
        ([field(free_text=FreeText("T", pattern="("))], "the pattern of f is no regular expression: "),
        ([field(free_text=FreeText("T", pattern="a(?i)"))], "the pattern of f is no regular expression: "),
        ([field(choices=(FormChoice("a-", "", fields=(field("g"),)),))], "the value of f.a- ends with -"),
        (
            [field(choices=(FormChoice("1", "", fields=(field("g", (FormChoice("2", "", fields=(IMAGE,)),)),)),))],
            "the choices of f.1.g have fields",
        ),
    ],
)
def test_what_is_no_form_is_reported(form, sentence):
    with pytest.raises(ValueError, match=r".") as refused:
        check_form(form)
    assert sentence in str(refused.value)


def test_two_choices_of_one_field_may_have_a_field_of_the_same_name():
    check_form([field(choices=(FormChoice("1", "", fields=(IMAGE,)), FormChoice("2", "", fields=(IMAGE,))))])


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, {"profile": Answer("cpu"), "dataset": Answer("none")}),
        ({"profile": "gpu"}, {"profile": Answer("gpu"), "dataset": Answer("none"), "image": Answer("python")}),
        (
            {"profile": "gpu", "image": "r", "dataset": "hg38"},
            {"profile": Answer("gpu"), "dataset": Answer("hg38"), "image": Answer("r")},
        ),
        (
            {"profile": "gpu", "image--unlisted-choice": "julia:1"},
            {"profile": Answer("gpu"), "dataset": Answer("none"), "image": Answer("julia:1", written=True)},
        ),
        (
            {"profile": "batch", "name--unlisted-choice": "x" * MAX_TEXT},
            {"profile": Answer("batch"), "dataset": Answer("none"), "name": Answer("x" * MAX_TEXT, written=True)},
        ),
    ],
)
def test_what_is_not_chosen_has_its_default(options, chosen):
    check_options(FORM, options)
    assert answers(FORM, options) == chosen


@pytest.mark.parametrize(
    ("options", "typed"),
    [
        ({}, {"minutes": 60, "share": 0.5, "gpu": False}),
        ({"minutes": 15, "share": 1, "gpu": True}, {"minutes": 15, "share": 1.0, "gpu": True}),
        ({"minutes": " 480 ", "share": "0.25", "gpu": "True"}, {"minutes": 480, "share": 0.25, "gpu": True}),
        ({"minutes": 30.0, "share": "0", "gpu": "false"}, {"minutes": 30, "share": 0.0, "gpu": False}),
    ],
)
def test_numbers_and_checkboxes_have_their_types_also_if_they_are_sent_as_texts(options, typed):
    sent = check_options(TYPED, options)
    assert (sent, {key: type(value) for key, value in sent.items()}) == (
        {key: typed[key] for key in options},
        {key: type(typed[key]) for key in options},
    )
    assert {name: answer.value for name, answer in answers(TYPED, options).items()} == typed


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        (
            "minutes",
            [0, 14, 20, 495, 15.5, True, None, "", "1e2", "ten", [15], float("nan"), 10**400, "9" * 400],
            "Minutes has to be a multiple of 15 from 15 to 480 minutes.",
        ),
        ("share", [-0.1, 1.1, float("inf"), "nan", "0x1", {}], "Share has to be a number from 0 to 1."),
        ("gpu", [0, 1, "yes", "on", "", None, []], "With a GPU has to be true or false."),
    ],
)
def test_a_wrong_number_or_checkbox_is_refused_with_what_is_right(name, values, sentence):
    for value in values:
        with pytest.raises(InvalidOptionError) as refused:
            check_options(TYPED, {name: value})
        assert [(fault["field"], fault["message"]) for fault in refused.value.facts["errors"]] == [
            (f"options.{name}", sentence)
        ], value


def test_the_answers_that_are_tried_have_bounds_and_both_states():
    tried = list(combinations(TYPED))
    assert tried[0] == {"minutes": 60, "share": 0.5, "gpu": False}
    assert {answers["minutes"] for answers in tried} == {60, 15, 480}
    assert len(tried) == 3 * 3 * 2
    changes = list(single_changes((GPU, *FORM)))
    assert {"gpu": True, "profile": "cpu", "dataset": "none"} in changes
    assert all(check_options((GPU, *FORM), options) == options for options in changes)


def test_a_box_that_cannot_be_checked_is_reported_as_a_choice():
    short = Shortage("nvidia.com/gpu", "1", "0", "0")
    found = unavailable((GPU, MINUTES), lambda answers: short if answers.get("gpu") else None)
    assert found == {("gpu", "true"): short}


@pytest.mark.parametrize(
    ("options", "error", "key", "sentence"),
    [
        ({"profil": "gpu"}, UnknownOptionError, "profil", "there are dataset, profile. Did you mean 'profile'?"),
        ({"profile": "gpus"}, UnknownOptionError, "profile", "there are cpu, gpu, batch. Did you mean 'gpu'?"),
        ({"profile": "With a GPU"}, UnknownOptionError, "profile", "Did you mean 'gpu'?"),
        ({"profile": ""}, UnknownOptionError, "profile", "There is no profile ''"),
        ({"profile": None}, InvalidOptionError, "profile", "chosen by its name, a string."),
        ({"profile": ["gpu"]}, InvalidOptionError, "profile", "chosen by its name, a string."),
        ({"image": "r"}, UnknownOptionError, "image", "'image' does not go with what else was chosen"),
        ({"profile": "gpu", "image": "perl"}, UnknownOptionError, "image", "else goes into image--unlisted-choice."),
        ({"profile": "gpu", "image": "r", "image--unlisted-choice": "a:1"}, InvalidOptionError, "image", "not both."),
        (
            {"profile": "gpu", "image--unlisted-choice": "julia:1.x"},
            InvalidOptionError,
            "image--unlisted-choice",
            "Another image 'julia:1.x' does not fit: write name:tag.",
        ),
        ({"profile": "gpu", "image--unlisted-choice": ""}, InvalidOptionError, "image--unlisted-choice", "1 to 256"),
        ({"profile": "gpu", "image--unlisted-choice": 1}, InvalidOptionError, "image--unlisted-choice", "is a text."),
        ({"profile": "batch"}, InvalidOptionError, "name--unlisted-choice", "Name of the run has to be given."),
        ({"profile": "batch", "name": "x"}, InvalidOptionError, "name--unlisted-choice", "has to be given."),
        *(
            (BATCH | {NAME.text_name: text}, InvalidOptionError, NAME.text_name, "1 to 256")
            for text in ("x" * (MAX_TEXT + 1), "{username}", "a\nb", "", " \n", "\x00", "a\u2028b")
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(options, error, key, sentence):
    with pytest.raises(error) as refused:
        check_options(FORM, options)
    assert [fault["field"] for fault in refused.value.facts["errors"]] == [f"options.{key}"]
    assert sentence in str(refused.value)


def test_all_that_is_wrong_is_reported_at_once():
    with pytest.raises(UnknownOptionError) as refused:
        check_options(FORM, {"profile": "gpus", "dataset": "hg39"})
    assert [error["field"] for error in refused.value.facts["errors"]] == ["options.profile", "options.dataset"]
    assert all(error["message"] in str(refused.value) for error in refused.value.facts["errors"])


@pytest.mark.parametrize(
    "pattern", ["(a*)*b", r"^(\w+\.?)+:(\w+)$", "(a|a)*b", "(a|aa)+$|b", "a*" * 40 + "b", "(.*a){25}b"]
)
@pytest.mark.timeout(10)
def test_no_pattern_takes_for_ever_with_any_text(pattern):
    slow = FormField("f", "F", free_text=FreeText("T", pattern=pattern))
    check_form([slow])
    with pytest.raises(InvalidOptionError):
        check_options([slow], {"f--unlisted-choice": "a" * (MAX_TEXT - 1) + "!"})


@pytest.mark.parametrize(
    "pattern", [r"(?=a)a", r"(?<!x)a", r"(a)\1", r"a++", r"(?>a)", r"a\Z", r"a{1,2000}", r"(a{1000}){9}"]
)
def test_a_pattern_that_cannot_be_matched_in_bounded_time_is_refused(pattern):
    with pytest.raises(ValueError, match=r"the pattern of f is not one that RE2 takes \(.+\)"):
        check_form([FormField("f", "F", free_text=FreeText("T", pattern=pattern))])


def test_half_a_surrogate_pair_matches_no_pattern():
    with pytest.raises(InvalidOptionError):
        check_options([FormField("f", "F", free_text=FreeText("T", pattern=".*"))], {"f--unlisted-choice": "a\ud800"})


NAMES = ["image", "size", "x y", "é"]
VALUES = ["a", "b-1", "c--d", "<b>", "none"]
PATTERNS = [None, "", "[a-z]+", r"a|b\d", r"^x$", "(?s:.)*", "\\w{2,4}"]
TEXTS = st.one_of(
    st.sampled_from(["a", "b1", "ab", "x", "", "x\n", "{", "é", "a" * MAX_TEXT, "a" * (MAX_TEXT + 1)]),
    st.text(string.printable, max_size=4),
)


SORTS = [(Number(2, -4, 8, step=2), None), (Number(0.5, 0, 1, step=None), None), (None, Checkbox(default=True))]


@st.composite
def fields(draw, names, depth=1):
    made = []
    for name in draw(st.lists(st.sampled_from(names), unique=True, max_size=2)):
        choices = tuple(
            FormChoice(value, value, default=draw(st.booleans()), fields=further)
            for value in draw(st.lists(st.sampled_from(VALUES), unique=True, max_size=3))
            for further in [draw(fields([f"{name} of", f"{name} in"], depth - 1)) if depth else ()]
        )
        if not choices and draw(st.booleans()):
            number, checkbox = draw(st.sampled_from(SORTS))
            made.append(FormField(name, name, number=number, checkbox=checkbox))
            continue
        text = draw(st.booleans()) or not choices
        free = FreeText("T", pattern=draw(st.sampled_from(PATTERNS))) if text else None
        made.append(FormField(name, name, choices, free_text=free))
    return tuple(made)


@st.composite
def chosen(draw, form):
    """Choose as a user would: of each field a choice with what belongs to it, or a text, or nothing."""
    options = {}
    for field in form:
        if field.free_text is not None and draw(st.booleans()):
            options[field.text_name] = draw(TEXTS)
        elif field.choices and draw(st.booleans()):
            choice = draw(st.sampled_from(field.choices))
            options |= {field.name: choice.value} | draw(chosen(choice.fields))
        elif field.number is not None or field.checkbox is not None:
            options |= draw(st.sampled_from([{}, {field.name: 2 if field.number else False}]))
        elif field.default is not None:
            options |= draw(chosen(field.default.fields))
    return options


@st.composite
def forms_and_options(draw):
    """Make a form, and options that fit it, but for what is done to them then."""
    form = draw(fields(NAMES))
    options = draw(chosen(form))
    keys = sorted({key for field in every_field(form) for key in (field.name, field.text_name)} | {"other"})
    anything = (
        st.sampled_from(VALUES) | TEXTS | st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.just([])
    )
    return form, options | draw(st.dictionaries(st.sampled_from(keys), anything, max_size=1))


TEXT_OR = FormField("f", "F", (FormChoice("1", "1", fields=(IMAGE,)),), free_text=FreeText("T"))


@given(forms_and_options())
@example(((TEXT_OR,), {"f--unlisted-choice": "x", "image": "r"}))
@example(((TEXT_OR,), {"f--unlisted-choice": "x{y}"}))
@example(((TEXT_OR,), {"f--unlisted-choice": "x\n"}))
def test_the_schema_takes_what_is_taken_and_nothing_else(case):
    form, options = case
    check_form(form)
    schema = form_schema(form)
    Draft202012Validator.check_schema(schema)
    taken = False
    with suppress(InvalidRequestError):
        check_options(form, options)
        taken = True
    texts = {field.text_name for field in every_field(form)}
    stripped = {
        key: value.strip() if key in texts and isinstance(value, str) else value for key, value in options.items()
    }
    assert Draft202012Validator(schema).is_valid(stripped) == taken


@pytest.mark.parametrize(
    ("submitted", "options"),
    [
        ({}, {}),
        ({"profile": ["cpu"], "_xsrf": ["secret"], "dataset": ["hg38"]}, {"profile": "cpu", "dataset": "hg38"}),
        (
            {"profile": ["gpu"], "profile-option-gpu--image": ["r"], "profile-option-cpu--image": ["x"]},
            {"profile": "gpu", "image": "r"},
        ),
        (
            {
                "profile": ["gpu"],
                "profile-option-gpu--image": ["unlisted-choice"],
                "profile-option-gpu--image--unlisted-choice": ["a:1"],
            },
            {"profile": "gpu", "image--unlisted-choice": "a:1"},
        ),
        (
            {
                "profile": ["gpu"],
                "profile-option-gpu--image": ["r"],
                "profile-option-gpu--image--unlisted-choice": ["left over"],
            },
            {"profile": "gpu", "image": "r"},
        ),
        (
            {"profile": ["gpu"], "profile-option-gpu--image--unlisted-choice": ["a:1"]},
            {"profile": "gpu", "image--unlisted-choice": "a:1"},
        ),
        (
            {"profile": ["gpu"], "profile-option-gpu--a100--image": ["r"], "profile-option-gpu--image": ["python"]},
            {"profile": "gpu", "image": "python"},
        ),
        ({"profile": ["gpu--a100"], "profile-option-gpu--a100--image": ["r"]}, {"profile": "gpu--a100", "image": "r"}),
        ({"profile-option-gpu--image": ["r"]}, {}),
        ({"dataset": ["unlisted-choice"], "dataset--unlisted-choice": ["x"]}, {"dataset--unlisted-choice": "x"}),
        ({"empty": []}, {}),
        ({"gpu": ["false", "true"], "minutes": ["60"]}, {"gpu": "true", "minutes": "60"}),
        ({"profile": ["a"], "profile-option-a--gpu": ["false"]}, {"profile": "a", "gpu": "false"}),
    ],
)
def test_a_submitted_form_stands_for_options(submitted, options):
    assert options_from_form(submitted) == options
