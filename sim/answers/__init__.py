"""What may be said of simulated numbers, and how surely. Used by the engines' owners, by sizing and by sweeps.

``sketch`` keeps a distribution in bounded memory. ``warm_up`` finds where a run has settled, ``interval`` says how sure
a mean or a quantile is, ``steady_state`` joins both for one long run, ``precision`` says when to stop, ``saturation``
when there is no steady state at all. ``student`` is the distribution that they share. Numpy only.
"""
