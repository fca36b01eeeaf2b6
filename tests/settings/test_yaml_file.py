"""YAML: what people mean, or one message that says where it goes wrong."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from srwizard.base import i18n
from srwizard.base.errors import UsageError
from srwizard.base.visible import in_one_line
from srwizard.settings import yaml_file
from srwizard.settings.answers import parse_answers
from srwizard.settings.yaml_file import Document, parse

YAML_PIECES = [
    "training:", " epochs: ", "data", ": ", "- ", "\n", "  ", "&a ", "*a", "[", "]", "{", "}", ",",
    "? ", "<<: ", "!!int ", "!!bool ", "!!float ", "!!timestamp ", "!!binary ", "!!set ", "!!map ",
    "!x ", "|", ">", "'", '"', "# ", "%YAML 1.1", "---\n", "...\n", "1e-3", "0x_", "_", "~", "null",
    "190:20:30", "2001-13-45", ".inf", ".nan", "=", "\\ud800", "\t", "\x00", "\ufeff", "é",
]  # fmt: skip

BILLION = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name + 1, name + 1, b", ".join([b"*%c" % name] * 10))
    for name in range(ord("a"), ord("j"))
)


def refusal(content: str | bytes) -> UsageError:
    with pytest.raises(UsageError) as error:
        parse(content.encode() if isinstance(content, str) else content, "my.yaml")
    return error.value


# Values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        ("2.5E-4", 0.00025),
        ("-1.e+2", -100.0),
        (".5e1", 5.0),
        ("1.0e-05", 1e-05),
        ("0.001", 0.001),
        ("16", 16),
        ("true", True),
        ("null", None),
        ("", None),
        ("'1e-3'", "1e-3"),
        ("1e", "1e"),
        ("e-3", "e-3"),
        ("x1e-3", "x1e-3"),
        ("[a, 1e-3]", ["a", 0.001]),
        ("海/数据", "海/数据"),
    ],
)
def test_values_are_what_people_mean(text: str, value: Any) -> None:
    found = parse(f"key: {text}".encode(), "my.yaml").values["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("content", [b"", b"\n", b"# only a comment\n"])
def test_an_empty_file_decides_nothing(content: bytes) -> None:
    assert parse(content, "my.yaml").values == {}


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert parse("\ufeffa: 1".encode(), "my.yaml").values == {"a": 1}


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False)
            | st.text(st.characters(exclude_categories=["Cs"]))
            | st.from_regex(r"[-+]?[0-9_.]{0,4}[eE]?[-+]?[0-9]{0,4}", fullmatch=True),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=4,
        ),
        max_size=4,
    )
)
def test_what_is_dumped_is_read_back(values: dict[str, Any]) -> None:
    assert parse(yaml_file.dump(values).encode(), "my.yaml").values == values


# Places


def test_every_key_has_a_place() -> None:
    document = parse(b"data:\n  root: /x\n  variables:\n  - a\n  - b\nconfirm: true\n", "my.yaml")
    assert document.place(("data",)) == "my.yaml:1:1"
    assert document.place(("data", "root")) == "my.yaml:2:3"
    assert document.place(("data", "variables", 1)) == "my.yaml:5:5"
    assert document.place(("confirm",)) == "my.yaml:6:1"


def test_a_key_that_is_not_there_has_the_place_of_its_section() -> None:
    document = parse(b"a: 1\ndata:\n  root: /x\n", "my.yaml")
    assert document.place(("data", "scale")) == "my.yaml:2:1"
    assert document.place(("output", "dir")) == "my.yaml"


# Refusals


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "my.yaml:3:1: the key a appears twice"),
        ("a:\n  lr: 1\n  lr: 1\n", "my.yaml:3:3: the key a.lr appears twice"),
        ("a: [{b: 1, b: 2}]", "my.yaml:1:12: the key a.0.b appears twice"),
        ("a: &x [*x]", "my.yaml: an alias contains itself"),
        ("a: &x {b: {c: *x}}", "my.yaml: an alias contains itself"),
        (b"a: \xff\n", "my.yaml is not UTF-8 text (byte 3)"),
        ("a: 1".encode("utf-16"), "my.yaml is not UTF-8 text (byte 0)"),
        ("- a\n- b\n", "my.yaml is not a mapping of keys to values"),
        ("just words", "my.yaml is not a mapping of keys to values"),
        ("42", "my.yaml is not a mapping of keys to values"),
        (BILLION, "my.yaml holds too many values"),
    ],
)
def test_a_refusal_says_what_and_where(content: str | bytes, message: str) -> None:
    assert refusal(content).message == message


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("a: b: c", "my.yaml:1:5: "),
        ("a: [1, 2\nb: 3\n", "my.yaml:2:2: "),
        ("a:\n\t- b", "my.yaml:2:1: "),
        ("a: *unknown", "my.yaml:1:4: "),
        ("a: 1\n---\nb: 2\n", "my.yaml:2:1: "),
        ("a: !!python/object/apply:os.system [id]", "my.yaml:1:4: "),
        ("a: \x00", "my.yaml: "),
    ],
)
def test_bad_yaml_is_refused_with_its_place(content: str, place: str) -> None:
    message = refusal(content).message
    assert message.startswith(f"{place}not valid YAML: ")


@pytest.mark.parametrize(
    "content",
    [
        "a: @x", "a: `x`", "a: [", "a: *", "a: &", 'a: "\\q"', "a: 1\n---\nb: 2\n", "a: - b",
        "a: b: c", "a: [1 2", "a: {b: 1", "a: !unknown 1", "a: !!timestamp x", "a: !!bool x",
        "a: %", "a: 'b", "a:\n\t- b", "{a: 1}}", "? ?", "a: |x",
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_chinese_too(content: str) -> None:
    i18n.set_language("zh")
    try:
        said = refusal(content).message
    finally:
        i18n.set_language("en")
    assert not re.search(r"[a-z]{2,} [a-z]{2,}", said), said


@pytest.mark.parametrize(
    "content",
    [
        "a: !!bool maybe",
        "a: !!int ''",
        "a: !!float ''",
        "a: !!timestamp soon",
        "a: 0x" + "f" * 5000,
    ],
)
def test_a_value_that_is_not_what_its_tag_says_is_refused(content: str) -> None:
    assert "my.yaml" in refusal(content).message


@pytest.mark.broad
def test_nesting_beyond_reason_is_refused() -> None:
    assert "my.yaml" in refusal("a: " + "[" * 1500).message


@given(
    st.binary(max_size=80)
    | st.lists(st.sampled_from(YAML_PIECES), max_size=12).map(
        lambda pieces: "".join(pieces).encode("utf-8", "surrogatepass")
    )
)
@example(b'"\\ud800": 1')
@example(b"1: 2\nnull: 3")
@example(b"? [a]\n: b")
@example(b"data: {1: 2}")
@example(b"training: {epochs: !!set {a}}")
def test_any_bytes_are_a_document_or_a_refusal(content: bytes) -> None:
    try:
        document = parse(content, "my.yaml")
        assert isinstance(document, Document)
        parse_answers(document)
    except UsageError as error:
        assert "my.yaml" in error.message


# Overrides


def read_with(tmp_path: Path, content: str, *overrides: str) -> Document:
    path = tmp_path / "answers.yaml"
    path.write_text(content, encoding="utf-8")
    return yaml_file.read(path, overrides)


def test_overrides_replace_and_add(tmp_path: Path) -> None:
    document = read_with(
        tmp_path,
        "training: {epochs: 5, lr: 1}\n",
        "training.epochs=7",
        "training.lr=1e-4",
        "data.variables=[a, b]",
        "model.params.width=8",
        "data.root=/x=y",
        "confirm=true",
        "training.patience=",
    )
    assert document.values == {
        "training": {"epochs": 7, "lr": 1e-4, "patience": None},
        "data": {"variables": ["a", "b"], "root": "/x=y"},
        "model": {"params": {"width": 8}},
        "confirm": True,
    }
    assert document.place(("training", "epochs")) == "--set training.epochs=7"


def test_overrides_of_sections_that_hold_nothing(tmp_path: Path) -> None:
    content = "model:\n  params:\ndata:\n"
    document = read_with(tmp_path, content, "model.params.width=8", "data.root=~", "output.dir='#'")
    assert document.values == {
        "model": {"params": {"width": 8}}, "data": {"root": "~"}, "output": {"dir": "#"},
    }  # fmt: skip


def test_an_override_takes_the_places_of_what_it_replaces(tmp_path: Path) -> None:
    override = "data.variables=[a, true]"
    document = read_with(tmp_path, "data:\n  variables: [no, b, c]\n", override)
    assert document.values == {"data": {"variables": ["a", True]}}
    assert document.place(("data", "variables", 0)) == f"--set {override}"
    assert document.spellings == {("data", "variables", 1): "true"}


@pytest.mark.parametrize("name", ["2026-02-30", "2026-11-30", "2020-13-45"])
def test_the_name_of_a_directory_is_no_date(name: str) -> None:
    assert parse(f"dir: {name}".encode(), "my.yaml").values == {"dir": name}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epochs", "not of the form section.key=value"),
        ("=5", "not of the form section.key=value"),
        ("confirm.now=1", "confirm is not a section"),
        ("training.epochs=[1", "not valid YAML"),
        ("data.root=\udcff", "is not UTF-8 text"),
        ("output.dir=a #b", "what follows the value is not part of it: #b"),
        ("output.dir=a\nb: 3", "what follows the value is not part of it: b: 3"),
        ("model.params={width: 8} # so", "what follows the value is not part of it: # so"),
    ],
)
def test_a_bad_override_is_refused_by_itself(tmp_path: Path, override: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        read_with(tmp_path, "confirm: false\n", override)
    assert error.value.message.startswith(f"--set {in_one_line(override)}")
    assert words in error.value.message


@given(st.lists(st.sampled_from(YAML_PIECES), max_size=6).map("".join))
@example("\n---\n")
@example("\n...\n")
def test_any_override_is_taken_or_refused(text: str) -> None:
    document = Document("my.yaml", {})
    try:
        yaml_file._apply_override(document, f"training.epochs={text}")
    except UsageError as error:
        assert "--set" in error.message
    else:
        assert "epochs" in document.values["training"]


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(UsageError, match=f"cannot read the answers file {path}"):
            yaml_file.read(path)


@pytest.mark.parametrize("text", ["12:00:00", "1-12:30", "30:15", "1:2:3.5"])
def test_a_time_limit_is_no_number(text: str) -> None:
    assert yaml_file.parse(f"a: {text}".encode(), "my.yaml").values == {"a": text}
    assert yaml_file.parse(yaml_file.dump({"a": text}).encode(), "x").values == {"a": text}


@pytest.mark.parametrize(
    ("written", "key", "meant"),
    [
        ("training: {seed: 042}", "training.seed", 42),
        ("training: {seed: -0}", "training.seed", 0),
        ("devices: {slurm_time: 720}", "devices.slurm_time", "720"),
        ("devices: {slurm_time: 12:30:00}", "devices.slurm_time", "12:30:00"),
        ("data: {variables: [no, 2024-01-01, temp]}", "data.variables",
         ["no", "2024-01-01", "temp"]),
        ("output: {dir: 042}", "output.dir", "042"),
        ("output: {dir: 1e3}", "output.dir", "1e3"),
    ],
)  # fmt: skip
def test_what_yaml_takes_for_something_else_is_taken_as_it_is_meant(
    written: str, key: str, meant: object
) -> None:
    answers = parse_answers(yaml_file.parse(written.encode(), "answers.yaml"))
    section, name = key.split(".")
    assert getattr(getattr(answers, section), name) == meant
    overridden = yaml_file.parse(b"confirm: true", "answers.yaml")
    value = written.partition(": {")[2].partition(": ")[2].rstrip("}")
    yaml_file._apply_override(overridden, f"{key}={value}")
    assert getattr(getattr(parse_answers(overridden), section), name) == meant
