"""JSON files: what is no file, no JSON, or has two meanings is refused."""

import json
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.timing import json_files
from accel.timing.json_files import Damaged, Unreadable, parse, read


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.json"


def test_a_file_is_read_as_json_reads_it(path):
    path.write_text('{"a": [1, 2.5, null, true, "ü"]}', encoding="utf-8")
    assert read(path) == {"a": [1, 2.5, None, True, "ü"]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(json_values)
def test_whatever_json_can_say_is_understood(value):
    assert parse(json.dumps(value, allow_nan=False)) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("NaN", "NaN is not a JSON number"),
        ('{"a": [Infinity]}', "Infinity is not"),
        ("-Infinity", "-Infinity is not"),
        ("[1e999]", "1e999 is larger than any float"),
        ("-1" + "0" * 400 + ".5", r"\.\.\. is larger than any float"),
        ("9" * 5000, "limit"),
        ('{"a": 1, "b": 2, "a": 3}', "key 'a' appears twice"),
        ('[{"x": {"n": 1, "n": 1}}]', "key 'n' appears twice"),
        (r'["\ud800"]', "not Unicode text"),
        (r'{"\udfff": 1}', "not Unicode text"),
        ("[" * 65 + "1" + "]" * 65, "nested more than 64 deep"),
        ('{"a":' * 65 + "1" + "}" * 65, "nested more than 64 deep"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": 1', "Expecting"),
        ("{'a': 1}", "Expecting"),
        ("1 2", "Extra data"),
    ],
)
def test_what_has_no_single_meaning_is_damaged(text, complaint):
    with pytest.raises(Damaged, match=complaint):
        parse(text)


def test_nesting_up_to_the_limit_is_fine():
    assert parse("[" * 64 + "]" * 64)


def test_a_pair_of_surrogates_is_one_character():
    assert parse(r'"\ud83d\ude00"') == "\N{GRINNING FACE}"


@pytest.mark.parametrize("content", [b"", b"\n  \t", b"\x00" * 3, b"\xff\xfe{\x00", b'"\xc3"'])
def test_a_file_without_json_is_damaged(path, content):
    path.write_bytes(content)
    with pytest.raises(Damaged):
        read(path)


def test_an_empty_file_and_one_in_another_encoding_are_told_so(path):
    path.write_bytes(b" \n")
    with pytest.raises(Damaged, match="the file is empty"):
        read(path)
    path.write_bytes('{"ü": 1}'.encode("latin-1"))
    with pytest.raises(Damaged, match="not UTF-8: .* at byte 2"):
        read(path)


def test_a_giant_is_refused_before_it_is_read(path):
    with open(path, "wb") as file:
        file.truncate(2**30)  # 1 GiB that takes no space
    with pytest.raises(Unreadable, match="1,073,741,824 bytes, and no record has more than"):
        read(path)


def test_a_file_that_grows_while_it_is_read_is_refused(path, monkeypatch):
    path.write_text("[1, 2, 3]")
    monkeypatch.setattr(json_files, "LARGEST_BYTES", 4)
    monkeypatch.setattr(json_files, "_check_kind", lambda facts: None)
    with pytest.raises(Unreadable, match="at least 5 bytes"):
        read(path)


def test_a_named_pipe_is_refused_and_not_waited_for(path):
    os.mkfifo(path)
    with pytest.raises(Unreadable, match="a named pipe, expected a file"):
        read(path)


def test_devices_folders_and_sockets_are_refused(tmp_path, monkeypatch):
    with pytest.raises(Unreadable, match="a device, expected a file"):
        json_files.read_bytes("/dev/zero")
    with pytest.raises(Unreadable, match="Is a directory"):
        read(tmp_path)
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("door.json")
        with pytest.raises(Unreadable, match="No such device|a socket"):
            json_files.read_bytes("door.json")


@pytest.mark.parametrize("name", ["absent.json", "null\0.json", "long" * 100, "loop"])
def test_a_path_that_leads_nowhere_is_unreadable(tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Unreadable):
        read(tmp_path / name)


def test_a_file_that_may_not_be_read_is_unreadable(path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    path.write_text("{}")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(Unreadable, match="Permission denied"):
        read(path)
