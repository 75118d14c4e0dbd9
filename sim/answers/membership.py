"""Which requests a window is about: one rule for objectives, answers and comparisons. Used wherever a run is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from windtunnel.spec.run import Run
from windtunnel.spec.scenario import Window


def belongs(run: Run, window: Window) -> NDArray[np.bool_]:
    """For each row of the samples, whether its intended start lies in the window, however late it ended.

    With one exception: a request that is still in flight when a fault begins belongs to the fault's window, since the
    fault may be what it fails of.
    """
    intended_s = run.samples["intended_s"].to_numpy()
    scenario = run.record.scenario
    owned_s = intended_s.copy()
    for begins_s in {w.start_s for w in scenario.windows.spans() for f in scenario.faults if f.at == w.name}:
        owned_s[(intended_s < begins_s) & (run.samples["done_s"].to_numpy() > begins_s)] = begins_s
    inside: NDArray[np.bool_] = (owned_s >= window.start_s) & (owned_s < window.end_s)
    return inside
