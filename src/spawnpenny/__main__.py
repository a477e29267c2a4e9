"""``python -m spawnpenny`` is the command ``spawnpenny``."""

from spawnpenny.cli import main

if __name__ == "__main__":
    main()
