"""Using a trained run: predictions, the Python interface, bundles to hand on."""
