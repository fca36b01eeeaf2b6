"""What is declared once stands everywhere: template, schema, reference, question, messages."""

import functools
import subprocess
import sys
from typing import Any, get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from srwizard.base import i18n
from srwizard.base.choices import Method
from srwizard.data.baselines.choice import METHODS
from srwizard.data.normalization import Moments
from srwizard.data.normalization_methods import NORMALIZATIONS
from srwizard.settings import reference, yaml_file
from srwizard.settings.answers import (
    PREPARE,
    Answers,
    TrainingAnswers,
    key_problem,
    known_keys,
    parse_answers,
)
from srwizard.settings.answers_file import json_schema, template_text
from srwizard.settings.methods import LOSSES, OPTIMIZERS, SCHEDULES
from srwizard.settings.model import SKIPS
from srwizard.settings.option import Circumstances
from srwizard.settings.options import Declared, all_options, option_named, options
from srwizard.train.losses import sample_losses
from srwizard.train.optimizers import build_optimizer
from srwizard.train.schedule import learning_rate

OPTIONS = all_options()
every_option = pytest.mark.parametrize("declared", OPTIONS, ids=[one.key for one in OPTIONS])


def named(key: str) -> Declared:
    found = option_named(key)
    assert found is not None
    return found


# The declarations


def test_every_key_is_an_option() -> None:
    assert [declared.key for declared in OPTIONS] == list(known_keys())


@every_option
def test_a_declaration_says_all_that_people_read(declared: Declared) -> None:
    option = declared.option
    assert option.title and option.help.endswith(".")
    values = [choice.name for choice in option.choices]
    assert len(values) == len(set(values))
    if option.choices and declared.kind == "one":
        default = declared.default()
        assert default in values or (default is None and option.none)
    if option.none:
        assert type(None) in get_args(declared.field.annotation)


@functools.cache
def _everywhere(language: str) -> tuple[str, list[str], dict[str, Any]]:
    """Return the template, the lines of the reference page and the schema in a language."""
    i18n.set_language(language)
    return template_text(), reference.page().splitlines(), json_schema()


@every_option
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_said_of_an_option_is_the_same_everywhere(
    declared: Declared, language: str
) -> None:
    i18n.set_language(language)
    try:
        template, page, schema = _everywhere(language)
        meaning, title = declared.meaning(), declared.title
        assert f"  # {meaning}" in template
        start = f"| `{declared.name}` |"
        row = next(line for line in page if line.startswith(start) and meaning in line)
        assert f"| {title} |" in row
        if declared.section:
            place = schema["properties"][declared.section]["$ref"].rpartition("/")[2]
            schema = schema["$defs"][place]
        described = schema["properties"][declared.name]
        assert (described["title"], described["description"]) == (title, meaning)
    finally:
        i18n.set_language("en")


@pytest.mark.parametrize("declared", [one for one in OPTIONS if one.option.choices],
                         ids=lambda one: one.key)  # fmt: skip
def test_what_is_offered_is_what_is_allowed(declared: Declared) -> None:
    several = declared.kind == "several"
    for choice in declared.option.choices:
        assert key_problem(declared.key, [choice.name] if several else choice.name) is None
        assert choice.name in declared.limits()
    wrong = key_problem(declared.key, ["nothing"] if several else "nothing")
    assert wrong is not None and "'nothing' is not one of" in wrong


def test_methods_name_parameters_that_there_are() -> None:
    for declared in OPTIONS:
        for choice in declared.option.choices:
            for name in choice.parameters if isinstance(choice, Method) else ():
                assert option_named(f"{declared.section}.{name}") is not None, (choice.name, name)


