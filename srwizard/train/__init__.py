"""The training core. It reads the frozen run config and nothing else of the wizard."""
