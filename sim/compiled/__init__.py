"""The fast engine: a model's tables, executed by one compiled loop. See ../ENGINES.md."""

from windtunnel.sim.compiled.execute import Compiled, execute

__all__ = ["Compiled", "execute"]
