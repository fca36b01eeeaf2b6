"""Answers: everything that is wrong is said at once, with its place; decisions are told apart."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from srwizard.base.errors import EXIT_USAGE, UsageError
from srwizard.models.card import resolve_parameters
from srwizard.models.catalog import card
from srwizard.settings import yaml_file
from srwizard.settings.answers import (
    SECTIONS,
    Answers,
    key_problem,
    known_keys,
    parse_answers,
    training_defaults,
)
from srwizard.settings.answers_file import answers_of, json_schema, template_text
from srwizard.settings.model import ModelAnswers, model_parameters
from srwizard.wizard.resolve import resolved_training
from tests.configs import made_up_config

DECISIONS: dict[str, Any] = {
    "data.root": "/data/ocean",
    "data.variables": ["temp", "salt"],
    "data.scale": 4,
    "output.dir": "runs/first",
    "model.name": "EDSR",
    "model.params": {"num_features": 8},
    "training.epochs": 7,
    "training.lr": 1e-05,
    "training.patience": 3,
    "training.normalization": "GN",
    "devices.gpus": [0, 1],
    "memory.use_amp": False,
    "memory.patch_size": 64,
}
IMPOSSIBLE: dict[str, list[tuple[Any, str]]] = {
    "data.root": [([5], "[5] is not a text"), ("", "must not be empty")],
    "data.variables": [("temp", "'temp' is not a list such as [a, b]")],
    "data.scale": [(1, "1 is too small; at least 2"), (2.5, "2.5 is not a whole number")],
    "output.dir": [([], "[] is not a text")],
    "model.params": [([1], "[1] is not a section with keys")],
    "training.epochs": [
        (0, "0 is too small; at least 1"),
        (True, "true is not a whole number"),
        ("five", "'five' is not a whole number"),
        (None, "null is not a whole number"),
    ],
    "training.lr": [
        (0, "0 is too small; more than 0"),
        (11, "11 is too large; at most 10"),
        ("fast", "'fast' is not a number"),
        (float("nan"), "nan is not a number"),
        (float("inf"), "inf is not a number"),
    ],
    "training.normalization": [("MinMax", "'MinMax' is not one of 'PGN', 'GN'")],
    "training.gamma": [(-0.5, "-0.5 is too small; more than 0")],
    "training.num_workers": [(65, "65 is too large; at most 64")],
    "training.seed": [(-1, "-1 is too small; at least 0"), (2**32, "is too large")],
    "devices.gpus": [([0, -1], "-1 is too small; at least 0"), (0, "0 is not a list")],
    "devices.nodes": [(0, "0 is too small; at least 1")],
    "devices.launcher": [("far", "'far' is not one of 'here', 'nodes', 'slurm'")],
    "memory.use_amp": [("yes", "'yes' is neither true nor false"), (1, "1 is neither true")],
    "memory.when_tight": [("hope", "'hope' is not one of")],
    "memory.when_roomy": [("apply", "'apply' is not one of 'keep', 'faster'")],
    "confirm": [("true", "'true' is neither true nor false")],
}
CASES = [(key, value, words) for key, cases in IMPOSSIBLE.items() for value, words in cases]


def document(text: str) -> yaml_file.Document:
    return yaml_file.parse(text.encode(), "my.yaml")


def refusal(text: str) -> list[str]:
    with pytest.raises(UsageError) as error:
        parse_answers(document(text))
    assert error.value.exit_code == EXIT_USAGE
    assert "srwizard answers --template" in error.value.hint
    first, *lines = error.value.message.splitlines()
    assert first == "the answers are not valid:"
    return [line.strip() for line in lines]


def nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


# Reading


def test_an_empty_file_leaves_everything_open() -> None:
    answers = parse_answers(document(""))
    assert answers.decided() == {}
    assert answers == Answers()
    assert not answers.confirm


@pytest.mark.parametrize("key", DECISIONS)
def test_each_key_is_taken(key: str) -> None:
    answers = parse_answers(document(yaml_file.dump(nested(key, DECISIONS[key]))))
    assert answers.get(key) == DECISIONS[key]
    assert answers.decided() == nested(key, DECISIONS[key])


def test_a_whole_number_will_do_for_a_rate_but_no_rate_for_a_whole_number() -> None:
    assert parse_answers(document("training: {lr: 1}")).training.lr == 1.0
    assert refusal("training: {epochs: 5.0}") == [
        "my.yaml:1:12: training.epochs: write 5 without a point or an exponent"
    ]


@pytest.mark.parametrize(("key", "value", "words"), CASES)
def test_an_impossible_value_is_refused_with_its_place(key: str, value: Any, words: str) -> None:
    (line,) = refusal(yaml_file.dump(nested(key, value)))
    assert line.startswith("my.yaml:")
    assert f": {key}" in line
    assert words in line


@pytest.mark.parametrize(("key", "value", "words"), CASES)
def test_an_impossible_answer_to_a_question_is_refused_in_the_same_words(
    key: str, value: Any, words: str
) -> None:
    problem = key_problem(key, value)
    assert problem is not None
    assert words in problem


@pytest.mark.parametrize("key", DECISIONS)
def test_a_possible_answer_to_a_question_is_no_problem(key: str) -> None:
    assert key_problem(key, DECISIONS[key]) is None


@pytest.mark.parametrize("key", [key for key in known_keys() if key != "confirm"])
def test_a_mistyped_key_names_the_one_that_was_meant(key: str) -> None:
    section, name = key.split(".")
    mistyped = f"{name}s"
    assert refusal(f"{section}:\n  {mistyped}: 1\n") == [
        f"my.yaml:2:3: {section}.{mistyped}: unknown key; did you mean {name}?"
    ]


@pytest.mark.parametrize("section", [*SECTIONS, "confirm"])
def test_a_mistyped_section_names_the_one_that_was_meant(section: str) -> None:
    assert refusal(f"{section}_: 1\n") == [
        f"my.yaml:1:1: {section}_: unknown key; did you mean {section}?"
    ]


def test_a_key_like_no_other_names_all_that_are_known() -> None:
    assert refusal("output: {zzz: 1}") == ["my.yaml:1:10: output.zzz: unknown key; known are dir"]
    (line,) = refusal("zzz: 1")
    assert line == f"my.yaml:1:1: zzz: unknown key; known are {', '.join((*SECTIONS, 'confirm'))}"


def test_a_section_that_is_no_section_is_refused() -> None:
    assert refusal("training: 500") == ["my.yaml:1:1: training: 500 is not a section with keys"]


def test_all_mistakes_are_said_at_once() -> None:
    lines = refusal(
        "data:\n"
        "  root: [5]\n"
        "training:\n"
        "  epochs: 0\n"
        "  learning_rate: 0.1\n"
        "  lr: quick\n"
        "devices:\n"
        "  gpus: [0, one, -1]\n"
        "confirm: perhaps\n"
    )
    assert [line.split(": ")[:2] for line in sorted(lines)] == [
        ["my.yaml:2:3", "data.root"],
        ["my.yaml:4:3", "training.epochs"],
        ["my.yaml:5:3", "training.learning_rate"],
        ["my.yaml:6:3", "training.lr"],
        ["my.yaml:8:13", "devices.gpus.1"],
        ["my.yaml:8:18", "devices.gpus.2"],
        ["my.yaml:9:1", "confirm"],
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("epochs: 3", "training.epochs"),
        ("memory: {epochs: 3}", "training.epochs"),
        ("root: data", "data.root"),
    ],
)
def test_a_key_of_another_section_is_known(written: str, meant: str) -> None:
    (line,) = refusal(written)
    assert line.endswith(f"unknown key; did you mean {meant}?")


def test_a_long_value_is_shortened() -> None:
    (line,) = refusal(f"training: {{epochs: {'x' * 1000}}}")
    assert len(line) < 150


def test_an_override_wins_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("training: {epochs: 5, lr: 0.1}\n")
    answers = parse_answers(yaml_file.read(path, ("training.epochs=9", "model.name=EDSR")))
    assert (answers.training.epochs, answers.training.lr) == (9, 0.1)
    assert answers.model.name == "EDSR"
    with pytest.raises(UsageError) as error:
        parse_answers(yaml_file.read(path, ("training.epochs=0", "training.epoch=1")))
    assert error.value.message.splitlines()[1:] == [
        "  --set training.epochs=0: training.epochs: 0 is too small; at least 1",
        "  --set training.epoch=1: training.epoch: unknown key; did you mean epochs?",
    ]


# Deciding


@pytest.mark.parametrize("key", DECISIONS)
def test_a_decision_can_be_made_and_taken_back(key: str) -> None:
    answers = Answers()
    default = answers.get(key)
    assert not answers.has(key)
    answers.set(key, DECISIONS[key])
    assert answers.has(key)
    assert answers.get(key) == DECISIONS[key]
    assert answers.decided() == nested(key, DECISIONS[key])
    answers.forget(key)
    assert not answers.has(key)
    assert answers.get(key) == default
    assert answers.decided() == {}


def test_taking_one_decision_back_leaves_the_others() -> None:
    answers = Answers()
    answers.set("training.epochs", 7)
    answers.set("training.lr", 0.1)
    answers.forget("training.lr")
    assert answers.decided() == {"training": {"epochs": 7}}


def test_deciding_for_the_default_is_a_decision() -> None:
    answers = Answers()
    answers.set("training.epochs", 500)
    answers.set("confirm", False)
    assert answers.decided() == {"training": {"epochs": 500}, "confirm": False}


def test_one_parameter_of_a_model_can_be_decided() -> None:
    answers = Answers()
    answers.set("model.params.width", 32)
    answers.set("model.params.depth", 4)
    assert answers.has("model.params.width")
    assert not answers.has("model.params.heads")
    assert answers.get("model.params.heads") is None
    assert answers.decided() == {"model": {"params": {"width": 32, "depth": 4}}}
    answers.forget("model.params")
    assert not answers.has("model.params.width")
    assert Answers().model.params == {}


def test_an_impossible_decision_leaves_the_earlier_one() -> None:
    answers = Answers()
    answers.set("training.epochs", 7)
    with pytest.raises(ValidationError):
        answers.set("training.epochs", 0)
    assert answers.get("training.epochs") == 7


@given(st.dictionaries(st.sampled_from(sorted(DECISIONS)), st.none()))
def test_decisions_survive_being_written(chosen: dict[str, None]) -> None:
    answers = Answers()
    for key in chosen:
        answers.set(key, DECISIONS[key])
    read = parse_answers(document(yaml_file.dump(answers.decided())))
    assert read == answers
    assert read.decided() == answers.decided()
    assert {key for key in DECISIONS if read.has(key)} == chosen.keys()


# What is handed to people


def test_the_template_is_valid_and_names_every_key() -> None:
    text = template_text()
    assert not parse_answers(document(text)).confirm
    template = document(re.sub(r"^  # (\w+):", r"  \1:", text, flags=re.MULTILINE))
    parse_answers(template)
    named = {
        f"{section}.{name}" for section in SECTIONS for name in template.values.get(section, {})
    }
    assert {*named, "confirm"} == set(known_keys())


def test_the_template_leaves_open_what_depends_on_model_and_device() -> None:
    answers = parse_answers(document(template_text("DDPM")))
    assert resolved_training(answers) == training_defaults("DDPM")
    assert not answers.has("memory.use_amp")


def test_the_template_shows_the_defaults() -> None:
    answers = parse_answers(document(template_text()))
    for key in ("training.epochs", "training.lr", "devices.gpus", "memory.when_tight"):
        assert answers.get(key) == Answers().get(key)


def test_the_schema_knows_every_key() -> None:
    schema = json_schema()
    definitions = schema["$defs"]
    known = {"confirm"}
    for section in SECTIONS:
        name = schema["properties"][section]["$ref"].rpartition("/")[2]
        known |= {f"{section}.{key}" for key in definitions[name]["properties"]}
        assert definitions[name]["additionalProperties"] is False
    assert known == set(known_keys())


def test_a_parameter_that_a_run_is_older_than_is_what_it_was() -> None:
    run = made_up_config()
    older = {
        name: value
        for name, value in resolve_parameters(card("ResShift"), {}).items()
        if name != "prediction"
    }
    model = run.model.model_copy(update={"name": "ResShift", "params": older})
    decided = answers_of(run.model_copy(update={"model": model}))
    assert decided.model.params == older | {"prediction": "x0"}
    assert model_parameters(ModelAnswers(name="ResShift"))["prediction"] == "v"


def test_the_answers_of_a_run_leave_nothing_to_a_default() -> None:
    decided = answers_of(made_up_config())
    open_keys = {key for key in known_keys() if not decided.has(key)}
    # What is not part of a run: its parameters hold the size.
    # A run of version 0.1.0, such as this one, says `global_skip` in the place of `skip`.
    # So does its dataset, which is there.
    how_it_is_launched = {
        "devices.background", "memory.when_tight", "memory.when_roomy", "training.time_budget",
    }  # fmt: skip
    assert open_keys == how_it_is_launched | {"data.prepare", "model.size", "model.skip"}
