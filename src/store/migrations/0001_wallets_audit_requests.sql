-- Wallets with their pinned public keys and addresses. The status words are wallets/lifecycle.rs's.
CREATE TABLE wallets (
    wallet_id    TEXT    NOT NULL PRIMARY KEY CHECK (length(wallet_id) = 36),
    user_id      TEXT    NOT NULL,
    asset        TEXT    NOT NULL,            -- canonical ticker
    ticker       TEXT    NOT NULL,            -- as the caller wrote it
    network      TEXT    NOT NULL,
    address_type TEXT    NOT NULL,
    key_spec     TEXT    NOT NULL CHECK (key_spec IN ('ECC_SECG_P256K1', 'ECC_NIST_EDWARDS25519')),
    status       TEXT    NOT NULL CHECK (status IN ('PENDING', 'CREATED', 'DISABLED', 'PENDING_DELETION', 'DELETED', 'FAILED')),
    kms_key_id   TEXT    UNIQUE,              -- the key's ARN, once KMS has named it
    public_key   BLOB,                        -- 33 bytes (secp256k1, compressed) or 32 (Ed25519); never changes once set
    address      TEXT,
    label        TEXT,
    created_at   INTEGER NOT NULL,            -- milliseconds since 1970
    updated_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL CHECK (version >= 1),
    -- What signs is complete.
    CHECK (status IN ('PENDING', 'FAILED') OR (kms_key_id IS NOT NULL AND public_key IS NOT NULL AND address IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX wallets_by_user ON wallets (user_id, wallet_id);
CREATE INDEX wallets_by_asset ON wallets (asset, network, wallet_id);
CREATE INDEX wallets_by_status ON wallets (status, wallet_id);

-- A wallet's key and public key are pinned: nothing that runs here may change them.
CREATE TRIGGER wallets_key_is_pinned BEFORE UPDATE OF kms_key_id, public_key, address, key_spec ON wallets
WHEN (OLD.kms_key_id IS NOT NULL AND NEW.kms_key_id IS NOT OLD.kms_key_id)
  OR (OLD.public_key IS NOT NULL AND NEW.public_key IS NOT OLD.public_key)
  OR (OLD.address IS NOT NULL AND NEW.address IS NOT OLD.address)
  OR NEW.key_spec IS NOT OLD.key_spec
BEGIN SELECT RAISE(ABORT, 'the key of a wallet is pinned'); END;

-- Every form in which a wallet's key can be paid.
CREATE TABLE addresses (
    address      TEXT NOT NULL,
    asset        TEXT NOT NULL,
    network      TEXT NOT NULL,
    wallet_id    TEXT NOT NULL REFERENCES wallets (wallet_id),
    address_type TEXT NOT NULL,
    PRIMARY KEY (address, asset, network, wallet_id)
) STRICT, WITHOUT ROWID;

-- The audit: one JSON record a row, chained by hash (audit/hash_chain.rs). Rows are only ever added.
CREATE TABLE audit (
    sequence INTEGER NOT NULL PRIMARY KEY CHECK (sequence >= 1),
    record   TEXT    NOT NULL,
    hash     BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

-- Intents whose outcome is not yet recorded. What a crash leaves here may have reached KMS.
CREATE TABLE open_intents (
    intent    INTEGER NOT NULL PRIMARY KEY REFERENCES audit (sequence),
    wallet_id TEXT                            -- NULL where the call is about no wallet
) STRICT;

-- What makes a call safe to retry: requestId and idempotencyKey, scoped to caller uid and method.
CREATE TABLE requests (
    uid          INTEGER NOT NULL,
    method       TEXT    NOT NULL,
    request_id   TEXT    NOT NULL,
    content_hash BLOB    NOT NULL CHECK (length(content_hash) = 32),
    wallet_id    TEXT,                        -- NULL where the call is about no wallet
    intent       INTEGER NOT NULL REFERENCES audit (sequence),
    answer       TEXT,                        -- the stored result, byte for byte; NULL while unfinished
    answered_at  INTEGER,
    PRIMARY KEY (uid, method, request_id)
) STRICT, WITHOUT ROWID;

-- For dropping answers that are kept no longer.
CREATE INDEX requests_by_age ON requests (answered_at) WHERE answer IS NOT NULL;
