"""The app: a chat over HTTP that keeps conversations in PostgreSQL, caches answers and asks an LLM."""
