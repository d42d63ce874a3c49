"""Ask a host what it is, compare with what it should be, change the difference, and ask again."""
