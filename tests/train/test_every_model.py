"""Every model goes through the training core: patches, mixed precision, checkpointing, resume."""

from pathlib import Path

import pytest
import torch

from srwizard.models import set_gradient_checkpointing
from srwizard.models.catalog import cards
from srwizard.runs.records import Records
from srwizard.train.loop import Callbacks, train
from srwizard.train.scoring import score
from tests.datasets import write_dataset
from tests.train.runs import epochs, freeze, made_ready, same_weights, trained, weights


@pytest.mark.slow
@pytest.mark.parametrize("name", cards())
def test_trains_stops_resumes_and_is_scored(name: str, tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", variables=("salt", "temp"), steps=(6, 2, 2))
    for run_dir in (tmp_path / "whole", tmp_path / "parts"):
        freeze(
            root, run_dir, model=name, patch_size=12, use_amp=True,
            static_variables=["lon", "lat"], batch_size=3,
        )  # fmt: skip
    torch.manual_seed(0)
    whole = made_ready(tmp_path / "whole")
    set_gradient_checkpointing(whole.bare, True)
    assert train(whole, tmp_path / "whole", Records(tmp_path / "whole"), Callbacks())
    stop = Callbacks(stop_requested=lambda: True)
    trained(tmp_path / "parts", stop)
    parts = trained(tmp_path / "parts")
    # Recomputing changes the order of sums in no network, and nothing is lost where it stopped.
    torch.testing.assert_close(
        weights(tmp_path / "whole"), weights(tmp_path / "parts"), rtol=1e-3, atol=1e-4
    )
    assert len(epochs(tmp_path / "parts")) == 2
    again = made_ready(tmp_path / "parts")
    assert same_weights(again.bare.state_dict(), parts.bare.state_dict())
    found = score(again, "test").variables
    assert set(found) == {"salt", "temp"}
    assert all(torch.tensor(found[key]["model"]["rmse"]).isfinite() for key in found)
