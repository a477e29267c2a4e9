"""Secrets in texts: whatever form they are printed in and wherever they are cut, only a stated few characters stay."""

from __future__ import annotations

import base64
import html
import json
import shlex
import textwrap
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spawnpenny.pipeline.scrub import PIECE, PIECE_OF_A_PATH, PIECE_OF_WORDS, SHORTEST, scrubbed

FORMS = {
    "plain": str,
    "json": json.dumps,
    "json, not ASCII": lambda text: json.dumps(text, ensure_ascii=False),
    "json in json": lambda text: json.dumps(json.dumps(text)),
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "ascii": ascii,
    "query": quote_plus,
    "path": quote,
    "component": lambda text: quote(text, safe=""),
    "twice": lambda text: quote(quote(text, safe=""), safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of a URL": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "basic": lambda text: base64.b64encode(f"a:{text}".encode()).decode(),
    "bearer": lambda text: base64.b64encode(f"ab:{text}:".encode()).decode(),
    "wrapped base64": lambda text: base64.encodebytes(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "shell": shlex.quote,
    "html": html.escape,
    "wrapped": lambda text: "\n  ".join(textwrap.wrap(text, 7)),
    "boxed": lambda text: "│\n│ ".join(textwrap.wrap(text, 9)),
    "upper": str.upper,
}
printable = st.characters(
    min_codepoint=33, max_codepoint=0x17F, exclude_characters="\x7f", exclude_categories=["C", "Z"]
)
secrets = st.text(printable, min_size=16, max_size=120)
around = st.sampled_from(["", "Error: ", 'token="', "x=1&y=", "%3D", "\\n", "Authorization: Basic "])


def letters(text):
    return "".join(each for each in text.casefold() if each.isalnum())


def longest_piece(whole, text):
    """Return the longest piece of one text that is in another, comparing letters and digits only."""
    parts = [letters(part) for part in text.split("[secret]")]
    best = ""
    for first in range(len(whole)):
        while len(best) < len(whole) - first and any(whole[first : first + len(best) + 1] in part for part in parts):
            best = whole[first : first + len(best) + 1]
    return best


@given(secrets, st.sampled_from(sorted(FORMS)), st.data(), around, around)
def test_whatever_the_form_the_cut_and_the_place_a_stated_few_characters_stay(secret, form, data, before, after):
    printed = FORMS[form](secret)
    first = data.draw(st.integers(0, len(printed) // 2))
    last = data.draw(st.integers(len(printed) // 2, len(printed)))
    text = scrubbed(f"{before}{printed[first:last]}{after}", [secret, "an unrelated value"])
    left = longest_piece(letters(printed), text)
    of_words = PIECE_OF_A_PATH if "/" in printed else PIECE_OF_WORDS
    assert len(left) < (PIECE if any(each.isdigit() for each in left) else of_words)


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("cut", [slice(None), slice(9, None), slice(None, -9), slice(7, -7)])
def test_a_token_is_replaced_in_each_form(form, cut):
    secret = 's3cr3t-of "Ada" \\ & <Grüße>/q7=='
    text = scrubbed(f"cannot log in with {FORMS[form](secret)[cut]} at all", [secret])
    assert "[secret]" in text
    assert text.startswith("cannot log in with ")
    assert text.endswith(" at all")
    assert len(longest_piece(letters(FORMS[form](secret)), text)) < PIECE


@pytest.mark.parametrize(
    ("secret", "text", "expected"),
    [
        ("hunter2", "token=hunter2.", "token=[secret]."),
        ("hunter2", "user%3Ahunter2%40db", "user%3A[secret]%40db"),
        ("jupyter", "jupyterlab has no jupyter here", "jupyterlab has no [secret] here"),
        ("hunter", "key%3Dhunter ends", "key%3D[secret] ends"),
        ("correct-horse-battery-staple", "it ends with horse-battery-staple", "it ends with [secret]"),
        ("/opt/tools/bin:/usr/local/bin", "exec /usr/local/bin/start.sh: no such file", None),
        ("https://hub.example.org/hub/api", "cannot reach https://registry.example.com/v2/", None),
        ("true", "it is true that 8888 is taken", None),
        ("/home/ada/work", "cannot write /home/ada/work/x", "cannot write [secret]/x"),
        ("a b c d e f", "a b c d e f", "[secret]"),
    ],
)
def test_short_and_common_values_do_not_spoil_a_sentence(secret, text, expected):
    assert scrubbed(text, [secret, "on", "8888"]) == (text if expected is None else expected)


@pytest.mark.parametrize(
    "unseen",
    [
        "\x1b[31m",
        "\x1b[0;1;38;5;9m",
        "\x1b]8;;https://example.org\x07",
        "\x1b(B",
        "\b",
        "\u200b",
        "\u2060",
        "\xad",
        "\ufeff",
    ],
)
def test_what_is_not_shown_hides_no_secret(unseen):
    secret = "s3cr3t-of-ada/q7"
    for text in (unseen.join(secret), f"{secret[:5]}{unseen}{secret[5:]}", f"{unseen}{secret}{unseen}"):
        left = scrubbed(f"token {text} is wrong", [secret]).replace(unseen, "")
        assert left == "token [secret] is wrong"


def test_what_has_no_secret_is_left_as_it_is():
    text = "The container notebook ended by itself with exit code 1: \x00é \udcff “Traceback (most recent call last)”"
    assert scrubbed(text, ["s3cr3t-of-ada", "\udcff\udcfe\udcff\udcfe"]) == text


def test_values_shorter_than_stated_are_left():
    assert scrubbed("a" * (SHORTEST - 1), ["a" * (SHORTEST - 1)]) == "a" * (SHORTEST - 1)
    assert PIECE < PIECE_OF_WORDS < PIECE_OF_A_PATH
