"""Machines we can run `sh` on: over SSH, this one, or a fake one for tests."""
