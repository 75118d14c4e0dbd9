-- What the app keeps. Applied by every replica at its start, so each statement must be repeatable.
CREATE TABLE IF NOT EXISTS conversations (
    conversation_id uuid PRIMARY KEY,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS messages (
    message_id      uuid PRIMARY KEY,
    seq             bigserial NOT NULL UNIQUE,
    conversation_id uuid NOT NULL REFERENCES conversations (conversation_id),
    role            text NOT NULL CHECK (role IN ('user', 'assistant')),
    content         text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS messages_of_conversation ON messages (conversation_id, seq);
