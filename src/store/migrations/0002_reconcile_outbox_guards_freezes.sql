-- What heals a crash, what goes to MongoDB, and what stops a second spend.

-- When KMS deletes the key, in milliseconds since 1970: set while PENDING_DELETION and once DELETED.
ALTER TABLE wallets ADD COLUMN deletion_date INTEGER;

-- PENDING wallets: how many CreateKey requests may have left for each, and why the search for its key stopped, if it did.
CREATE TABLE pending_keys (
    wallet_id TEXT    NOT NULL PRIMARY KEY REFERENCES wallets (wallet_id),
    creations INTEGER NOT NULL CHECK (creations >= 1),
    asked_at  INTEGER NOT NULL,               -- milliseconds since 1970, of the last of them
    finding   TEXT                            -- NULL while the search goes on
) STRICT, WITHOUT ROWID;

INSERT INTO pending_keys (wallet_id, creations, asked_at) SELECT wallet_id, 1, created_at FROM wallets WHERE status = 'PENDING';

-- Keys of this deployment in KMS that belong to no wallet here. Reported, never deleted.
CREATE TABLE orphans (
    kms_key_id TEXT    NOT NULL PRIMARY KEY,
    wallet_id  TEXT,                          -- as the key's tag says, if it says
    reason     TEXT    NOT NULL,
    evidence   TEXT    NOT NULL,              -- JSON: the tags, and what DescribeKey says
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Key states that KMS is still to be brought to, after a wallet's own state has changed.
CREATE TABLE key_drives (
    wallet_id   TEXT    NOT NULL PRIMARY KEY REFERENCES wallets (wallet_id),
    wanted      TEXT    NOT NULL CHECK (wanted IN ('Enabled', 'Disabled', 'PendingDeletion')),
    window_days INTEGER CHECK (window_days BETWEEN 7 AND 30),
    version     INTEGER NOT NULL,             -- the wallet's, when it was asked for
    since       INTEGER NOT NULL,
    last_error  TEXT                          -- why KMS did not follow so far; NULL while nothing went wrong
) STRICT, WITHOUT ROWID;

-- Keys whose state in KMS is not what the wallet's state says, though nothing here asked for it.
CREATE TABLE drift (
    wallet_id TEXT    NOT NULL PRIMARY KEY REFERENCES wallets (wallet_id),
    key_state TEXT    NOT NULL,               -- KMS's word, or NotFound
    since     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Wallets whose latest version MongoDB has not acknowledged. One row a wallet: a newer version takes the place of an older one.
CREATE TABLE outbox (
    position  INTEGER PRIMARY KEY AUTOINCREMENT,
    wallet_id TEXT    NOT NULL UNIQUE REFERENCES wallets (wallet_id),
    version   INTEGER NOT NULL,
    since     INTEGER NOT NULL,               -- of the oldest version that waits
    parked    TEXT                            -- why MongoDB refuses it for good; NULL while it waits for its turn
) STRICT;

CREATE INDEX outbox_waiting ON outbox (position) WHERE parked IS NULL;
CREATE INDEX outbox_parked ON outbox (position) WHERE parked IS NOT NULL;

-- How many rows the outbox has, kept by the triggers: each new wallet asks, and counting would read them all.
CREATE TABLE outbox_size (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    waiting INTEGER NOT NULL CHECK (waiting >= 0)
) STRICT;

INSERT INTO outbox_size VALUES (1, 0);

CREATE TRIGGER outbox_grows AFTER INSERT ON outbox BEGIN UPDATE outbox_size SET waiting = waiting + 1; END;
CREATE TRIGGER outbox_shrinks AFTER DELETE ON outbox BEGIN UPDATE outbox_size SET waiting = waiting - 1; END;

INSERT INTO outbox (wallet_id, version, since)
SELECT wallet_id, version, updated_at FROM wallets WHERE status NOT IN ('PENDING', 'FAILED') ORDER BY wallet_id;

-- What was asked to be signed under guards, by the hash of its unsigned bytes. Never pruned.
CREATE TABLE contents (
    content_hash BLOB NOT NULL PRIMARY KEY CHECK (length(content_hash) = 32),
    summary      TEXT NOT NULL                -- JSON: what policy is shown beside a replacement
) STRICT, WITHOUT ROWID;

-- The signatures of a content: one for each wallet and slot that was asked for. A definite refusal alone takes a row away.
CREATE TABLE signatures (
    content_hash BLOB    NOT NULL REFERENCES contents (content_hash),
    wallet_id    TEXT    NOT NULL REFERENCES wallets (wallet_id),
    slot         INTEGER NOT NULL CHECK (slot >= 0),          -- which of several payloads, such as the number of the input; else 0
    digest       TEXT    NOT NULL CHECK (length(digest) = 64), -- the payload's, as in the audit: one slot never gets another
    intent       INTEGER NOT NULL REFERENCES audit (sequence), -- of the latest attempt
    unknown      INTEGER NOT NULL CHECK (unknown IN (0, 1)),   -- an earlier attempt may have made one, which was not released
    signature    BLOB CHECK (length(signature) IN (64, 65)),   -- as released; NULL while none was
    PRIMARY KEY (content_hash, wallet_id, slot)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER signatures_stay BEFORE UPDATE ON signatures WHEN OLD.signature IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a released signature stays'); END;
CREATE TRIGGER signatures_are_not_deleted BEFORE DELETE ON signatures WHEN OLD.signature IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a released signature stays'); END;

-- What may be spent once: each is taken for one content. Never pruned.
CREATE TABLE guards (
    kind         TEXT    NOT NULL CHECK (kind IN ('evm_nonce', 'xrp_sequence', 'xrp_ticket', 'outpoint')),
    scope        TEXT    NOT NULL,            -- wallet and chain id, network and XRP account, or asset and network
    item         TEXT    NOT NULL,            -- nonce, sequence, ticket, or txid:index
    content_hash BLOB    NOT NULL REFERENCES contents (content_hash),
    replaced     BLOB    REFERENCES contents (content_hash),  -- who has it again if this content is refused
    PRIMARY KEY (kind, scope, item)
) STRICT, WITHOUT ROWID;

CREATE INDEX guards_by_content ON guards (content_hash);

-- What must not be signed. A lifted freeze stays, for the record.
CREATE TABLE freezes (
    freeze_id TEXT    NOT NULL PRIMARY KEY CHECK (length(freeze_id) = 36),
    scope     TEXT    NOT NULL,               -- JSON, as in admin_freeze
    reason    TEXT    NOT NULL,
    since     INTEGER NOT NULL,
    lifted_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX freezes_in_force ON freezes (since) WHERE lifted_at IS NULL;

-- Wallets that a restore could not prove. They are DISABLED; nothing enables them or deletes their keys.
CREATE TABLE quarantine (
    wallet_id TEXT    NOT NULL PRIMARY KEY REFERENCES wallets (wallet_id),
    reason    TEXT    NOT NULL,
    since     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Restores into this store. The last one's finished_at is NULL until it is through; nobody is served before.
CREATE TABLE restores (
    restore_id  INTEGER PRIMARY KEY,
    source      TEXT    NOT NULL CHECK (source IN ('mongodb', 'kms', 'file')),
    freeze_id   TEXT    NOT NULL REFERENCES freezes (freeze_id),
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    cursor      TEXT,                         -- the last wallet id that was gone through
    restored    INTEGER NOT NULL DEFAULT 0,   -- wallets put in
    raised      INTEGER NOT NULL DEFAULT 0    -- wallets whose version was taken above MongoDB's
) STRICT;

-- What a restore could not take at its word, each with its reason.
CREATE TABLE restore_findings (
    restore_id INTEGER NOT NULL REFERENCES restores (restore_id),
    finding    TEXT    NOT NULL CHECK (finding IN ('quarantined', 'skipped', 'missing', 'changed')),
    subject    TEXT    NOT NULL,              -- the wallet's id, or whatever names the document or the key
    kms_key_id TEXT,
    reason     TEXT    NOT NULL,
    PRIMARY KEY (restore_id, finding, subject)
) STRICT, WITHOUT ROWID;

-- For answering whoever asked for a wallet whose creation was cut off.
CREATE INDEX requests_unfinished ON requests (wallet_id) WHERE answered_at IS NULL AND wallet_id IS NOT NULL;
