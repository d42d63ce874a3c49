"""Stand-in made by the amiforge sandbox: has a version and nothing else."""

__version__ = "@VERSION@"
