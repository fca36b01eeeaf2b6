"""What every figure of a test split is, from its definition: NumPy, SciPy and properscoring alone.

Nothing here is taken from srwizard. Fields are `[N, H, W]` in float64, NaN where HR has no value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import properscoring
from scipy import ndimage, signal, stats

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Told = dict[str, Any]
RADIUS_KM = 6371.0
GRAVITY, ROTATION = 9.81, 7.2921e-5


def rms(values: Array) -> float:
    """Return the root of the mean square of what has a value."""
    return float(np.sqrt(np.nanmean(np.square(values))))


def scores(sr: Array, hr: Array, low: float, span: float) -> Told:
    """Return the scores of one variable; `low` and `span` are the range in training."""
    there = np.isfinite(hr)
    error = (sr - hr)[there]
    ratio = radial_power(sr, there) / radial_power(np.where(there, hr, 0), there)
    return {
        "rmse": rms(error),
        "mae": np.abs(error).mean(),
        "bias": error.mean(),
        "psnr": 10 * np.log10(span**2 / np.mean(error**2)),
        "ssim": structural_similarity((sr - low) / span, (hr - low) / span)[there].mean(),
        "correlation": stats.pearsonr(sr[there], hr[there]).statistic,
        "spectrum_error": rms(10 * np.log10(ratio)),
    }


def structural_similarity(x: Array, y: Array) -> Array:
    """Return Wang's SSIM of fields from 0 to 1, moments over the points with a value."""
    there = np.isfinite(y)

    def mean(values: Array) -> Array:
        known = np.where(there, values, 0.0)
        parts = []
        for field in (known, there.astype(float)):
            for axis in (1, 2):
                field = ndimage.gaussian_filter1d(field, 1.5, axis, mode="constant", radius=5)
            parts.append(field)
        return parts[0] / np.maximum(parts[1], 1e-6)

    mx, my = mean(x), mean(y)
    c1, c2 = 0.01**2, 0.03**2
    both = mean(x * y) - mx * my
    vx, vy = mean(x * x) - mx**2, mean(y * y) - my**2
    return (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))


