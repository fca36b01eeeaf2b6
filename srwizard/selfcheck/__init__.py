"""The self-check: networks trained on fields whose best possible super-resolution is known."""
