"""Side-by-side measurements on the real broker."""