@pytest.mark.parametrize(
    ("key", "decided", "counts"),
    [
        ("training.momentum", {}, False),
        ("training.momentum", {"training.optimizer": "SGD"}, True),
        ("training.min_lr", {}, False),
        ("training.min_lr", {"training.scheduler": "plateau"}, True),
        ("training.warmup_epochs", {}, True),
        ("training.warmup_epochs", {"training.scheduler": "OneCycle"}, False),
        ("training.loss", {"model.name": "EDSR"}, True),
        ("training.loss", {"model.name": "DDPM"}, False),
        ("memory.shard", {}, False),
        ("memory.shard", {"devices.processes": 2}, True),
        ("devices.nodes", {}, False),
        ("devices.nodes", {"devices.launcher": "slurm"}, True),
        ("devices.rdzv_endpoint", {"devices.launcher": "slurm"}, False),
    ],
)
def test_an_option_counts_where_it_says(key: str, decided: dict[str, Any], counts: bool) -> None:
    answers = Answers()
    for name, value in decided.items():
        answers.set(name, value)
    assert named(key).applies(Circumstances(answers, static_fields=())) is counts


@pytest.mark.parametrize(("static", "counts"), [((), False), (("00_lon", "01_lat"), True)])
def test_areas_need_latitudes(static: tuple[str, ...], counts: bool) -> None:
    at = Circumstances(Answers(), static_fields=static)
    assert named("training.area_weights").applies(at) is counts


def test_a_text_that_is_no_choice_is_refused_when_a_run_config_is_read() -> None:
    with pytest.raises(ValidationError):
        TrainingAnswers(loss="Huber")


# The registries: every entry can be built and does something


@pytest.mark.parametrize("name", [entry.name for entry in LOSSES])
def test_every_loss_is_there(name: str) -> None:
    sr, hr = torch.zeros(2, 1, 3, 4), torch.ones(2, 1, 3, 4)
    losses = sample_losses(sr, hr, torch.ones_like(hr, dtype=torch.bool), name)
    assert losses.shape == (2,)
    assert (losses > 0).all()


@pytest.mark.parametrize("name", [entry.name for entry in OPTIMIZERS])
def test_every_optimizer_is_there(name: str) -> None:
    network = torch.nn.Linear(1, 1)
    optimizer = build_optimizer(network, TrainingAnswers(optimizer=name, lr=0.1))
    network(torch.ones(1, 1)).sum().backward()
    before = network.weight.item()
    optimizer.step()
    assert network.weight.item() < before


@pytest.mark.parametrize("name", [entry.name for entry in SCHEDULES])
def test_every_schedule_is_there(name: str) -> None:
    assert 0 < learning_rate(TrainingAnswers(scheduler=name, lr=0.1), 0.5) <= 0.1


@pytest.mark.parametrize("entry", NORMALIZATIONS, ids=lambda entry: entry.name)
def test_every_normalization_is_there(entry: Any) -> None:
    ones = np.ones((2, 3))
    moments = Moments(5 * ones.astype(int), ones, 5 * ones, 1.0, 1.0, lowest=-1.0, highest=3.0)
    mean, std = entry.function()(moments)
    assert mean.shape == std.shape == ((2, 3) if entry.per_point else (1, 1))
    assert (std > 0).all()


def test_the_registries_bring_in_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, srwizard.settings.options;"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_a_network_can_start_from_are_the_simple_methods() -> None:
    assert [value.name for value in SKIPS] == ["auto", *METHODS, "none"]


# The examples

EVERY_OPTION = [*OPTIONS, *options(PREPARE)]


@pytest.mark.parametrize("declared", EVERY_OPTION, ids=[one.key for one in EVERY_OPTION])
def test_the_example_of_the_reference_can_stand_in_an_answers_file(declared: Declared) -> None:
    line = reference.example_line(declared)
    assert "\n" not in line
    assert declared.example not in (None, [], {})
    sections = declared.section.split(".") if declared.section else []
    text = "".join(f"{'  ' * depth}{name}:\n" for depth, name in enumerate(sections))
    if declared.key == "model.params":  # they are checked against the model
        text += "  name: SwinIR\n"
    text += "  " * len(sections) + line
    answers = parse_answers(yaml_file.parse(text.encode(), "answers.yaml"))
    value = answers.get(declared.key)
    assert value == declared.example or declared.key == "data.prepare", value
