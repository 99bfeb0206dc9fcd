CREATE TABLE nodes (
    id UUID PRIMARY KEY,
    parent_id UUID REFERENCES nodes (id),
    -- Numbers joined by dots from the root, such as 1.3.6; a node's reach is its own path and all that continue it.
    path TEXT NOT NULL UNIQUE,
    number BIGINT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
CREATE INDEX nodes_parent_id ON nodes (parent_id);

CREATE TABLE roles (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    is_admin BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE role_permissions (
    role_id UUID NOT NULL REFERENCES roles (id),
    permission TEXT NOT NULL,
    PRIMARY KEY (role_id, permission)
);
CREATE TABLE users (
    id UUID PRIMARY KEY,
    node_id UUID NOT NULL REFERENCES nodes (id),
    role_id UUID NOT NULL REFERENCES roles (id),
    name TEXT NOT NULL UNIQUE,
    email TEXT UNIQUE,
    phone TEXT,
    pin_hash TEXT NOT NULL,
    password_hash TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    disabled_at TIMESTAMPTZ
);
CREATE TABLE integrations (
    id UUID PRIMARY KEY,
    node_id UUID NOT NULL REFERENCES nodes (id),
    name TEXT NOT NULL,
    api_key TEXT NOT NULL UNIQUE,
    secret_hash TEXT NOT NULL,
    permissions JSONB NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX integrations_node_id_name ON integrations (node_id, name) WHERE revoked_at IS NULL;

-- One family per sign-in; every refresh token of it descends from that sign-in.
CREATE TABLE token_families (
    id UUID PRIMARY KEY,
    subject_kind TEXT NOT NULL,
    subject_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ
);
CREATE INDEX token_families_subject ON token_families (subject_kind, subject_id);
CREATE TABLE refresh_tokens (
    id UUID PRIMARY KEY,
    family_id UUID NOT NULL REFERENCES token_families (id),
    token_hash TEXT NOT NULL UNIQUE,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX refresh_tokens_family_id ON refresh_tokens (family_id);
CREATE TABLE login_failures (
    address TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    blocked_until TIMESTAMPTZ,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE chains (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
CREATE TABLE networks (
    id UUID PRIMARY KEY,
    chain_id UUID NOT NULL REFERENCES chains (id),
    network_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    rpc_urls JSONB NOT NULL,
    confirmations INTEGER NOT NULL,
    explorer_url TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX networks_network_id ON networks (network_id) WHERE deleted_at IS NULL;
CREATE TABLE currencies (
    id UUID PRIMARY KEY,
    network_id UUID REFERENCES networks (id),
    symbol TEXT NOT NULL,
    name TEXT NOT NULL,
    address TEXT,
    decimals INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
CREATE INDEX currencies_network_id ON currencies (network_id, symbol);
CREATE TABLE wallets (
    id UUID PRIMARY KEY,
    node_id UUID NOT NULL REFERENCES nodes (id),
    chain_id UUID NOT NULL REFERENCES chains (id),
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
CREATE INDEX wallets_node_id ON wallets (node_id, chain_id);
-- A wallet's diamond on a network: asked for once, deployed once.
CREATE TABLE diamonds (
    id UUID PRIMARY KEY,
    wallet_id UUID NOT NULL REFERENCES wallets (id),
    network_id UUID NOT NULL REFERENCES networks (id),
    node_id UUID NOT NULL REFERENCES nodes (id),
    status TEXT NOT NULL,
    address TEXT,
    transaction_hash TEXT,
    failure_code TEXT,
    failure_message TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (wallet_id, network_id)
);

CREATE TABLE members (
    id UUID PRIMARY KEY,
    node_id UUID NOT NULL REFERENCES nodes (id),
    external_id TEXT NOT NULL,
    name TEXT,
    surname TEXT,
    email TEXT,
    phone TEXT,
    identity_number TEXT,
    tax_office TEXT,
    tax_number TEXT,
    address TEXT,
    district TEXT,
    city TEXT,
    country TEXT,
    contact_name TEXT,
    locale TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (node_id, external_id)
);

CREATE TABLE audit_log (
    id UUID PRIMARY KEY,
    actor_type TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    action TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    data JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX audit_log_object ON audit_log (object_type, object_id);
