"""The auth service: OAuth 2 tokens, sessions, API keys, and the gateway's authorisation call, kept in PostgreSQL."""
