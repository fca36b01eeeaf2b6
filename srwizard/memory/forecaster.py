"""The process that predicts for the wizard: `python -m srwizard.memory.forecaster`.

Reads a JSON list of run configs from standard input and keeps a forecast of each; a model that
cannot be built on this data is left out.
"""

import json
import sys

from srwizard.memory.forecast import Forecast, keep
from srwizard.memory.predict import predict
from srwizard.settings.run_config import RunConfig


def main() -> None:
    """Predict every run that is asked for."""
    for values in json.load(sys.stdin):
        run = RunConfig.model_validate(values)
        try:
            keep(run, forecast(run))
        except Exception as error:
            print(f"{run.model.name}: {type(error).__name__}: {error}", file=sys.stderr)


def forecast(run: RunConfig) -> Forecast:
    """Predict one run.

    Raises:
        Exception: whatever the network raises that cannot be built, or computed, on this data.
    """
    found = predict(run)
    return Forecast(found.parameters, found.peak_bytes, step_cost=found.step_cost)


if __name__ == "__main__":
    main()
