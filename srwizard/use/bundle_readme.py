"""README.md of a bundle: how it is used as a run, and what its network does by itself."""

from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.train.seam import seam_of
from srwizard.use.run import Run

AS_A_RUN = """\
from srwizard import load_run
run = load_run(".")
sr = run.predict(lrGUIDES)
"""
"""How a bundle is used, in its directory."""
LOADING = """\
import json
from safetensors.torch import load_file
from srwizard import models
network = models.build(**json.load(open("config.json"))["network"])
network.load_state_dict(load_file("model.safetensors"))
"""
"""How a bundle is loaded, in its directory."""
SEEN = """\
import numpy as np, torch
from srwizard.data.gaps import NearestFill
s = np.load("statistics.npz")
seen = [NearestFill(FILL)(part) for part in (lr - s["lr_mean"]) / s["lr_std"]]
"""
SEEN_BESIDE_SKIP = """\
from pathlib import Path
import numpy as np, torch
from srwizard.data.baselines.learnt import load, skip_of
from srwizard.data.gaps import NearestFill
s = np.load("statistics.npz")
skip = skip_of(list(load(Path("baselines.npz"), "bundle").values()))
seen = [NearestFill(FILL)(part) for part in skip.normalized(lr, s["lr_mean"], s["lr_std"])]
base, spread = skip(lr), skip.spread
"""
OUTPUT = """\
x = torch.from_numpy(np.concatenate([seen, s["static"]]))[None]
with torch.no_grad():
    output = network.eval()(x.float())
"""
OUTPUT_ACROSS_THE_SEAM = """\
from srwizard.models.padding import across, within
x = torch.from_numpy(np.concatenate([seen, s["static"]]))[None]
with torch.no_grad():
    output = within(network.eval()(across(x.float(), COARSE)), FINE)
"""
CONSERVED = """\
from srwizard.train.conservation import blocks_for, conserved
output = conserved(output, blocks_for(lr, base, spread, s["block_shares"]))
"""
IN_PHYSICAL_UNITS = """\
sr = base + output[0].numpy() * spread
sr[s["hr_observed"] == 0] = np.nan
sr[~np.isfinite(lr).any(axis=(1, 2))] = np.nan
"""


def readme(run: Run, *, onnx: bool) -> str:
    """Return README.md of a bundle: how it is used, and how its network is applied by itself.

    Args:
        run: that is in the bundle.
        onnx: whether the bundle holds the prediction as ONNX, too.
    """
    title = _("{model}, {scale}x super-resolution of {names}",
              model=run.config.model.name, scale=run.scale,
              names=", ".join(run.variables))  # fmt: skip
    predicting = _(
        'Super-resolve NetCDF files in this directory (pip install "srwizard[export]"), or arrays '
        "lr [C, h, w] in physical units, NaN in gaps. The bundle is used as a run directory is: "
        "gaps, land, units and the grid are taken care of."
    )
    loading = _("Load the network alone:")
    use = _(
        "It takes and gives normalized fields: [N, C + S, h, w] -> [N, C, H, W]. In statistics.npz "
        "are lr_mean, lr_std, hr_mean, hr_std, the static input channels (S), and hr_observed, 0 "
        "on land. Points of LR without a value are filled with the nearest one before."
    )
    if run.config.model.skip is not None:
        use += " " + _(
            "It gives what a simple method misses, which is in baselines.npz, in units of that "
            "method's spread."
        )
    applying = _(
        "Apply it to lr [C, h, w] on the grid of the training, in physical units, NaN in gaps:"
    )
    if run.guides:
        use += " " + _(
            "Behind the static channels come the guides of every step, {names}, at high "
            "resolution: less their mean, divided by their spread (guide_scales in config.json), "
            "0 in gaps, and as blocks of {scale} x {scale} points (torch.pixel_unshuffle).",
            names=", ".join(run.guides),
            scale=run.scale,
        )
    if run.config.data.static_guides:
        use += " " + _(
            "The last of the static channels are the guide fields {names}, as blocks of "
            "{scale} x {scale} HR points (torch.pixel_unshuffle).",
            names=", ".join(run.config.data.static_guides),
            scale=run.scale,
        )
    if run.draws_samples:
        use += " " + _n(
            "Every call draws one of many possible fields; srwizard predict takes one, too.",
            "Every call draws one of many possible fields; srwizard predict takes the mean of "
            "{count}.",
            run.member_count(None),
            count=run.member_count(None),
        )
    if run.draws_samples and run.checkpoint.gain:
        use += " " + _(
            "Of an ensemble, move each member by (g - 1) times the mean of all outputs; g of each "
            "variable is ensemble_gain in config.json (srwizard.train.correction)."
        )
    if seam := seam_of(run.config):
        use += " " + _(
            "The grid goes round the globe: the nearest value may lie across its seam. The input "
            "is widened by its last and first {seam} columns (across, of srwizard.models.padding), "
            "and the output cut back by {fine} columns on each side (within).",
            seam=seam,
            fine=seam * run.scale,
        )
    as_a_run = AS_A_RUN.replace("GUIDES", ", guides=guides" if run.guides else "")
    beside = " --guide GUIDES.nc" if run.guides else ""
    parts = [
        f"# {title}",
        predicting,
        f"```sh\nsrwizard predict . INPUT.nc -o OUT.nc{beside}\n```",
        f"```python\n{as_a_run}```",
        loading,
        f"```python\n{LOADING}```",
        use,
    ]
    if run.config.memory.tile:
        parts.append(
            _("Whole fields go through it in tiles of {tile} x {tile} HR points, overlapping and "
              "blended (srwizard.train.tiling).", tile=run.config.memory.tile)
        )  # fmt: skip
    if not (run.guides or run.draws_samples or run.config.memory.tile):
        parts += [applying, f"```python\n{_applied(run)}```"]
    if onnx:
        parts.append(
            _(
                "model.onnx is the whole prediction, in physical units: lr [N, C, h, w], NaN in "
                "gaps, and nearest [N, C, h, w], for each point the flat index of the nearest one "
                "with a value, give sr [N, C, H, W]."
            )
        )
    return "\n\n".join(parts) + "\n"


def _applied(run: Run) -> str:
    """Return the code from `lr` to `sr`."""
    seen, output, seam = SEEN_BESIDE_SKIP, OUTPUT, seam_of(run.config)
    if run.config.model.skip is None:
        seen = SEEN + 'base, spread = s["hr_mean"], s["hr_std"]\n'
    if seam:
        output = OUTPUT_ACROSS_THE_SEAM.replace("COARSE", str(seam))
        output = output.replace("FINE", str(seam * run.scale))
    seen = seen.replace("FILL", "periodic=True" if run.config.data.periodic else "")
    return seen + output + (CONSERVED if run.config.conserves else "") + IN_PHYSICAL_UNITS
