-- Everything that the auth service keeps. Applied by every replica at its start, so each statement is repeatable.
-- Of what a client presents (secrets, codes, tokens, cookies, keys) only SHA-256 is here; all of it is random.
CREATE SCHEMA IF NOT EXISTS auth;

CREATE TABLE IF NOT EXISTS auth.signing_keys (
    kid             text PRIMARY KEY,
    algorithm       text NOT NULL,
    state           text NOT NULL CHECK (state IN ('next', 'current', 'retired')),
    public_jwk      jsonb NOT NULL,
    private_wrapped bytea NOT NULL,                 -- AES-256-GCM, bound to the kid
    current_since   timestamptz,
    published_until timestamptz                     -- of a retired key: when its last token has expired
);
CREATE UNIQUE INDEX IF NOT EXISTS one_key_in_each_state
    ON auth.signing_keys (algorithm, state) WHERE state <> 'retired';

CREATE TABLE IF NOT EXISTS auth.users (
    user_id       uuid PRIMARY KEY,
    tenant        text NOT NULL,
    username      text NOT NULL,
    password_hash text NOT NULL,                    -- argon2id, with its parameters
    UNIQUE (tenant, username)
);

CREATE TABLE IF NOT EXISTS auth.clients (
    client_id     text PRIMARY KEY,
    tenant        text NOT NULL,
    secret_hash   bytea,                            -- NULL: a public client
    scopes        text[] NOT NULL,
    grants        text[] NOT NULL,
    redirect_uris text[] NOT NULL
);

CREATE TABLE IF NOT EXISTS auth.sessions (
    session_id   uuid PRIMARY KEY,
    session_hash bytea NOT NULL UNIQUE,
    user_id      uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    expires_at   timestamptz NOT NULL
);

-- A family is all that grew out of one authorisation: its code, and each refresh token rotated from the one before.
CREATE TABLE IF NOT EXISTS auth.families (
    family_id  uuid PRIMARY KEY,
    client_id  text NOT NULL REFERENCES auth.clients ON DELETE CASCADE,
    tenant     text NOT NULL,
    subject    text NOT NULL,
    scope      text NOT NULL,
    session_id uuid NOT NULL,
    revoked    boolean NOT NULL DEFAULT false,
    expires_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS families_of_session ON auth.families (session_id);

CREATE TABLE IF NOT EXISTS auth.codes (
    code_hash    bytea PRIMARY KEY,
    family_id    uuid NOT NULL REFERENCES auth.families ON DELETE CASCADE,
    redirect_uri text NOT NULL,
    challenge    text NOT NULL,
    used         boolean NOT NULL DEFAULT false,
    expires_at   timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS auth.refresh_tokens (
    token_hash bytea PRIMARY KEY,
    family_id  uuid NOT NULL REFERENCES auth.families ON DELETE CASCADE,
    used       boolean NOT NULL DEFAULT false
);

CREATE TABLE IF NOT EXISTS auth.denied (
    id         text PRIMARY KEY,                    -- a token's jti, or the family it belongs to
    expires_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS auth.api_keys (
    key_id      uuid PRIMARY KEY,
    secret_hash bytea NOT NULL UNIQUE,
    prefix      text NOT NULL,                      -- shown in lists, so that its owner can tell it from others
    tenant      text NOT NULL,
    scopes      text[] NOT NULL,
    revoked     boolean NOT NULL DEFAULT false
);

CREATE TABLE IF NOT EXISTS auth.login_attempts (
    counted_for    text PRIMARY KEY,                -- account:TENANT/NAME or address:IP
    attempts       integer NOT NULL,
    window_ends_at timestamptz NOT NULL
);
