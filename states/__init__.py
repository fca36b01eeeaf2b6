"""The states of the wizard, one file each. The order is in srwizard/wizard/machine.py."""
