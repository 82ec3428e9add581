"""``python -m fxsim``: the command of the same name."""
from fxsim.cli.start import main

if __name__ == "__main__":
    main()
