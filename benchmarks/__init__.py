"""How fast the engines are, in one run with plain SimPy and with Ciw. See README.md; not part of the package."""
