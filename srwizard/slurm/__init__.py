"""Slurm: what it offers, the job script, jobs that wait, run and end. Imports no torch."""
