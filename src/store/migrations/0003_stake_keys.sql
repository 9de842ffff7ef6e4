-- Whose key is the stake key of a base address. The hash alone derives the address again, whatever became of that wallet; it may come
-- back from a restore after this one, so it is no foreign key.
ALTER TABLE wallets ADD COLUMN stake_wallet_id TEXT CHECK (length(stake_wallet_id) = 36);
ALTER TABLE wallets ADD COLUMN stake_key_hash BLOB CHECK (
    (stake_key_hash IS NULL) = (stake_wallet_id IS NULL) AND coalesce(length(stake_key_hash) = 28, TRUE)
);

-- The address is made of it, so it is pinned as the key is.
CREATE TRIGGER wallets_stake_key_is_pinned BEFORE UPDATE OF stake_wallet_id, stake_key_hash ON wallets
WHEN NEW.stake_wallet_id IS NOT OLD.stake_wallet_id OR NEW.stake_key_hash IS NOT OLD.stake_key_hash
BEGIN SELECT RAISE(ABORT, 'the stake key of a wallet is pinned'); END;
