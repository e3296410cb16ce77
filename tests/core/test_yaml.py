"""Reading YAML: everything stays as it is written, and every fault has its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import example, given
from hypothesis import strategies as st

from notify_core import ConfigError
from notify_core.config import load_config
from notify_core.yaml import Document, read

Read = Callable[..., Document]


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads a text as the file notify.yaml of the working directory."""
    monkeypatch.chdir(tmp_path)

    def reads(text: str | bytes) -> Document:
        (tmp_path / "notify.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return read("notify.yaml")

    return reads


def faults(document: Document) -> list[str]:
    """The faults as they are shown."""
    return list(map(str, document.faults))


@pytest.mark.parametrize(
    "written", ["NO", "yes", "0123", "1e5", "0x1F", "12:30:45", "2026-01-01", "1_000", ".5", "true", "3.10", "=", "y"]
)
def test_a_scalar_stays_text(reading: Read, written: str) -> None:
    """What YAML 1.1 would make a number, a date or a truth stays what it looks like."""
    assert reading(f"a: {written}").data == {"a": written}


@pytest.mark.parametrize("password", ["p@ss:w#rd", "%&*!|>'\"", "a: b", "- x", "{", "🔑", "\\n", " lead", "$x", "$$"])
def test_a_quoted_password_is_what_it_looks_like(reading: Read, password: str) -> None:
    """No character is special within single quotes, but the quote itself."""
    assert reading(f"a: '{password.replace(chr(39), chr(39) * 2)}'").data == {"a": password}


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_nothing_is_nothing(reading: Read, nothing: str) -> None:
    """A key with nothing behind it has no value; an empty text is one."""
    assert reading(f"a: {nothing}\nb: ''").data == {"a": None, "b": ""}


def test_lines_are_known(reading: Read) -> None:
    """Each value has the line on which it stands, deep within lists too."""
    document = reading("a:\n  b: 1\n  c:\n    - 2\n    - d: 3\n")
    assert document.lines[("a", "b")] == 2
    assert document.lines[("a", "c", 1, "d")] == 5


def test_a_byte_order_mark_is_dropped(reading: Read) -> None:
    """Windows editors write one."""
    assert reading(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n").data == {"a": "1", "b": "2"}


# --- what is no YAML -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "notify.yaml: is empty; write `accounts:` and `routes:` (see config/notify.example.yaml)"),
        ("# nothing\n", "notify.yaml: is empty; write `accounts:` and `routes:` (see config/notify.example.yaml)"),
        ("- a\n- b\n", "notify.yaml:1: expected `accounts:` and `routes:`; found no mapping of keys to values"),
        ("hello", "notify.yaml:1: expected `accounts:` and `routes:`; found no mapping of keys to values"),
        ("a:\n\tb: 1\n", "notify.yaml:2: is not YAML: a tab stands where YAML wants blanks; indent with blanks"),
        ("a: [1, 2\n", "notify.yaml:2: is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 'b\n", "notify.yaml:2: is not YAML: found unexpected end of stream"),
        ("a: b: c\n", "notify.yaml:1: is not YAML: mapping values are not allowed here"),
        ("a: 1\n b: 2\n", "notify.yaml:2: is not YAML: mapping values are not allowed here"),
        ("a: *nobody\n", "notify.yaml:1: is not YAML: found undefined alias 'nobody'"),
        ("a: 1\n---\nb: 2\n", "notify.yaml:2: is not YAML: but found another document"),
        ("a: \x01\n", "notify.yaml: is not YAML: special characters are not allowed"),
        ('a: "\\UFFFFFFFF"\n', "notify.yaml: is not YAML: an escape names no character"),
        ("a: " + "[" * 500 + "]" * 500, "notify.yaml: is nested too deeply"),
        ("a: " + "[" * 300 + "]" * 300, "notify.yaml: is nested too deeply"),
        ("短信".encode("gbk"), "notify.yaml: is not UTF-8 (byte 0); save it as UTF-8"),
        ("a: 1".encode("utf-16"), "notify.yaml: is not UTF-8 (byte 0); save it as UTF-8"),
    ],
)
def test_what_cannot_be_read_is_told(reading: Read, text: str | bytes, words: str) -> None:
    """File, line where there is one, and what to do."""
    with pytest.raises(ConfigError) as caught:
        reading(text)
    assert str(caught.value) == words


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A newcomer learns where to begin."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "notify.yaml")
    assert str(caught.value) == f"{tmp_path}/notify.yaml: no such file; copy config/notify.example.yaml and fill it in"


def test_a_folder_is_told(tmp_path: Path) -> None:
    """What the system says is passed on."""
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read(tmp_path)


# --- what is YAML, and wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "notify.yaml:3: a: the key stands twice; remove one"),
        ("a:\n  b: 1\n  b: 2\n", "notify.yaml:3: a.b: the key stands twice; remove one"),
        ("? [a, b]\n: 1\n", "notify.yaml:1: expected a name before the colon"),
        ("'': 1\n", "notify.yaml:1: expected a name before the colon"),
        ("a: !secret b\n", "notify.yaml:1: a: the tag !secret is not allowed; write a plain value"),
        ("a: &x {b: *x}\n", "notify.yaml:1: a.b: an alias that contains itself; write the value out"),
        ("a: &x [*x]\n", "notify.yaml:1: a[0]: an alias that contains itself; write the value out"),
        ("a: &x {<<: *x}\n", "notify.yaml:1: a: an alias that contains itself; write the value out"),
        ("a: {<<: b}\n", "notify.yaml:1: a: << merges mappings only"),
    ],
)
def test_what_is_wrong_has_its_place(reading: Read, text: str, words: str) -> None:
    """File, line, path and what to do; reading goes on, so that all faults are found."""
    assert faults(reading(text)) == [words]


