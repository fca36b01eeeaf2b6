"""Damaged manifests, sessions, weights, half predictions, names of GPUs: never a crash."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srwizard.base.errors import UsageError
from srwizard.base.files import parse_json
from srwizard.memory.gpu_catalog import capacity
from srwizard.models import weights_file
from tests.datasets import write_dataset
from tests.robustness.damage import damaged, damaged_json
from tests.robustness.in_process import run_here
from tests.robustness.raw_record import write_raw
from tests.train.runs import freeze, trained

QUICK = settings(max_examples=8, suppress_health_check=list(HealthCheck), derandomize=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("inputs")
    freeze(write_dataset(place / "data"), place / "run", epochs=1)
    trained(place / "run")
    write_raw(place)
    words = ("prepare", place / "raw.nc", "--variable", "sst", "--scale", 2, "-o", place / "made")
    assert run_here(*words).code == 0
    return place


@QUICK
@given(data=st.data())
def test_a_manifest(place: Path, data: st.DataObject) -> None:
    manifest = place / "made" / "manifest.json"
    sound = manifest.read_bytes()
    manifest.write_bytes(data.draw(damaged_json(json.loads(sound))))
    try:
        ended = run_here("inspect", place / "made")
        assert ended.code in (0, 3), ended.said
        words = ("prepare", place / "raw.nc", "--variable", "sst", "--scale", 2)
        ended = run_here(*words, "-o", place / "made")
        assert ended.code in (0, 2, 3), ended.said
    finally:
        manifest.write_bytes(sound)


@QUICK
@given(data=st.data())
def test_a_session(place: Path, data: st.DataObject) -> None:
    session = {
        "schema_version": 2, "id": "20260101-000000-abcd", "created": "2026-01-01T00:00:00+00:00",
        "updated": "2026-01-01T00:00:00+00:00", "state": "model", "reason": None,
        "answers": {"data": {"root": str(place / "data")}, "model": {"name": "EDSR"}},
        "editing": False, "digests": ["sha256:0"], "fingerprint": None, "recipe": {},
        "history": [],
    }  # fmt: skip
    file = place / "session.json"
    file.write_bytes(data.draw(damaged_json(session)))
    for words in (("resume", file), ("answers", "--from", file)):
        ended = run_here(*words)
        assert ended.code in (0, 2), ended.said
        assert "itself failed" not in ended.said


@QUICK
@given(data=st.data())
def test_weights(place: Path, data: st.DataObject) -> None:
    bundle = place / "bundle"
    if not bundle.exists():
        assert run_here("export", place / "run", "-o", bundle).code == 0
    copy = place / "damaged"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(bundle, copy)
    name = data.draw(st.sampled_from(["model.safetensors", "config.json"]))
    (copy / name).write_bytes(data.draw(damaged((copy / name).read_bytes())))
    with contextlib.suppress(UsageError):
        weights_file.describe(copy)
    checkpoint = place / "run" / "checkpoints" / "best.pt"
    (copy / "best.pt").write_bytes(data.draw(damaged(checkpoint.read_bytes())))
    words = ("models", "--import-weights", copy / "best.pt", "--model", "EDSR", "--scale", 2)
    ended = run_here(*words, "-o", copy / "out.safetensors")
    assert ended.code in (0, 2), ended.said


@pytest.mark.parametrize("content", [{}, {"identity": 1}, {"identity": {"model": None}}, []])
def test_a_checkpoint_of_somebody_else(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(UsageError, match=r"other\.pt"):
        weights_file.describe(tmp_path / "other.pt")


@given(text=st.text() | st.from_regex(r"\d+(\.\d+)?\s?[MG](iB)?"))
def test_names_and_sizes_of_gpus(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert capacity(text) >= 0


def test_an_endless_size_of_a_gpu() -> None:
    with pytest.raises(UsageError):
        capacity("9" * 400 + "GiB")


@QUICK
@given(data=st.data())
def test_a_half_prediction(place: Path, data: st.DataObject) -> None:
    out, whole = place / "out.nc", place / "whole.nc"
    command = ("predict", place / "run", place / "data", "-o")
    if not whole.exists():
        assert run_here(*command, whole).code == 0
    note = {"identity": {"run": "x"}, "done": 1, "places": {"temp": [2048, 1536]}}
    partial, said = out.with_name("out.nc.partial"), out.with_name("out.nc.partial.json")
    partial.write_bytes(data.draw(damaged(whole.read_bytes()[:9000])))
    said.write_bytes(data.draw(damaged_json(note)))
    try:
        ended = run_here(*command, out)
        assert ended.code in (0, 2), ended.said
        if ended.code == 0:
            with xr.open_dataset(out) as again:
                assert np.isfinite(again["temp"].to_numpy()).any()
    finally:
        for file in (partial, said, out):
            file.unlink(missing_ok=True)


@given(number=st.integers(-(10**400), 10**400))
def test_numbers_that_64_bits_do_not_hold(number: int) -> None:
    found = parse_json(str(number))
    assert isinstance(found, float) or -(2**63) <= found < 2**63


@pytest.mark.parametrize("text", ["1e400", "-1e400", "NaN", "Infinity", "0." + "0" * 5000 + "1"])
def test_numbers_that_are_none_can_be_read(text: str) -> None:
    assert isinstance(parse_json(text), float)
