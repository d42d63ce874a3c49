"""What Acme's machine images have beside everybody else's."""
