"""The commands by subject: each module lists its own as COMMANDS; cli.py adds them."""
