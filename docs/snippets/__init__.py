"""What `make docs-check` is made of: reading pages, the data that they speak of, and running their lines."""
