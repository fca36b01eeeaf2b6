"""How often to validate, so that validations take no longer than the training between them.

A validation goes through whole fields. Where training sees a patch of each field, an epoch may be a
small part of that work.
"""

import math

FORWARD_AND_BACKWARD = 3.0
"""What a point costs in training, in units of what it costs to be scored."""
LEAST_VALIDATIONS = 10
"""So many remain, that the best checkpoint is chosen among them."""


def patches_in_a_field(hr_shape: tuple[int, int], patch: int) -> float:
    """Return how many patches of so many HR points a side make up a field `[H, W]`."""
    height, width = hr_shape
    return height * width / (min(patch, height) * min(patch, width))


def validation_in_epochs(steps: dict[str, int], hr_shape: tuple[int, int], patch: int) -> float:
    """Return the work of a validation as a multiple of an epoch's on patches.

    Args:
        steps: of each split.
        hr_shape: `[H, W]` of the fields.
        patch: side of the patches in HR points.
    """
    trained = FORWARD_AND_BACKWARD * steps["train"]
    return steps["valid"] * patches_in_a_field(hr_shape, patch) / trained


def epochs_between(validation: float, epochs: int) -> int:
    """Return after how many epochs to validate.

    Args:
        validation: what one takes, as a multiple of what the training of an epoch takes.
        epochs: of the run.
    """
    return max(min(math.ceil(validation), epochs // LEAST_VALIDATIONS), 1)


def validations_of(epochs: int, eval_freq: int, done: int = 0) -> int:
    """Return how often a run is validated behind the epochs that are done; the last always is."""
    return -(-epochs // eval_freq) - done // eval_freq if done < epochs else 0
