"""`boundcheck bounds new`: a package with one theorem in it, complete enough to be installed and tested as it is."""

from .scaffold import write as write
