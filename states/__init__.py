"""The states of the wizard, one file each; srwizard/wizard/transition_table.py lists them."""
