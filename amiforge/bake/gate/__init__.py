"""The gate: what an image must show on a fresh instance, twice, before it counts as good."""
