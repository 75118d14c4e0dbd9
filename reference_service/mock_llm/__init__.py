"""A mock of the Anthropic Messages API: its wire format, and the physics of a provider with few decode slots."""
