"""Run the command line: ``python -m remgcl``."""

from remgcl.cli import main

main()
