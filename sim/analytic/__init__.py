"""Exact answers of queueing theory: what the engines are tested against, and what answers without simulating.

Times are in any one unit, rates in its inverse. Nothing here knows an engine, a file or a scenario.
"""
