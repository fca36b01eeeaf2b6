"""The wizard: its machine, the conversation, the session, and what a session resolves to."""