def test_an_alias_is_read_where_it_stands(reading: Read) -> None:
    """An account may borrow another's settings, and merge them under its own."""
    document = reading("x: &x {a: 1, b: 2}\ny: *x\nz: {<<: *x, b: 3}\nw: {<<: [{a: 4}, *x]}\n")
    assert document.data == {
        "x": {"a": "1", "b": "2"},
        "y": {"a": "1", "b": "2"},
        "z": {"a": "1", "b": "3"},
        "w": {"a": "4", "b": "2"},
    }
    assert document.faults == []


def test_python_objects_are_only_text(reading: Read) -> None:
    """No tag makes anything happen."""
    assert reading("a: !!python/object/apply:os.getcwd []\n").data == {"a": []}


# --- references ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${PLACE}", "from here"),
        ("a ${PLACE} b ${PLACE}", "a from here b from here"),
        ("${NOWHERE:-default}", "default"),
        ("${NOWHERE:-}", ""),
        ("${NOWHERE:-a:-b}", "a:-b"),
        ("${EMPTY:-default}", "default"),
        ("${PLACE:-default}", "from here"),
        ("$${PLACE}", "${PLACE}"),
        ("$${PLACE", "${PLACE"),
        ("$PLACE", "$PLACE"),
        ("${file:secret.txt}", "a secret"),
    ],
)
def test_a_reference_is_resolved(
    reading: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, value: str
) -> None:
    """From the environment, with a default, or from a file without its last line feed; $${ writes a literal ${."""
    monkeypatch.setenv("PLACE", "from here")
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "secret.txt").write_text("a secret\n")
    document = reading(f'a: "{written}"')
    assert (document.data, document.faults) == ({"a": value}, [])


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("${NOWHERE}", "the environment variable NOWHERE is not set, or empty; set it, or write ${NOWHERE:-default}"),
        ("${NOWHERE", "${ has no closing }; write $${ for a literal ${"),
        ("${}", "expected ${NAME}, ${NAME:-default} or ${file:/path}"),
        ("${a b}", "expected ${NAME}, ${NAME:-default} or ${file:/path}"),
        ("${file:nobody.txt}", "cannot read the secret file {here}/nobody.txt: No such file or directory"),
        ("${file:.}", "cannot read the secret file {here}: Is a directory"),
        ("${file:latin.txt}", "cannot read the secret file {here}/latin.txt: it is not UTF-8"),
        ("${file:a\\0b}", "cannot read the secret file {here}/a\0b: it is not UTF-8"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_fault(reading: Read, tmp_path: Path, written: str, words: str) -> None:
    """The fault names the variable or the file, and never a value."""
    (tmp_path / "latin.txt").write_bytes(b"\xff\xfe")
    assert faults(reading(f'a: "{written}"')) == [f"notify.yaml:1: a: {words.replace('{here}', str(tmp_path))}"]


def test_a_secret_file_is_named_from_the_directory_of_the_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the current directory is."""
    (tmp_path / "secret.txt").write_text("a secret")
    (tmp_path / "notify.yaml").write_text("a: ${file:secret.txt}")
    monkeypatch.chdir("/")
    assert read(tmp_path / "notify.yaml").data == {"a": "a secret"}


def test_what_a_reference_brings_is_not_read_again(reading: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret may hold what looks like a reference."""
    monkeypatch.setenv("PLACE", "${OTHER}")
    assert reading("a: ${PLACE}").data == {"a": "${OTHER}"}


def test_only_what_is_written_may_be_shown(reading: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that came from elsewhere is not among those that errors may quote."""
    monkeypatch.setenv("PLACE", "secret")
    assert reading("a: ${PLACE}\nb: 1").written == {("b",)}


# --- any text at all -------------------------------------------------------------------------------------------------

YAMLISH = st.text(st.sampled_from(" \n\t:-[]{}#&*!|>'\"%@`,?<=~.0aé短\\xuUN${}/\0\x85\ufeff"), max_size=60)
KEYS = ["accounts", "routes", "default_region", "templates", "transports", "plugins", "default", "clinic", "provider"]
VALUES = st.recursive(
    st.none()
    | st.sampled_from(["acme", "clinic.json", "CN", "1", "${X}", "http://a:b@c/", ".x", "", "{{ x"])
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4),
    max_leaves=12,
)


def is_refused(path: Path) -> bool:
    """Whether loading raises ConfigError, with words that can be written and name the file."""
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    str(caught.value).encode()
    faults = caught.value.faults
    return bool(faults) and all(str(fault).startswith(str(path)) for fault in faults)


@given(YAMLISH | st.text())
@example("a: " + "[" * 200 + "]" * 200)
@example('"\\uD800": 1')
def test_any_text_is_refused_with_a_configuration_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever a file holds, it raises nothing else."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert is_refused(path)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6))
def test_any_yaml_is_refused_with_a_configuration_error(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    """Whatever stands under the right keys, it raises nothing else."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(pyyaml.safe_dump(data, allow_unicode=True), "utf-8", errors="backslashreplace")
    assert is_refused(path)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_any_text_in_quotes_stays_itself(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """What PyYAML writes is read as it was, where it holds no reference."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(pyyaml.safe_dump({"a": text.replace("${", "$${")}, allow_unicode=True), "utf-8")
    assert read(path).data == {"a": text}
