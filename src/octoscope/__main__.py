"""`python -m octoscope` is the command line."""

from octoscope.cli.main import main

if __name__ == "__main__":
    main()
