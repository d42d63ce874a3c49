"""What differs between the operating systems we bake, as one object each."""
