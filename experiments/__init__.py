"""The experiment files, one question each, installed with the program so that `boundcheck demo` needs no checkout."""
