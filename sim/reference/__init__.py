"""The readable engine: a Model executed with SimPy, written from ``../ENGINES.md``. The compiled one is held to it."""
