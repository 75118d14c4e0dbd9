"""The parts of a Model, a file each: what ``sim.compiler`` makes of flows, components, links and faults."""
