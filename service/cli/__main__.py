"""Run the command line as ``python -m volition.service.cli``."""

from volition.service.cli import main

if __name__ == "__main__":
    main()
