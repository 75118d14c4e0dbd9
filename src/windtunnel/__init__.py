"""Windtunnel: one scenario, forecast by a model and measured on the real stack.

The rooms stand at the top of the repository (spec/, sim/, harness/, ...); here each is a
link, so that they are imported as ``windtunnel.spec`` in a checkout and from a wheel alike,
and never collide with a ``sim`` or ``tests`` of a user's own repository.
"""
