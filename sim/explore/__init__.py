"""Many simulations to one question: sweeps over any parameter, and the cheapest configuration that is good enough.

``subject`` is what is simulated and how keys change it, ``axis`` the values of a key, ``trial`` one cheap simulation,
``workers`` where trials run, ``bench`` keeps them and judges objectives over several seeds. On these stand ``sweep``
(with its ``journal``), ``size`` and ``limit``. Used by the command line and by notebooks.
"""
