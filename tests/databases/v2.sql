-- A store of schema 2, as its own code left it when it was killed: a wallet of each family, one of them disabled, a transaction under
-- its guard, a digest, a challenge and a message. Made in front of the KMS emulator and dumped as SQL. Not in a dump, so to be set by
-- whoever loads it:
--   PRAGMA application_id = 0x6b6d7364; PRAGMA user_version = 2;
BEGIN TRANSACTION;
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
    version      INTEGER NOT NULL CHECK (version >= 1), deletion_date INTEGER,
    -- What signs is complete.
    CHECK (status IN ('PENDING', 'FAILED') OR (kms_key_id IS NOT NULL AND public_key IS NOT NULL AND address IS NOT NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO wallets VALUES('01a20ee0-3e57-7ad5-bae5-77df0da371f6','user0','BTC','BTC','testnet','p2wpkh','ECC_SECG_P256K1','CREATED','arn:aws:kms:eu-central-1:111122223333:key/1b1c96ea-b9fa-40bd-98a7-a73d7b0f11de',X'023f2b201e3f6247b865f211e7edec328673f2594b2d95981fe4cec350119e9675','tb1qjdxy6yqhz2pnzc3ra8n607tt9jmxzyvzwf6vgw',NULL,1795545906775,1795545906781,2,NULL);
INSERT INTO wallets VALUES('01a20ee0-3e61-74b5-8698-1c1bbcea2b93','user1','LTC','LTC','testnet','p2pkh','ECC_SECG_P256K1','CREATED','arn:aws:kms:eu-central-1:111122223333:key/524ba52c-bedd-4016-8e4d-bef76ee36bd1',X'020f493b84bb1b501899d215011c5df4ba0d290b664955e1efba30997cd353b41b','mpvKQiL7hZmgXZiVexyzjsE9Xb92E2gerV',NULL,1795545906785,1795545906790,2,NULL);
INSERT INTO wallets VALUES('01a20ee0-3e69-7ed3-8096-8ff28c5ec75c','user2','ETH','ETH','sepolia','eip55','ECC_SECG_P256K1','CREATED','arn:aws:kms:eu-central-1:111122223333:key/2837e809-3cb7-4b8d-9d2d-b93c19df1fcd',X'0328986f6d2a81c1ae524f516109665fe21702023ff796875748c58276a1d150c8','0x375d9Fe28506F2F0919ac84Dce7e5C7a7ed084cA','hot wallet',1795545906793,1795545906799,2,NULL);
INSERT INTO wallets VALUES('01a20ee0-3e73-7efc-a71f-24a512979a50','user3','XRP','XRP','testnet','classic','ECC_SECG_P256K1','CREATED','arn:aws:kms:eu-central-1:111122223333:key/cf1dae4c-a0b3-433f-ae49-f470bcb5b580',X'0296930df503dd2cca6da94d71391dbfbf2cfe51111dab1dcc47d9444e7dfc50bf','rGEX1ivv5mEd2ebYmN4REhGVpM5KK4R4nr',NULL,1795545906803,1795545906809,2,NULL);
INSERT INTO wallets VALUES('01a20ee0-3e7d-7910-8fbd-54182cd2d35c','user4','SOL','SOL','devnet','base58','ECC_NIST_EDWARDS25519','CREATED','arn:aws:kms:eu-central-1:111122223333:key/55e1c8b3-92f6-4316-8554-8daa7bd1b3e7',X'1bb1dc8633887704234035c8ee3465097a4432f5b4224a6cfab338a1c2dfaddb','2s7JwmRvEFHjRtE76omK8xq1E4PxRFgYTZXUj6DFim8E',NULL,1795545906813,1795545906819,2,NULL);
INSERT INTO wallets VALUES('01a20ee0-3e86-734d-9be5-6f2da3d0e2f0','user5','ADA','ADA','preprod','enterprise','ECC_NIST_EDWARDS25519','CREATED','arn:aws:kms:eu-central-1:111122223333:key/e73d2f8b-c4f4-442d-8ab5-f2628de0b210',X'ebfd152e1a778088bdef24fcb01e9b17e76fd41c010ca78491abf7394f72b9f9','addr_test1vppt956j4tu59ss3ej7f3xxep0f3ryml5k5tyw8p4dflmzgpcd4s6',NULL,1795545906822,1795545906830,2,NULL);
INSERT INTO wallets VALUES('01a20ee0-3e91-71ec-a4df-6210902effc5','user6','ADA','ADA','preprod','enterprise','ECC_NIST_EDWARDS25519','DISABLED','arn:aws:kms:eu-central-1:111122223333:key/0ae5cb0c-0dbe-4b61-bed8-1ecf861296ef',X'f0de9ae87d212a383b5a83fef5f4aef7cb2ada37e20a8934ac16323b69373ee5','addr_test1vq2crtadpdj0hknfqm6mmd52vgnau6pj3ks5e2v0x7ad94g2v4c3e','to be disabled',1795545906833,1795545906844,3,NULL);
CREATE TABLE addresses (
    address      TEXT NOT NULL,
    asset        TEXT NOT NULL,
    network      TEXT NOT NULL,
    wallet_id    TEXT NOT NULL REFERENCES wallets (wallet_id),
    address_type TEXT NOT NULL,
    PRIMARY KEY (address, asset, network, wallet_id)
) STRICT, WITHOUT ROWID;
INSERT INTO addresses VALUES('0x375d9Fe28506F2F0919ac84Dce7e5C7a7ed084cA','ETH','sepolia','01a20ee0-3e69-7ed3-8096-8ff28c5ec75c','eip55');
INSERT INTO addresses VALUES('2N2rj52baXSMoTuXKpBDAjPHdNFqvKvw1di','BTC','testnet','01a20ee0-3e57-7ad5-bae5-77df0da371f6','p2sh-p2wpkh');
INSERT INTO addresses VALUES('2s7JwmRvEFHjRtE76omK8xq1E4PxRFgYTZXUj6DFim8E','SOL','devnet','01a20ee0-3e7d-7910-8fbd-54182cd2d35c','base58');
INSERT INTO addresses VALUES('Qasy7BznPUzCws4cGrEmLoH3BtNqS8PQq7','LTC','testnet','01a20ee0-3e61-74b5-8698-1c1bbcea2b93','p2sh-p2wpkh');
INSERT INTO addresses VALUES('addr_test1vppt956j4tu59ss3ej7f3xxep0f3ryml5k5tyw8p4dflmzgpcd4s6','ADA','preprod','01a20ee0-3e86-734d-9be5-6f2da3d0e2f0','enterprise');
INSERT INTO addresses VALUES('addr_test1vq2crtadpdj0hknfqm6mmd52vgnau6pj3ks5e2v0x7ad94g2v4c3e','ADA','preprod','01a20ee0-3e91-71ec-a4df-6210902effc5','enterprise');
INSERT INTO addresses VALUES('mpvKQiL7hZmgXZiVexyzjsE9Xb92E2gerV','LTC','testnet','01a20ee0-3e61-74b5-8698-1c1bbcea2b93','p2pkh');
INSERT INTO addresses VALUES('mtwo2jxEaDckDXjZCmbRkBxpmUYSiVCXwD','BTC','testnet','01a20ee0-3e57-7ad5-bae5-77df0da371f6','p2pkh');
INSERT INTO addresses VALUES('rGEX1ivv5mEd2ebYmN4REhGVpM5KK4R4nr','XRP','testnet','01a20ee0-3e73-7efc-a71f-24a512979a50','classic');
INSERT INTO addresses VALUES('tb1qjdxy6yqhz2pnzc3ra8n607tt9jmxzyvzwf6vgw','BTC','testnet','01a20ee0-3e57-7ad5-bae5-77df0da371f6','p2wpkh');
INSERT INTO addresses VALUES('tltc1qvuj9xtctv8ayd7xsx7a3xfem3mtsfnucjhsj5p','LTC','testnet','01a20ee0-3e61-74b5-8698-1c1bbcea2b93','p2wpkh');
CREATE TABLE audit (
    sequence INTEGER NOT NULL PRIMARY KEY CHECK (sequence >= 1),
    record   TEXT    NOT NULL,
    hash     BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO audit VALUES(1,'{"sequence":1,"at":"2026-11-24T18:45:06.242Z","kind":"daemon","detail":"kmsignd 0.1.0 started with policy 691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}',X'99f09c87f27ff994d57889ac35575e2fe61357674def00b069f2c61d9814fb3c');
INSERT INTO audit VALUES(2,'{"sequence":2,"at":"2026-11-24T18:45:06.775Z","kind":"intent","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e57-7ad5-bae5-77df0da371f6","userId":"user0","asset":"BTC","network":"testnet","requestId":"create 0","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'db4119933b79dba7da65bf868179587bcf89feb153e95103a0b2150fc202f8df');
INSERT INTO audit VALUES(3,'{"sequence":3,"at":"2026-11-24T18:45:06.782Z","kind":"outcome","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e57-7ad5-bae5-77df0da371f6","userId":"user0","asset":"BTC","network":"testnet","requestId":"create 0","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":2,"outcome":"success","kmsRequestIds":["01a20ee0-3e5a-77a0-b517-77fed6f10cda","01a20ee0-3e5d-76a9-8eed-95ebd8f165bd"]}',X'ace66dc4bac28b4f207a75db32d454d9d9947c585a6ec7c07ba8855427a1a3a4');
INSERT INTO audit VALUES(4,'{"sequence":4,"at":"2026-11-24T18:45:06.785Z","kind":"intent","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e61-74b5-8698-1c1bbcea2b93","userId":"user1","asset":"LTC","network":"testnet","requestId":"create 1","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'bef7d56dc61cd18dd88207183e0e7d2e85a431f01f69d4980b294d9d9544552b');
INSERT INTO audit VALUES(5,'{"sequence":5,"at":"2026-11-24T18:45:06.79Z","kind":"outcome","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e61-74b5-8698-1c1bbcea2b93","userId":"user1","asset":"LTC","network":"testnet","requestId":"create 1","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":4,"outcome":"success","kmsRequestIds":["01a20ee0-3e63-73bf-99e7-a742cdad9664","01a20ee0-3e66-70f9-9b14-804aed206b6b"]}',X'c44a1e836b427dcb8410566daded64d61fb0dd43b909c5972f745957f1e1e9f3');
INSERT INTO audit VALUES(6,'{"sequence":6,"at":"2026-11-24T18:45:06.793Z","kind":"intent","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e69-7ed3-8096-8ff28c5ec75c","userId":"user2","asset":"ETH","network":"sepolia","requestId":"create 2","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'570d59fef04e106de62bf5cd5fde864bec48e73c5ec64aeab8e28e2e787de7d3');
INSERT INTO audit VALUES(7,'{"sequence":7,"at":"2026-11-24T18:45:06.799Z","kind":"outcome","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e69-7ed3-8096-8ff28c5ec75c","userId":"user2","asset":"ETH","network":"sepolia","requestId":"create 2","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":6,"outcome":"success","kmsRequestIds":["01a20ee0-3e6a-745f-817e-0aebe07e7a45","01a20ee0-3e6f-7527-9a97-3bfbf116dfa4"]}',X'5f7aba9620a239442bf6bbf6046387c6af6e6a890490f1c6bd0fe56d506b24ac');
INSERT INTO audit VALUES(8,'{"sequence":8,"at":"2026-11-24T18:45:06.803Z","kind":"intent","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e73-7efc-a71f-24a512979a50","userId":"user3","asset":"XRP","network":"testnet","requestId":"create 3","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'5780ef2bf20164fcbddf5cef4b6d6ef90f38d1a492fc76568615f07dddf15a45');
INSERT INTO audit VALUES(9,'{"sequence":9,"at":"2026-11-24T18:45:06.81Z","kind":"outcome","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e73-7efc-a71f-24a512979a50","userId":"user3","asset":"XRP","network":"testnet","requestId":"create 3","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":8,"outcome":"success","kmsRequestIds":["01a20ee0-3e75-72f6-80fd-a26fce8b1083","01a20ee0-3e79-7776-84f1-fde087268013"]}',X'445858e3e6d35d6753f827d007ad39d39de9ebb1978fcf5862ed57708418cdb3');
INSERT INTO audit VALUES(10,'{"sequence":10,"at":"2026-11-24T18:45:06.813Z","kind":"intent","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e7d-7910-8fbd-54182cd2d35c","userId":"user4","asset":"SOL","network":"devnet","requestId":"create 4","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'0b427f2db7fcd375a9c172d021e231587574fc6cff24431f72b67f83d014c3f1');
INSERT INTO audit VALUES(11,'{"sequence":11,"at":"2026-11-24T18:45:06.82Z","kind":"outcome","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e7d-7910-8fbd-54182cd2d35c","userId":"user4","asset":"SOL","network":"devnet","requestId":"create 4","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":10,"outcome":"success","kmsRequestIds":["01a20ee0-3e7f-751c-8439-f4d10a445c06","01a20ee0-3e83-72cb-8cd9-d0af83227e99"]}',X'706915e1b0d502f2ba5f463bc8cabe5856113b3b1f662ef23d5010fbfef55f92');
INSERT INTO audit VALUES(12,'{"sequence":12,"at":"2026-11-24T18:45:06.822Z","kind":"intent","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e86-734d-9be5-6f2da3d0e2f0","userId":"user5","asset":"ADA","network":"preprod","requestId":"create 5","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'1b829adb244401c48f5f176b281eb1126a81c11f1b5d4b2c2786d0715cb2d046');
INSERT INTO audit VALUES(13,'{"sequence":13,"at":"2026-11-24T18:45:06.83Z","kind":"outcome","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e86-734d-9be5-6f2da3d0e2f0","userId":"user5","asset":"ADA","network":"preprod","requestId":"create 5","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":12,"outcome":"success","kmsRequestIds":["01a20ee0-3e89-70a3-844d-4a0f8efe2f5e","01a20ee0-3e8e-73b6-bd86-6f39dd9ebd3e"]}',X'eff0ed257ae632b438cae874253dbcc9a9afe24119d0af8dd56bacf2e5c70ff8');
INSERT INTO audit VALUES(14,'{"sequence":14,"at":"2026-11-24T18:45:06.833Z","kind":"intent","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e91-71ec-a4df-6210902effc5","userId":"user6","asset":"ADA","network":"preprod","requestId":"create 6","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'8be577bdf3154a10b06e0738384655bd5c08323093287693242b8cb339ca10f4');
INSERT INTO audit VALUES(15,'{"sequence":15,"at":"2026-11-24T18:45:06.84Z","kind":"outcome","method":"wallet_create","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e91-71ec-a4df-6210902effc5","userId":"user6","asset":"ADA","network":"preprod","requestId":"create 6","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":14,"outcome":"success","kmsRequestIds":["01a20ee0-3e93-7427-8b1d-744a0a27bbd8","01a20ee0-3e97-766a-8a21-270ab095dd75"]}',X'0da66862c4988806f83bdbcce2184516d576125e730034787c6caafa8d0c3878');
INSERT INTO audit VALUES(16,'{"sequence":16,"at":"2026-11-24T18:45:06.844Z","kind":"intent","method":"wallet_disable","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e91-71ec-a4df-6210902effc5","userId":"user6","asset":"ADA","network":"preprod","requestId":"disable","reason":"a test","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'b0a240fbaee90a942b4ed3cf9805029cab30313de7fd78bcd7e8f83409b1af9b');
INSERT INTO audit VALUES(17,'{"sequence":17,"at":"2026-11-24T18:45:06.844Z","kind":"outcome","method":"wallet_disable","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e91-71ec-a4df-6210902effc5","userId":"user6","asset":"ADA","network":"preprod","requestId":"disable","reason":"a test","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":16,"outcome":"success"}',X'c1887e462be760d0abfdf827a86f39d4b24dbe9b48ae8a4add5bb94ed022d78d');
INSERT INTO audit VALUES(18,'{"sequence":18,"at":"2026-11-24T18:45:06.855Z","kind":"intent","method":"eth_signTransaction","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e69-7ed3-8096-8ff28c5ec75c","userId":"user2","asset":"ETH","network":"sepolia","digest":"4434f6ae925052b18ffdbdc1d76b4814288458d603f0ea10dd28f947f2209168","requestId":"pay","summary":{"actions":["sign"],"wallets":["01a20ee0-3e69-7ed3-8096-8ff28c5ec75c"],"effects":[{"kind":"transfer","recipient":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed","amount":1,"toOwnWallet":false,"unknownAmount":false},{"kind":"fee","amount":21000,"toOwnWallet":false,"unknownAmount":false}],"effectsInAll":2,"totalOut":1,"fee":21000,"feeRate":1,"unknownAmount":false,"unknownParts":false,"replaces":null,"warnings":[],"details":{"type":2,"chainId":11155111,"nonce":7,"from":"0x375d9Fe28506F2F0919ac84Dce7e5C7a7ed084cA","to":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed","value":"1","gas":21000,"maxFeePerGas":"1000000000","maxPriorityFeePerGas":"1","dataBytes":0}},"decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'7163cf3249e8abf3f875467683cfc19f550cbbc7876f9167114f1e9b35247c08');
INSERT INTO audit VALUES(19,'{"sequence":19,"at":"2026-11-24T18:45:06.858Z","kind":"outcome","method":"eth_signTransaction","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e69-7ed3-8096-8ff28c5ec75c","userId":"user2","asset":"ETH","network":"sepolia","digest":"4434f6ae925052b18ffdbdc1d76b4814288458d603f0ea10dd28f947f2209168","requestId":"pay","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":18,"outcome":"success","kmsRequestIds":["01a20ee0-3ea9-766e-b287-eb773b0c676e"]}',X'4e0ff85fe4b8820469bcb5f77469615bdbff3e5145fd49201ab45393a1a33ab2');
INSERT INTO audit VALUES(20,'{"sequence":20,"at":"2026-11-24T18:45:06.86Z","kind":"daemon","walletId":"01a20ee0-3e91-71ec-a4df-6210902effc5","detail":"the key is Disabled in KMS, as its wallet asks","kmsRequestIds":["01a20ee0-3ea4-7380-a081-0e2a901f072f","01a20ee0-3ea4-7380-a081-0e2ba329633a","01a20ee0-3eac-7366-a4ef-f0ede580fbb0"]}',X'47fea39f6b4eca583bacf0329c0b3ade5941a5582b6fc607be009db503d469b1');
INSERT INTO audit VALUES(21,'{"sequence":21,"at":"2026-11-24T18:45:06.862Z","kind":"intent","method":"kms_signTransactionHash","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e57-7ad5-bae5-77df0da371f6","userId":"user0","asset":"BTC","network":"testnet","digest":"1111111111111111111111111111111111111111111111111111111111111111","requestId":"sign","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'64da5aa016c0d7ca96ef85d8f7ad7667a6e73db616cf249435a3912aeda09a58');
INSERT INTO audit VALUES(22,'{"sequence":22,"at":"2026-11-24T18:45:06.864Z","kind":"outcome","method":"kms_signTransactionHash","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e57-7ad5-bae5-77df0da371f6","userId":"user0","asset":"BTC","network":"testnet","digest":"1111111111111111111111111111111111111111111111111111111111111111","requestId":"sign","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":21,"outcome":"success","kmsRequestIds":["01a20ee0-3eaf-7376-b063-7aa23987cab9"]}',X'690c8eb08d5e5a536b1445d52d4597d8caff213eb3cf6eedc11e9a43d585616e');
INSERT INTO audit VALUES(23,'{"sequence":23,"at":"2026-11-24T18:45:06.87Z","kind":"intent","method":"wallet_verify","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e86-734d-9be5-6f2da3d0e2f0","userId":"user5","asset":"ADA","network":"preprod","digest":"d27a7f977c3e27c108219264a35c9e09b7453111f2177a02649d0d3ab2f87798","requestId":"verify","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'a82e026c2d0495019b437fcf3031bf65614fae6a3afcc39b46aa8ff154cdb6fa');
INSERT INTO audit VALUES(24,'{"sequence":24,"at":"2026-11-24T18:45:06.873Z","kind":"outcome","method":"wallet_verify","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e86-734d-9be5-6f2da3d0e2f0","userId":"user5","asset":"ADA","network":"preprod","digest":"d27a7f977c3e27c108219264a35c9e09b7453111f2177a02649d0d3ab2f87798","requestId":"verify","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":23,"outcome":"success","kmsRequestIds":["01a20ee0-3eb7-716b-a463-84fec2c94dbf","01a20ee0-3eb7-716b-a463-84ff7db3c362","01a20ee0-3eb8-7611-9787-08554932e3a5"]}',X'6f19b6dab6a9cfaa3759fc6f5f03696922fc17ea1032063a88ff27301cdfcd3d');
INSERT INTO audit VALUES(25,'{"sequence":25,"at":"2026-11-24T18:45:06.875Z","kind":"intent","method":"utxo_signMessage","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e57-7ad5-bae5-77df0da371f6","userId":"user0","asset":"BTC","network":"testnet","digest":"6b144bacfb298c0b4d727f5b716834af8f1a793398fa4ea80a5e45c6535837cd","requestId":"message","summary":{"actions":["signMessage"],"wallets":["01a20ee0-3e57-7ad5-bae5-77df0da371f6"],"effects":[{"kind":"message","toOwnWallet":false,"unknownAmount":false}],"effectsInAll":1,"totalOut":0,"fee":0,"feeRate":null,"unknownAmount":false,"unknownParts":false,"replaces":null,"warnings":[],"details":{"text":"hello","characters":5,"format":"bip322","address":"tb1qjdxy6yqhz2pnzc3ra8n607tt9jmxzyvzwf6vgw"}},"decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"}}',X'd101bc069c8471b60235b209250514ad8beee3bb9870d428d31a40109342bd16');
INSERT INTO audit VALUES(26,'{"sequence":26,"at":"2026-11-24T18:45:06.877Z","kind":"outcome","method":"utxo_signMessage","caller":{"uid":0,"gid":0,"groups":[0],"pid":11175,"executable":"/usr/bin/python3.11","unit":null},"walletId":"01a20ee0-3e57-7ad5-bae5-77df0da371f6","userId":"user0","asset":"BTC","network":"testnet","digest":"6b144bacfb298c0b4d727f5b716834af8f1a793398fa4ea80a5e45c6535837cd","requestId":"message","decision":{"effect":"allow","policies":["dev.owner"],"policyDigest":"691a91e23ee1bf086dac29f1363fd9fcd337142888170fba6af0c55da0f23e07"},"intent":25,"outcome":"success","kmsRequestIds":["01a20ee0-3ebc-764e-9b96-84ae9f95df59"]}',X'076357bab52873a284b0a3ee23ab2ce856e52e9c69791ea18a0d31a7babafe78');
CREATE TABLE open_intents (
    intent    INTEGER NOT NULL PRIMARY KEY REFERENCES audit (sequence),
    wallet_id TEXT                            -- NULL where the call is about no wallet
) STRICT;
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
INSERT INTO requests VALUES(0,'eth_signTransaction','pay',X'b432989da79b628198331bf84ac086e97cc80f80427f58e4d33cef147e622bc1','01a20ee0-3e69-7ed3-8096-8ff28c5ec75c',18,'{"raw":"0x02f86983aa36a70701843b9aca00825208945aaeb6053f3e94c9b9a09f33669435e7ef1beaed0180c001a0bc2b98d3dd997587b66ba2498ad04b0e20a24da6f1ae972fd566af6fdddd0f88a0371d944f827c74cb014c4534373d30961f66f9ab82735647e2a4fe24ed998827","tx":{"type":"0x2","chainId":"0xaa36a7","nonce":"0x7","to":"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed","gas":"0x5208","gasPrice":null,"maxPriorityFeePerGas":"0x1","maxFeePerGas":"0x3b9aca00","value":"0x1","input":"0x","accessList":[],"v":"0x1","r":"0xbc2b98d3dd997587b66ba2498ad04b0e20a24da6f1ae972fd566af6fdddd0f88","s":"0x371d944f827c74cb014c4534373d30961f66f9ab82735647e2a4fe24ed998827","yParity":"0x1","hash":"0xc8c4e615236d9d99ac4adf7f7585858e59fd188457274bbb336cfa67d03a35a8"}}',1795545906858);
INSERT INTO requests VALUES(0,'kms_signTransactionHash','sign',X'b90f4ac4dc74ebf1d8c08090814b6de311e7eaa9dba28996f3012e4dd91c7ef4','01a20ee0-3e57-7ad5-bae5-77df0da371f6',21,'{"keyId":"arn:aws:kms:eu-central-1:111122223333:key/1b1c96ea-b9fa-40bd-98a7-a73d7b0f11de","signature":"61d6d088664732d4d579ba2d54f4ab28b117a31061540e358841b4b18fd295562384258c3c7bceb1d52f3c96781019f1e7e46f73c9694b44f30b23a89ce93aff","recoveryId":0,"der":"3044022061d6d088664732d4d579ba2d54f4ab28b117a31061540e358841b4b18fd2955602202384258c3c7bceb1d52f3c96781019f1e7e46f73c9694b44f30b23a89ce93aff","publicKey":"023f2b201e3f6247b865f211e7edec328673f2594b2d95981fe4cec350119e9675"}',1795545906864);
INSERT INTO requests VALUES(0,'utxo_signMessage','message',X'ede60984c27ea3bbd2e01f75d54840db65c854abf89e6f6ebd6a528a31f51ba6','01a20ee0-3e57-7ad5-bae5-77df0da371f6',25,'{"signature":"AkgwRQIhAPEhmEHSv4SubtVqiSwJAx2Ulo/3QU5DE1tRLlGW35XoAiAcTm8GdZLWtms7USyTfjWnoE4YtsvXFLo9i2Ozaee8wwEhAj8rIB4/Yke4ZfIR5+3sMoZz8llLLZWYH+TOw1ARnpZ1","address":"tb1qjdxy6yqhz2pnzc3ra8n607tt9jmxzyvzwf6vgw","format":"bip322","prefixedSignature":"smpAkgwRQIhAPEhmEHSv4SubtVqiSwJAx2Ulo/3QU5DE1tRLlGW35XoAiAcTm8GdZLWtms7USyTfjWnoE4YtsvXFLo9i2Ozaee8wwEhAj8rIB4/Yke4ZfIR5+3sMoZz8llLLZWYH+TOw1ARnpZ1"}',1795545906877);
INSERT INTO requests VALUES(0,'wallet_create','create 0',X'953ab670b603746b2f678fc6ab869579318a0d68e53c0804ee8e8de34fb3e969','01a20ee0-3e57-7ad5-bae5-77df0da371f6',2,'{"walletId":"01a20ee0-3e57-7ad5-bae5-77df0da371f6","userId":"user0","asset":"BTC","network":"testnet","addressType":"p2wpkh","address":"tb1qjdxy6yqhz2pnzc3ra8n607tt9jmxzyvzwf6vgw","publicKey":"023f2b201e3f6247b865f211e7edec328673f2594b2d95981fe4cec350119e9675","kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/1b1c96ea-b9fa-40bd-98a7-a73d7b0f11de","keySpec":"ECC_SECG_P256K1","status":"CREATED","label":null,"createdAt":"2026-11-24T18:45:06.775Z","version":2}',1795545906782);
INSERT INTO requests VALUES(0,'wallet_create','create 1',X'41947d9ed3068238f001fb1d87326a5528790137051c9b56edb36d01b83d6dd1','01a20ee0-3e61-74b5-8698-1c1bbcea2b93',4,'{"walletId":"01a20ee0-3e61-74b5-8698-1c1bbcea2b93","userId":"user1","asset":"LTC","network":"testnet","addressType":"p2pkh","address":"mpvKQiL7hZmgXZiVexyzjsE9Xb92E2gerV","publicKey":"020f493b84bb1b501899d215011c5df4ba0d290b664955e1efba30997cd353b41b","kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/524ba52c-bedd-4016-8e4d-bef76ee36bd1","keySpec":"ECC_SECG_P256K1","status":"CREATED","label":null,"createdAt":"2026-11-24T18:45:06.785Z","version":2}',1795545906790);
INSERT INTO requests VALUES(0,'wallet_create','create 2',X'2e96fb6c1ca5674822001fe82c4692970185a6a001195346f7c2d5edb2f1fa1e','01a20ee0-3e69-7ed3-8096-8ff28c5ec75c',6,'{"walletId":"01a20ee0-3e69-7ed3-8096-8ff28c5ec75c","userId":"user2","asset":"ETH","network":"sepolia","addressType":"eip55","address":"0x375d9Fe28506F2F0919ac84Dce7e5C7a7ed084cA","publicKey":"0328986f6d2a81c1ae524f516109665fe21702023ff796875748c58276a1d150c8","kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/2837e809-3cb7-4b8d-9d2d-b93c19df1fcd","keySpec":"ECC_SECG_P256K1","status":"CREATED","label":"hot wallet","createdAt":"2026-11-24T18:45:06.793Z","version":2}',1795545906799);
INSERT INTO requests VALUES(0,'wallet_create','create 3',X'973d748c56afb823028a6e93a83444a00fe85bdf42344f9d4ae408ebb5930f4f','01a20ee0-3e73-7efc-a71f-24a512979a50',8,'{"walletId":"01a20ee0-3e73-7efc-a71f-24a512979a50","userId":"user3","asset":"XRP","network":"testnet","addressType":"classic","address":"rGEX1ivv5mEd2ebYmN4REhGVpM5KK4R4nr","publicKey":"0296930df503dd2cca6da94d71391dbfbf2cfe51111dab1dcc47d9444e7dfc50bf","kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/cf1dae4c-a0b3-433f-ae49-f470bcb5b580","keySpec":"ECC_SECG_P256K1","status":"CREATED","label":null,"createdAt":"2026-11-24T18:45:06.803Z","version":2}',1795545906810);
INSERT INTO requests VALUES(0,'wallet_create','create 4',X'5aa8ec65399fe41e61ea86f84b1f4b820e9444207b8b83fc836fb60e16f7c39e','01a20ee0-3e7d-7910-8fbd-54182cd2d35c',10,'{"walletId":"01a20ee0-3e7d-7910-8fbd-54182cd2d35c","userId":"user4","asset":"SOL","network":"devnet","addressType":"base58","address":"2s7JwmRvEFHjRtE76omK8xq1E4PxRFgYTZXUj6DFim8E","publicKey":"1bb1dc8633887704234035c8ee3465097a4432f5b4224a6cfab338a1c2dfaddb","kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/55e1c8b3-92f6-4316-8554-8daa7bd1b3e7","keySpec":"ECC_NIST_EDWARDS25519","status":"CREATED","label":null,"createdAt":"2026-11-24T18:45:06.813Z","version":2}',1795545906820);
INSERT INTO requests VALUES(0,'wallet_create','create 5',X'8832df7edfa0610a9628d135d3ef089fd383b579e6eb132960e8dd4a5680acc1','01a20ee0-3e86-734d-9be5-6f2da3d0e2f0',12,'{"walletId":"01a20ee0-3e86-734d-9be5-6f2da3d0e2f0","userId":"user5","asset":"ADA","network":"preprod","addressType":"enterprise","address":"addr_test1vppt956j4tu59ss3ej7f3xxep0f3ryml5k5tyw8p4dflmzgpcd4s6","publicKey":"ebfd152e1a778088bdef24fcb01e9b17e76fd41c010ca78491abf7394f72b9f9","kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/e73d2f8b-c4f4-442d-8ab5-f2628de0b210","keySpec":"ECC_NIST_EDWARDS25519","status":"CREATED","label":null,"createdAt":"2026-11-24T18:45:06.822Z","version":2}',1795545906830);
INSERT INTO requests VALUES(0,'wallet_create','create 6',X'ddfebbba9f635b974b62dfbaf4c7d84a05d958d078743d67c7e5e7e4d754a39a','01a20ee0-3e91-71ec-a4df-6210902effc5',14,'{"walletId":"01a20ee0-3e91-71ec-a4df-6210902effc5","userId":"user6","asset":"ADA","network":"preprod","addressType":"enterprise","address":"addr_test1vq2crtadpdj0hknfqm6mmd52vgnau6pj3ks5e2v0x7ad94g2v4c3e","publicKey":"f0de9ae87d212a383b5a83fef5f4aef7cb2ada37e20a8934ac16323b69373ee5","kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/0ae5cb0c-0dbe-4b61-bed8-1ecf861296ef","keySpec":"ECC_NIST_EDWARDS25519","status":"CREATED","label":"to be disabled","createdAt":"2026-11-24T18:45:06.833Z","version":2}',1795545906840);
INSERT INTO requests VALUES(0,'wallet_disable','disable',X'fd2b7147a197cf175b92ff044f9aae493d1e8142c8075ab6e1cc9c5834bceaba','01a20ee0-3e91-71ec-a4df-6210902effc5',16,'{"walletId":"01a20ee0-3e91-71ec-a4df-6210902effc5","userId":"user6","asset":"ADA","network":"preprod","addressType":"enterprise","address":"addr_test1vq2crtadpdj0hknfqm6mmd52vgnau6pj3ks5e2v0x7ad94g2v4c3e","publicKey":"f0de9ae87d212a383b5a83fef5f4aef7cb2ada37e20a8934ac16323b69373ee5","kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/0ae5cb0c-0dbe-4b61-bed8-1ecf861296ef","keySpec":"ECC_NIST_EDWARDS25519","status":"DISABLED","label":"to be disabled","createdAt":"2026-11-24T18:45:06.833Z","version":3}',1795545906844);
INSERT INTO requests VALUES(0,'wallet_verify','verify',X'ac684d1d908b5fee9d9a86a4ecc82e0930649ed890e2dde11e75c0d3df5bfa68','01a20ee0-3e86-734d-9be5-6f2da3d0e2f0',23,'{"walletId":"01a20ee0-3e86-734d-9be5-6f2da3d0e2f0","keyState":"Enabled","publicKeyMatches":true,"addressMatches":true,"signatureVerified":true,"checkedAt":"2026-11-24T18:45:06.872Z"}',1795545906873);
CREATE TABLE pending_keys (
    wallet_id TEXT    NOT NULL PRIMARY KEY REFERENCES wallets (wallet_id),
    creations INTEGER NOT NULL CHECK (creations >= 1),
    asked_at  INTEGER NOT NULL,               -- milliseconds since 1970, of the last of them
    finding   TEXT                            -- NULL while the search goes on
) STRICT, WITHOUT ROWID;
CREATE TABLE orphans (
    kms_key_id TEXT    NOT NULL PRIMARY KEY,
    wallet_id  TEXT,                          -- as the key's tag says, if it says
    reason     TEXT    NOT NULL,
    evidence   TEXT    NOT NULL,              -- JSON: the tags, and what DescribeKey says
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE key_drives (
    wallet_id   TEXT    NOT NULL PRIMARY KEY REFERENCES wallets (wallet_id),
    wanted      TEXT    NOT NULL CHECK (wanted IN ('Enabled', 'Disabled', 'PendingDeletion')),
    window_days INTEGER CHECK (window_days BETWEEN 7 AND 30),
    version     INTEGER NOT NULL,             -- the wallet's, when it was asked for
    since       INTEGER NOT NULL,
    last_error  TEXT                          -- why KMS did not follow so far; NULL while nothing went wrong
) STRICT, WITHOUT ROWID;
CREATE TABLE drift (
    wallet_id TEXT    NOT NULL PRIMARY KEY REFERENCES wallets (wallet_id),
    key_state TEXT    NOT NULL,               -- KMS's word, or NotFound
    since     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    position  INTEGER PRIMARY KEY AUTOINCREMENT,
    wallet_id TEXT    NOT NULL UNIQUE REFERENCES wallets (wallet_id),
    version   INTEGER NOT NULL,
    since     INTEGER NOT NULL,               -- of the oldest version that waits
    parked    TEXT                            -- why MongoDB refuses it for good; NULL while it waits for its turn
) STRICT;
INSERT INTO outbox VALUES(1,'01a20ee0-3e57-7ad5-bae5-77df0da371f6',2,1795545906781,NULL);
INSERT INTO outbox VALUES(2,'01a20ee0-3e61-74b5-8698-1c1bbcea2b93',2,1795545906790,NULL);
INSERT INTO outbox VALUES(3,'01a20ee0-3e69-7ed3-8096-8ff28c5ec75c',2,1795545906799,NULL);
INSERT INTO outbox VALUES(4,'01a20ee0-3e73-7efc-a71f-24a512979a50',2,1795545906809,NULL);
INSERT INTO outbox VALUES(5,'01a20ee0-3e7d-7910-8fbd-54182cd2d35c',2,1795545906819,NULL);
INSERT INTO outbox VALUES(6,'01a20ee0-3e86-734d-9be5-6f2da3d0e2f0',2,1795545906830,NULL);
INSERT INTO outbox VALUES(7,'01a20ee0-3e91-71ec-a4df-6210902effc5',3,1795545906840,NULL);
CREATE TABLE outbox_size (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    waiting INTEGER NOT NULL CHECK (waiting >= 0)
) STRICT;
INSERT INTO outbox_size VALUES(1,7);
CREATE TABLE contents (
    content_hash BLOB NOT NULL PRIMARY KEY CHECK (length(content_hash) = 32),
    summary      TEXT NOT NULL                -- JSON: what policy is shown beside a replacement
) STRICT, WITHOUT ROWID;
INSERT INTO contents VALUES(X'8e97e60fde11cd5e275a7947dff3e36f7829ea2a12c8318c0bd8e0b6e5cce211','{"recipients":["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],"totalOut":1,"fee":21000,"feeRate":1}');
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
INSERT INTO signatures VALUES(X'8e97e60fde11cd5e275a7947dff3e36f7829ea2a12c8318c0bd8e0b6e5cce211','01a20ee0-3e69-7ed3-8096-8ff28c5ec75c',0,'4434f6ae925052b18ffdbdc1d76b4814288458d603f0ea10dd28f947f2209168',18,0,X'bc2b98d3dd997587b66ba2498ad04b0e20a24da6f1ae972fd566af6fdddd0f88371d944f827c74cb014c4534373d30961f66f9ab82735647e2a4fe24ed99882701');
CREATE TABLE guards (
    kind         TEXT    NOT NULL CHECK (kind IN ('evm_nonce', 'xrp_sequence', 'xrp_ticket', 'outpoint')),
    scope        TEXT    NOT NULL,            -- wallet and chain id, network and XRP account, or asset and network
    item         TEXT    NOT NULL,            -- nonce, sequence, ticket, or txid:index
    content_hash BLOB    NOT NULL REFERENCES contents (content_hash),
    replaced     BLOB    REFERENCES contents (content_hash),  -- who has it again if this content is refused
    PRIMARY KEY (kind, scope, item)
) STRICT, WITHOUT ROWID;
INSERT INTO guards VALUES('evm_nonce','01a20ee0-3e69-7ed3-8096-8ff28c5ec75c/11155111','7',X'8e97e60fde11cd5e275a7947dff3e36f7829ea2a12c8318c0bd8e0b6e5cce211',NULL);
CREATE TABLE freezes (
    freeze_id TEXT    NOT NULL PRIMARY KEY CHECK (length(freeze_id) = 36),
    scope     TEXT    NOT NULL,               -- JSON, as in admin_freeze
    reason    TEXT    NOT NULL,
    since     INTEGER NOT NULL,
    lifted_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
    wallet_id TEXT    NOT NULL PRIMARY KEY REFERENCES wallets (wallet_id),
    reason    TEXT    NOT NULL,
    since     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
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
CREATE TABLE restore_findings (
    restore_id INTEGER NOT NULL REFERENCES restores (restore_id),
    finding    TEXT    NOT NULL CHECK (finding IN ('quarantined', 'skipped', 'missing', 'changed')),
    subject    TEXT    NOT NULL,              -- the wallet's id, or whatever names the document or the key
    kms_key_id TEXT,
    reason     TEXT    NOT NULL,
    PRIMARY KEY (restore_id, finding, subject)
) STRICT, WITHOUT ROWID;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('outbox',8);
CREATE INDEX wallets_by_user ON wallets (user_id, wallet_id);
CREATE INDEX wallets_by_asset ON wallets (asset, network, wallet_id);
CREATE INDEX wallets_by_status ON wallets (status, wallet_id);
CREATE TRIGGER wallets_key_is_pinned BEFORE UPDATE OF kms_key_id, public_key, address, key_spec ON wallets
WHEN (OLD.kms_key_id IS NOT NULL AND NEW.kms_key_id IS NOT OLD.kms_key_id)
  OR (OLD.public_key IS NOT NULL AND NEW.public_key IS NOT OLD.public_key)
  OR (OLD.address IS NOT NULL AND NEW.address IS NOT OLD.address)
  OR NEW.key_spec IS NOT OLD.key_spec
BEGIN SELECT RAISE(ABORT, 'the key of a wallet is pinned'); END;
CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE INDEX requests_by_age ON requests (answered_at) WHERE answer IS NOT NULL;
CREATE INDEX outbox_waiting ON outbox (position) WHERE parked IS NULL;
CREATE INDEX outbox_parked ON outbox (position) WHERE parked IS NOT NULL;
CREATE TRIGGER outbox_grows AFTER INSERT ON outbox BEGIN UPDATE outbox_size SET waiting = waiting + 1; END;
CREATE TRIGGER outbox_shrinks AFTER DELETE ON outbox BEGIN UPDATE outbox_size SET waiting = waiting - 1; END;
CREATE TRIGGER signatures_stay BEFORE UPDATE ON signatures WHEN OLD.signature IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a released signature stays'); END;
CREATE TRIGGER signatures_are_not_deleted BEFORE DELETE ON signatures WHEN OLD.signature IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a released signature stays'); END;
CREATE INDEX guards_by_content ON guards (content_hash);
CREATE INDEX freezes_in_force ON freezes (since) WHERE lifted_at IS NULL;
CREATE INDEX requests_unfinished ON requests (wallet_id) WHERE answered_at IS NULL AND wallet_id IS NOT NULL;
COMMIT;
