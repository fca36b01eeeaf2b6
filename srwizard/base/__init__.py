"""What every other package may use: languages, errors, whole files, locks, text width."""
