"""What may be said of simulated numbers, and how surely. Used by the engines' owners, by sizing, sweeps and reports.

``forecast`` is the answer of a run, and of several. It is put together from ``latencies`` (and ``counted``), ``uses``,
``bottleneck``, ``keeping_up``, ``recovery``, ``alerts``, ``amplification``, ``cost``; ``membership`` and ``readings``
read a run for them. ``replicate`` makes runs with seeds of their own. ``exact`` is what theory says (``paths``,
``one_queue``).

Below them is statistics: ``sketch`` keeps a distribution in bounded memory. ``warm_up`` finds where a run has settled,
``interval`` says how sure a mean or a quantile is, ``steady_state`` joins both for one long run, ``precision`` says
when to stop, ``saturation`` when there is no steady state at all. ``student`` is the distribution that they share.
"""
