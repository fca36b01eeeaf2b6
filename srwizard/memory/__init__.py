"""Peak memory of a run: measured by a dry run, judged, and made to fit."""
