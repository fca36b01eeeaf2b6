"""The commands by subject: each module lists its own as COMMANDS, which cli.py adds to the group."""
