"""How good an ensemble is: its spread and its CRPS, over the points that have a value.

Sums are kept, as in `metrics`. Of a good ensemble the spread is as large as the RMSE of its mean
(but for the factor sqrt((n + 1) / n), n being its members: Fortin et al., J. Hydrometeorol. 15,
2014, equation 15), and the CRPS, in the unit of the variable, is as small as it can be. For a
single field the CRPS is the mean absolute error.
"""

import torch
from torch import Tensor

SUMS = ("variance", "crps", "points")


def ensemble_sums(members: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Return the sums that spread and CRPS are made of.

    The CRPS is the fair one, which does not depend on the number of members (Ferro, Q. J. R.
    Meteorol. Soc. 140, 2014, equation 6).

    Args:
        members: `[n, C, H, W]` in physical units, n at least 2.
        truth: `[C, H, W]`; what stands under the mask does not matter.
        mask: `[C, H, W]`, True where the truth has a value.

    Returns:
        `[C, 3]`, float64, in the order of `SUMS`.
    """
    count = len(members)
    error = (members - truth).abs().mean(dim=0)
    # The sum over all pairs |x_i - x_j| from the sorted members: x_(i) stands above i others and
    # below n - 1 - i.
    ranks = torch.arange(count, device=members.device, dtype=members.dtype)
    weights = (2 * ranks - (count - 1)).view(-1, 1, 1, 1)
    pairs = (weights * members.sort(dim=0).values).sum(dim=0)
    crps = error - pairs / (count * (count - 1))
    parts = (members.var(dim=0), crps, torch.ones_like(crps))
    return torch.stack(
        [torch.where(mask, part, 0.0).double().sum(dim=(1, 2)) for part in parts], dim=1
    )


def scores_of(sums: Tensor) -> dict[str, Tensor]:
    """Return spread and CRPS `[...]` from sums `[..., 3]`, NaN where there is no point."""
    variance, crps, points = sums.unbind(-1)
    points = torch.where(points > 0, points, torch.nan)
    return {"spread": (variance / points).sqrt(), "crps": crps / points}


def add_ensemble_scores(
    table: dict[str, dict[str, object]], sums: Tensor
) -> dict[str, dict[str, object]]:
    """Return a table of scores with spread and CRPS of the model, and the CRPS of simple methods.

    Args:
        table: from `metrics.scores_table`.
        sums: `[C, 3]` for the same variables.
    """
    found = {}
    for (name, scores), part in zip(table.items(), sums, strict=True):
        model = scores["model"]
        assert isinstance(model, dict)
        ensemble = {key: float(value) for key, value in scores_of(part).items()}
        found[name] = scores | {
            "model": model | ensemble,
            # A single field is an ensemble whose CRPS is its mean absolute error.
            **{
                method: simple | {"crps": simple["mae"]}
                for method, simple in scores.items()
                if method != "model" and isinstance(simple, dict)
            },
        }
    return found
