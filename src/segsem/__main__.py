"""`python -m segsem`: the command line."""

from segsem.cli.app import main

if __name__ == "__main__":
    main()
