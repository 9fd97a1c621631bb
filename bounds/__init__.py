"""The first-party bounds, one theorem a file."""
