"""How questions are put: to a person in a terminal, or to an answers file."""
