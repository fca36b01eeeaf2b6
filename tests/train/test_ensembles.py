"""The scores of ensembles, against an implementation that is not ours."""

import numpy as np
import properscoring
import pytest
import torch

from srwizard.train.ensembles import ensemble_sums


@pytest.mark.parametrize("count", [2, 7, 20])
def test_the_crps_is_the_fair_one_of_properscoring(count: int) -> None:
    """That of all pairs, from which the fair one follows: Ferro (2014), equation 6."""
    random = np.random.default_rng(count)
    members, truth = random.normal(size=(count, 2, 5, 6)), random.normal(size=(2, 5, 6))
    mask = random.random((2, 5, 6)) < 0.8
    sums = ensemble_sums(*(torch.from_numpy(part) for part in (members, truth, mask)))
    error = np.abs(members - truth).mean(axis=0)
    plain = properscoring.crps_ensemble(truth, members, axis=0)
    fair = error - (error - plain) * count / (count - 1)
    np.testing.assert_allclose(sums[:, 1], (fair * mask).sum(axis=(1, 2)), rtol=1e-10)
    np.testing.assert_allclose(sums[:, 2], mask.sum(axis=(1, 2)))