def radial_power(fields: Array, there: Mask) -> Array:
    """Return power by whole wavenumber along the shorter side, summed over the fields."""
    height, width = fields.shape[1:]
    known = np.where(there, fields, np.nan)
    anomaly = np.nan_to_num(known - np.nanmean(known, axis=(1, 2), keepdims=True))
    window = np.outer(signal.windows.hann(height), signal.windows.hann(width))
    power = (np.abs(np.fft.fft2(anomaly * window)) ** 2).sum(axis=0)
    shorter = min(height, width)
    y, x = (np.fft.fftfreq(size) * shorter for size in (height, width))
    ring = np.rint(np.hypot(*np.meshgrid(y, x, indexing="ij"))).astype(int)
    return np.bincount(ring.ravel(), power.ravel())[1 : shorter // 2 + 1]


def effective_resolution(sr: Array, hr: Array, cell_km: float) -> Told:
    """Return the wavelength at which the error first has half of the power of HR."""
    there = np.isfinite(hr)
    ratio = radial_power(sr - hr, there) / radial_power(hr, there)
    shorter = min(hr.shape[1:])
    above = np.flatnonzero(ratio >= 0.5)
    if not above.size:
        waves = float(len(ratio))
    elif above[0] == 0:
        return {"cells": None, "km": None}
    else:
        near = above[0] + np.array([-1, 0])
        log = np.interp(np.log(0.5), np.log(ratio[near]), np.log(near + 1.0))
        waves = float(np.exp(log))
    return {"cells": shorter / waves, "km": shorter / waves * cell_km}


@dataclass(frozen=True)
class Earth:
    """A grid whose rows are parallels: latitudes `[H]` and longitudes `[W]` in degrees."""

    lat: Array
    lon: Array

    @property
    def cell_km(self) -> float:
        """The side of a square as large as a mean cell."""
        dy, dx = (np.deg2rad(abs(part[1] - part[0])) for part in (self.lat, self.lon))
        return float(RADIUS_KM * np.sqrt(dy * dx * np.cos(np.deg2rad(self.lat)).mean()))

    def northward(self, field: Array) -> Array:
        """Return d/dy per km, at the inner points."""
        way = RADIUS_KM * np.deg2rad(self.lat)
        return np.gradient(field, way, axis=1)[:, 1:-1, 1:-1]

    def eastward(self, field: Array) -> Array:
        """Return d/dx per km, at the inner points."""
        way = RADIUS_KM * np.deg2rad(self.lon)
        along = np.gradient(field, way, axis=2) / self.cosine
        return np.asarray(along[:, 1:-1, 1:-1])

    @property
    def cosine(self) -> Array:
        """Of the latitude, `[H, 1]`."""
        return np.cos(np.deg2rad(self.lat))[:, None]

    def around(self, there: Mask) -> Mask:
        """Return where a point and its four neighbours have a value, at the inner points."""
        cross = ndimage.generate_binary_structure(2, 1)[None]
        return ndimage.binary_erosion(there, cross)[:, 1:-1, 1:-1]

    def km_from(self, places: Mask) -> Array:
        """Return the distance of each point from the nearest of `places`, by the haversine."""
        lat, lon = np.meshgrid(np.deg2rad(self.lat), np.deg2rad(self.lon), indexing="ij")
        north, east = (part[..., None] - part[places] for part in (lat, lon))
        half = np.sin(north / 2) ** 2
        half = half + np.cos(lat)[..., None] * np.cos(lat[places]) * np.sin(east / 2) ** 2
        found: Array = 2 * RADIUS_KM * np.arcsin(np.sqrt(half))
        return found.min(axis=-1)


def gradient(sr: Array, hr: Array, earth: Earth) -> Told:
    """Return RMSEs of the gradient and of the percentiles of its magnitude in each field."""
    there = earth.around(np.isfinite(hr))
    parts = [(earth.northward(field), earth.eastward(field)) for field in (sr, hr)]
    squared = sum((ours - theirs) ** 2 for ours, theirs in zip(*parts, strict=True))
    fronts = np.array(
        [[np.percentile(np.hypot(*pair)[n][there[n]], (95, 99)) for n in range(len(hr))]
         for pair in parts]
    )  # fmt: skip
    p95, p99 = np.sqrt(np.mean((fronts[0] - fronts[1]) ** 2, axis=0))
    truth = dict(zip(("p95", "p99"), fronts[1].mean(axis=0), strict=True))
    return {"own": {"rmse": np.sqrt(squared[there].mean()), "p95": p95, "p99": p99}, "truth": truth}


def geostrophic_speed(sr: Array, hr: Array, earth: Earth) -> float:
    """Return the RMSE of g / |f| |grad|, in m/s of sea level in m, outside of 5 degrees."""
    away = (np.abs(earth.lat) >= 5)[None, 1:-1, None]
    there = earth.around(np.isfinite(hr)) & away
    factor = GRAVITY / (2 * ROTATION * np.abs(np.sin(np.deg2rad(earth.lat))))[None, 1:-1, None]
    ours, theirs = (
        factor * np.hypot(earth.northward(field), earth.eastward(field)) / 1000
        for field in (sr, hr)
    )
    return rms((ours - theirs)[there])


def vector(sr: tuple[Array, Array], hr: tuple[Array, Array], earth: Earth) -> Told:
    """Return the errors of eastward and northward components in m/s."""
    both = np.isfinite(hr[0]) & np.isfinite(hr[1])
    ours, theirs = (pair[0][both] + 1j * pair[1][both] for pair in (sr, hr))
    energy, true_energy = np.abs(ours) ** 2 / 2, np.abs(theirs) ** 2 / 2
    turned = np.angle(ours / theirs, deg=True)
    inner = earth.around(both)
    turning = [
        (earth.eastward(v) - earth.northward(u * earth.cosine) / earth.cosine[1:-1])[inner]
        for u, v in (sr, hr)
    ]
    spreading = [
        (earth.eastward(u) + earth.northward(v * earth.cosine) / earth.cosine[1:-1])[inner]
        for u, v in (sr, hr)
    ]
    return {
        "speed_rmse": rms(np.abs(ours) - np.abs(theirs)),
        "direction_rmse": np.sqrt(np.average(turned**2, weights=np.abs(theirs))),
        "kinetic_energy_rmse": rms(energy - true_energy),
        "kinetic_energy_bias": energy.sum() / true_energy.sum() - 1,
        "vorticity_rmse": rms(turning[0] - turning[1]) / 1000,
        "divergence_rmse": rms(spreading[0] - spreading[1]) / 1000,
    }


def consistency(field: Array, lr: Array) -> Told:
    """Return how far block means over what has a value are from LR."""
    count, height, width = lr.shape
    scale = field.shape[1] // height
    blocks = field.reshape(count, height, scale, width, scale)
    sums, points = np.nansum(blocks, axis=(2, 4)), np.isfinite(blocks).sum(axis=(2, 4))
    off = np.divide(sums, points, out=np.full_like(sums, np.nan), where=points > 0) - lr
    return {"rmse": rms(off), "largest": float(np.nanmax(np.abs(off)))}


def ensemble(members: Array, hr: Array) -> Told:
    """Return spread and fair CRPS of members `[M, N, H, W]`."""
    count, there = len(members), np.isfinite(hr)
    ours, truth = np.moveaxis(members, 0, -1)[there], hr[there]
    error = np.abs(ours - truth[:, None]).mean(axis=1)
    plain = properscoring.crps_ensemble(truth, ours)
    fair = error - (error - plain) * count / (count - 1)
    return {"spread": np.sqrt(ours.var(axis=1, ddof=1).mean()), "crps": fair.mean()}


def calibration(members: Array, hr: Array, spread_in_training: float) -> Told:
    """Return the rank histogram, and spread against error in bins a factor of sqrt(2) wide."""
    count, there = len(members), np.isfinite(hr)
    ours, truth = np.moveaxis(members, 0, -1)[there], hr[there]
    ranks = stats.rankdata(np.column_stack([truth, ours]), axis=1, method="min")[:, 0] - 1
    variance, squared = ours.var(axis=1, ddof=1), (ours.mean(axis=1) - truth) ** 2
    edges = 2 * spread_in_training * 2.0 ** (-np.arange(24, -1, -1) / 2)
    bins = np.clip(np.digitize(np.sqrt(variance), edges, right=True), 1, 24)
    chosen = [bins == number for number in np.unique(bins)]
    adjusted = (count + 1) / count
    return {
        "members": count,
        "rank_histogram": np.bincount(ranks.astype(int), minlength=count + 1) / len(ranks),
        "points": [float(part.sum()) for part in chosen],
        "spread": [np.sqrt(adjusted * variance[part].mean()) for part in chosen],
        "rmse": [np.sqrt(squared[part].mean()) for part in chosen],
        "ratio": np.sqrt(adjusted * variance.mean() / squared.mean()),
    }


def chosen(fields: dict[str, Array], hr: Array, members: Array | None, where: Mask) -> Told:
    """Return the RMSE of each method where `where` `[H, W]` or `[N, H, W]` is true."""
    there = np.isfinite(hr) & where
    told: Told = {name: {"rmse": rms((field - hr)[there])} for name, field in fields.items()}
    if members is not None:
        variance = members.var(axis=0, ddof=1)[there].mean()
        adjusted = (len(members) + 1) / len(members)
        told["model"]["spread"] = np.sqrt(variance)
        told["model"]["ratio"] = np.sqrt(adjusted * variance) / told["model"]["rmse"]
    return told | {"points": float(there.sum())}


def regions(sea: Mask, depth: Array, coast_cells: float) -> dict[str, Mask]:
    """Return the points near the coast, on the shelf, and in the open sea."""
    y, x = np.nonzero(~sea)
    rows, columns = np.indices(sea.shape)[..., None]
    cells = np.hypot(rows - y, columns - x).min(axis=-1)
    coast = sea & (cells <= coast_cells)
    shelf = sea & ~coast & (depth < 200)
    return {"coast": coast, "shelf": shelf, "open_sea": sea & ~coast & ~shelf}


def by_distance(sea: Mask, earth: Earth) -> Iterator[tuple[Told, Mask]]:
    """Yield the limits of the bins of distance from the coast, and their points."""
    km = earth.km_from(~sea)
    edges = [0, 25, 50, 100, 200, 500, np.inf]
    for low, high in pairwise(edges):
        there = sea & (km > low) & (km <= high)
        if there.any():
            yield {"from": low, "to": None if high == np.inf else high, "unit": "km"}, there


def on_the_map(field: Array, hr: Array, best: Array, earth: Earth) -> Told:
    """Return what the maps of mean error and RMSE say of one method."""
    with np.errstate(invalid="ignore"):
        mean = np.nanmean(field - hr, axis=0)
        rmse, theirs = (np.sqrt(np.nanmean((one - hr) ** 2, axis=0)) for one in (field, best))
    seen = np.isfinite(mean)
    row, column = np.unravel_index(np.nanargmax(rmse), rmse.shape)
    return {
        "own": {
            "mean_error_rms": rms(mean[seen]),
            "rmse_p95": np.percentile(rmse[seen], 95),
            "worst": {
                "rmse": rmse[row, column], "row": row, "column": column,
                "lat": earth.lat[row], "lon": earth.lon[column],
            },
        },
        "points": seen.sum(),
        "better": (rmse[seen] < theirs[seen]).mean(),
    }  # fmt: skip
