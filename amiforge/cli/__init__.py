"""The command line: one file a command. The only place that imports typer and rich.

Modules that hold commands import nothing heavy at their top, so that `amiforge --help` and shell completion answer at
once; pydantic, recipes and everything that reaches out come in when a command runs.
"""
