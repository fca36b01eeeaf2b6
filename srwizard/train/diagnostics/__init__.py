"""Where, when and how sure: what is told of a test split beside its scores."""
