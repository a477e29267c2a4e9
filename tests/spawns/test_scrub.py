"""Secrets in texts: whatever form they are printed in and wherever they are cut, only a stated few characters stay."""

from __future__ import annotations

import base64
import html
import json
import shlex
import textwrap
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spawnpenny.spawns.scrub import PIECE, PIECE_ENCODED, PIECE_OF_A_PATH, PIECE_OF_WORDS, SHORTEST, Scrubber

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
ESCAPING = {"json", "json in json", "repr of bytes", "ascii", "query", "path", "component", "twice", "html"}
ESCAPES = {
    "every byte as \\x": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "every character as \\u": lambda text: json.dumps("".join(map(as_utf16, text))).replace("\\\\", "\\")[1:-1],
    "every character as \\u{}": lambda text: "".join(f"\\u{{{ord(character):x}}}" for character in text),
    "every character as \\U": lambda text: "".join(f"\\U{ord(character):08X}" for character in text),
    "every byte in octal": lambda text: "".join(f"\\{byte:03o}" for byte in text.encode()),
    "every letter in a URL": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "every letter in a URL, twice": lambda text: "".join(f"%25{byte:02x}" for byte in text.encode()),
    "quoted-printable": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "entities": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "entities in hex": lambda text: "".join(f"&#x{ord(character):X};" for character in text),
    "escaped as Latin-1": lambda text: "".join(
        f"\\x{ord(character):02x}" for character in text if character < "\u0100"
    ),
}
ENCODINGS = {
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base32 in lines": lambda text: "\n".join(textwrap.wrap(base64.b32encode(f"x{text}".encode()).decode(), 16)),
    "lower base32": lambda text: base64.b32encode(text.encode()).decode().lower(),
    "hex with colons": lambda text: text.encode().hex(":"),
    "hex with spaces": lambda text: text.encode().hex(" ", 2),
    "bytes in hex": lambda text: ", ".join(f"0x{byte:02X}" for byte in text.encode()),
    "bytes": lambda text: str(list(text.encode())),
    "bytes of Go": lambda text: "[" + " ".join(map(str, text.encode())) + "]",
}


def as_utf16(character):
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


printable = st.characters(
    min_codepoint=33, max_codepoint=0x17F, exclude_characters="\x7f", exclude_categories=["C", "Z"]
)
secrets = st.text(printable, min_size=16, max_size=120)
around = st.sampled_from(["", "Error: ", 'token="', "x=1&y=", "%3D", "\\n", "Authorization: Basic "])


def scrubbed(text, secrets):
    return Scrubber(secrets)(text)


def letters(text):
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def longest_piece(whole, text):
    """Return the longest piece of one text that is in another, comparing letters and digits only."""
    parts = [letters(part) for part in text.split("[secret]")]
    best = ""
    for first in range(len(whole)):
        while len(best) < len(whole) - first and any(whole[first : first + len(best) + 1] in part for part in parts):
            best = whole[first : first + len(best) + 1]
    return best


def widest(secret, form):
    """Return how many letters and digits one character of a secret becomes at most where a form escapes it."""
    if form not in ESCAPING:
        return 1
    return max(len(letters(FORMS[form](character))) - len(letters(FORMS[form](""))) for character in secret)


@given(secrets, st.sampled_from(sorted(FORMS)), st.data(), around, around)
def test_whatever_the_form_the_cut_and_the_place_a_stated_few_characters_stay(secret, form, data, before, after):
    printed = FORMS[form](secret)
    first = data.draw(st.integers(0, len(printed) // 2))
    last = data.draw(st.integers(len(printed) // 2, len(printed)))
    text = scrubbed(f"{before}{printed[first:last]}{after}", [secret, "an unrelated value"])
    left = longest_piece(letters(printed), text)
    of_words = PIECE_OF_A_PATH if "/" in printed else PIECE_OF_WORDS
    stated = PIECE if any(letter.isdigit() for letter in left) else of_words
    assert len(left) < max(stated, PIECE_ENCODED * 2 if form.lower() == "hex" else PIECE * widest(secret, form))


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("cut", [slice(None), slice(9, None), slice(None, -9), slice(7, -7)])
def test_a_token_is_replaced_in_each_form(form, cut):
    secret = 's3cr3t-of "Ada" \\ & <Grüße>/q7=='
    text = scrubbed(f"cannot log in with {FORMS[form](secret)[cut]} at all", [secret])
    assert "[secret]" in text
    assert text.startswith("cannot log in with ")
    assert text.endswith(" at all")
    undone = unquote(unquote(FORMS[form](secret)))
    assert len(longest_piece(letters(undone), unquote(unquote(text)))) < PIECE


@pytest.mark.parametrize("form", sorted(ESCAPES | ENCODINGS))
@given(secret=secrets, data=st.data())
def test_a_secret_that_is_escaped_or_encoded_as_a_whole_is_replaced_wherever_it_is_cut(form, secret, data):
    printed = (ESCAPES | ENCODINGS)[form](secret)
    of_a_byte = len(printed) / len(secret.encode())
    first = data.draw(st.integers(0, len(printed) // 3))
    last = data.draw(st.integers(len(printed) * 2 // 3, len(printed)))
    if "Latin" in form and not secret.isascii() and max(secret) > "\xff":
        return
    text = scrubbed(f"cannot log in with {printed[first:last]} at all", [secret, "an unrelated value"])
    left = text.removeprefix("cannot log in with ").removesuffix(" at all")
    whole = [len(part) for part in left.split("[secret]")]
    assert "[secret]" in text or last - first < 2 * PIECE * of_a_byte
    assert max(whole) <= (PIECE + 1) * max(of_a_byte, len(printed) / len(secret))


def test_what_is_written_about_bytes_and_hashes_is_left():
    text = "image a@sha256:0f3a9cd1e5b7, exit codes [1, 2, 3, 137], MFRGGZDFMZTWQ===, 10.0.0.1:8888 at 0x7f0e3a"
    assert scrubbed(text, ["s3cr3t-of-ada/q7", "postgres://ada:x7Yq2@db/site"]) == text


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
