"""What a user decides, and what is frozen of it. Imports no torch."""
