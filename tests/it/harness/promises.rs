//! What is never lost, checked from outside: KMS's own log and the answers that clients saw, against the store that is left.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use kmsignd::wallets::lifecycle::Status;
use mongodb::bson::Document;
use serde_json::{Value, json};

use super::journal::Told;
use super::scene::Scene;
use crate::kms_conformance::{HERE, client};
use crate::signing::assert_signed;

const SIGN: &str = "kms_signTransactionHash";
const CREATIONS: [&str; 2] = ["wallet_create", "kms_createKey"];

/// What a scene came to.
#[derive(Debug, Default)]
pub struct Figures {
    pub keys_made: usize,
    pub wallets: usize,
    /// Wallets that a client was told of, and that are not there as it was told.
    pub wallets_lost: usize,
    pub orphans_reported: usize,
    pub orphans_unreported: usize,
    /// PENDING wallets whose key can't be found, and that the daemon reports.
    pub pending_reported: usize,
    pub request_ids: usize,
    pub request_ids_with_two_signatures: usize,
    pub signatures_released: usize,
    /// More than were released: what a kill cut off was signed again.
    pub signatures_by_kms: usize,
    pub answers_cut_off: u64,
    pub wallets_in_mongodb: usize,
    pub wallets_parked: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: [(&str, u64); 13] = [
            ("keys made by KMS", self.keys_made as u64),
            ("wallets", self.wallets as u64),
            ("wallets lost", self.wallets_lost as u64),
            ("orphans reported", self.orphans_reported as u64),
            ("orphans unreported", self.orphans_unreported as u64),
            ("PENDING wallets reported", self.pending_reported as u64),
            ("requestIds", self.request_ids as u64),
            ("requestIds with two signatures", self.request_ids_with_two_signatures as u64),
            ("signatures released", self.signatures_released as u64),
            ("signatures made by KMS", self.signatures_by_kms as u64),
            ("calls cut off", self.answers_cut_off),
            ("wallets in MongoDB", self.wallets_in_mongodb as u64),
            ("wallets that it refuses", self.wallets_parked as u64),
        ];
        rows.iter().try_for_each(|(what, count)| writeln!(f, "{what:<32}{count:>9}"))
    }
}

/// Checks every promise against a scene that has healed and whose daemon serves. All that is broken is told at once.
pub fn check_promises(scene: &Scene) -> Figures {
    let mut check = Check::of(scene);
    check.every_key_is_found();
    check.no_wallet_is_lost();
    check.no_request_has_two_answers();
    check.nothing_is_spent_twice();
    check.every_signature_is_audited();
    check.what_is_disabled_stays_so();
    check.kms_has_every_key_in_its_wallets_state();
    check.mongodb_has_every_wallet();
    let verdict = scene.ok("audit_verify", json!({}));
    check.holds(verdict["ok"] == true, || format!("the audit is broken: {verdict}"));
    let open_ends = scene.open_ends();
    check.holds(open_ends.is_empty(), || format!("not healed: {open_ends:?}"));
    let Check { broken, figures, .. } = check;
    assert!(broken.is_empty(), "{} promises broken:\n{}\n\n{figures}", broken.len(), broken.join("\n"));
    figures
}

struct Check<'s> {
    scene: &'s Scene,
    told: BTreeMap<(&'static str, String), Told>,
    wallets: HashMap<String, Wallet>,
    orphans: HashSet<String>,
    broken: Vec<String>,
    figures: Figures,
}

#[derive(Debug)]
struct Wallet {
    status: String,
    key: String,
    public_key: String,
    address: String,
}

impl<'s> Check<'s> {
    fn of(scene: &'s Scene) -> Self {
        let rows =
            scene.rows("SELECT wallet_id, status, kms_key_id, hex(public_key), address FROM wallets").into_iter().map(|row| {
                let [id, status, key, public_key, address]: [String; 5] =
                    row.split('|').map(ToOwned::to_owned).collect::<Vec<_>>().try_into().unwrap();
                (id, Wallet { status, key, public_key: public_key.to_lowercase(), address })
            });
        Self {
            scene,
            told: scene.journal().told(),
            wallets: rows.collect(),
            orphans: scene.rows("SELECT kms_key_id FROM orphans").into_iter().collect(),
            broken: Vec::new(),
            figures: Figures::default(),
        }
    }

    fn holds(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(otherwise());
        }
    }

    /// Every key that KMS made is one wallet's, or is reported.
    fn every_key_is_found(&mut self) {
        let made = self.scene.keys_made();
        let owners: HashMap<String, String> = self
            .wallets
            .iter()
            .filter(|(_, wallet)| !wallet.key.is_empty())
            .map(|(id, wallet)| (wallet.key.clone(), id.clone()))
            .collect();
        for key in &made {
            match (owners.get(key), self.orphans.contains(key)) {
                (None, false) => {
                    self.figures.orphans_unreported += 1;
                    self.broken.push(format!("{key} is no wallet's and is not reported"));
                }
                (Some(wallet), true) => self.broken.push(format!("{key} is wallet {wallet}'s and is reported as an orphan")),
                (Some(_), false) | (None, true) => {}
            }
        }
        for (key, wallet) in owners.iter().filter(|(key, _)| !made.contains(*key)) {
            self.broken.push(format!("wallet {wallet} has {key}, which KMS never made"));
        }
        self.figures.keys_made = made.len();
        self.figures.wallets = self.wallets.values().filter(|wallet| !["PENDING", "FAILED"].contains(&&*wallet.status)).count();
        self.figures.orphans_reported = self.orphans.len();
        self.figures.pending_reported = self.wallets.values().filter(|wallet| wallet.status == "PENDING").count();
    }

    /// Each wallet that a client was told of is there as it was told, and an idempotencyKey made one.
    fn no_wallet_is_lost(&mut self) {
        for ((_, id), told) in self.told.clone().iter().filter(|((method, _), _)| CREATIONS.contains(method)) {
            for result in results(told) {
                let told_of = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
                let there = self.wallets.get(&told_of("walletId")).is_some_and(|wallet| {
                    let as_told = wallet.key == told_of("kmsKeyId") && wallet.address == told_of("address");
                    let same_key = result.get("publicKey").is_none_or(|key| *key == wallet.public_key);
                    as_told && same_key && !["PENDING", "FAILED"].contains(&&*wallet.status)
                });
                if !there {
                    self.figures.wallets_lost += 1;
                    self.broken.push(format!("{id} made {result}, which is not there any more"));
                }
            }
        }
        let mut made: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for record in self.audit().iter().filter(|record| record["kind"] == "outcome" && record["outcome"] == "success") {
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            if CREATIONS.contains(&&*text("method")) && record.get("requestId").is_some() {
                made.entry((text("method"), text("requestId"))).or_default().insert(text("walletId"));
            }
        }
        for (key, wallets) in made.into_iter().filter(|(_, wallets)| wallets.len() > 1) {
            self.broken.push(format!("{key:?} made the wallets {wallets:?}"));
        }
    }

    /// A requestId has one answer for ever, and never two signatures.
    fn no_request_has_two_answers(&mut self) {
        for ((method, id), told) in &self.told {
            self.figures.request_ids += 1;
            self.figures.answers_cut_off += u64::from(told.cut_off);
            let whole = told.signatures.iter().max_by_key(|signature| signature.len());
            let two = whole.is_some_and(|whole| told.signatures.iter().any(|part| !whole.starts_with(part.as_str())));
            if two {
                self.figures.request_ids_with_two_signatures += 1;
                self.broken.push(format!("{method} {id} released {:?}", told.signatures));
            }
            if told.results.len() > 1 {
                self.broken.push(format!("{method} {id} was answered with {:?}", told.results));
            }
        }
    }

    /// A nonce and a coin have one transaction for ever.
    fn nothing_is_spent_twice(&mut self) {
        let mut spent: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for ((method, _), told) in &self.told {
            for result in results(told) {
                let (spends, transaction) = match *method {
                    "eth_signTransaction" => {
                        (vec![format!("{} {}", told.params["transaction"]["from"], result["tx"]["nonce"])], &result["raw"])
                    }
                    "utxo_signPsbt" => (coins(&result["transaction"]), &result["transaction"]),
                    "xrp_signTransaction" => {
                        let transaction = &told.params["transaction"];
                        (vec![format!("{} {}", transaction["Account"], transaction["Sequence"])], &result["txBlob"])
                    }
                    // All examples spend one coin.
                    "ada_signTransaction" => (vec![format!("the coin of {}", told.params["walletId"])], &result["transaction"]),
                    _ => continue,
                };
                for spend in spends {
                    spent.entry(spend).or_default().insert(transaction.as_str().unwrap().to_owned());
                }
            }
        }
        for (what, transactions) in spent.into_iter().filter(|(_, transactions)| transactions.len() > 1) {
            self.broken.push(format!("{what} is spent by {transactions:?}"));
        }
    }

    /// Every signature that a client saw, be it half of one, is KMS's, verifies, and has intent and outcome in the audit.
    fn every_signature_is_audited(&mut self) {
        let mut intents: HashMap<u64, Value> = HashMap::new();
        let mut succeeded: HashMap<String, Vec<Value>> = HashMap::new();
        for record in self.audit() {
            if record["kind"] == "intent" {
                intents.insert(record["sequence"].as_u64().unwrap(), record);
            } else if record["kind"] == "outcome" && record["outcome"] == "success" && record["method"] == SIGN {
                let intent = intents.get(&record["intent"].as_u64().unwrap());
                let same = |name: &str| intent.is_some_and(|intent| intent.get(name) == record.get(name));
                let belongs = ["method", "requestId", "walletId", "digest", "caller"].into_iter().all(same);
                self.holds(belongs, || format!("an outcome without its intent: {record}"));
                let id = record["requestId"].as_str().unwrap_or_default().to_owned();
                succeeded.entry(id).or_default().push(record);
            }
        }
        let signed: HashSet<(String, String)> = self
            .scene
            .kms_effects("Sign")
            .iter()
            .inspect(|_| self.figures.signatures_by_kms += 1)
            .map(|entry| (entry["key"].as_str().unwrap().to_owned(), entry["digest"].as_str().unwrap().to_owned()))
            .collect();
        for ((_, id), told) in
            self.told.clone().iter().filter(|((method, _), told)| *method == SIGN && !told.signatures.is_empty())
        {
            self.figures.signatures_released += 1;
            let key = told.params["keyId"].as_str().unwrap().to_owned();
            let digest = told.params["transactionHash"].as_str().unwrap().to_owned();
            let wallet = self.wallets.iter().find(|(_, wallet)| wallet.key == key).map(|(wallet_id, wallet)| {
                (wallet_id.clone(), json!({ "kmsKeyId": wallet.key, "publicKey": wallet.public_key }))
            });
            let Some((wallet_id, wallet)) = wallet else {
                self.broken.push(format!("{id} was signed with {key}, which is no wallet's"));
                continue;
            };
            let audited = succeeded.get(id).is_some_and(|records| {
                records.len() == 1 && records.iter().all(|record| record["digest"] == digest && record["walletId"] == wallet_id)
            });
            self.holds(audited, || format!("{id} was signed, and the audit has {:?}", succeeded.get(id)));
            self.holds(signed.contains(&(key, digest.clone())), || format!("{id} was signed, and KMS knows nothing of it"));
            for result in results(told) {
                assert_signed(&wallet, &digest, &result);
            }
        }
    }

    /// A wallet that was answered DISABLED, and that nobody enabled again, is.
    fn what_is_disabled_stays_so(&mut self) {
        let of_wallet = |told: &Told| told.params["walletId"].as_str().unwrap_or_default().to_owned();
        let enabled: HashSet<String> =
            self.told.iter().filter(|((method, _), _)| *method == "wallet_enable").map(|(_, told)| of_wallet(told)).collect();
        for ((_, id), told) in self.told.clone().iter().filter(|((method, _), _)| *method == "wallet_disable") {
            let wallet = of_wallet(told);
            if results(told).next().is_some() && !enabled.contains(&wallet) {
                let status = self.wallets.get(&wallet).map(|wallet| wallet.status.clone());
                let holds = status.as_deref().is_some_and(|status| ["DISABLED", "PENDING_DELETION", "DELETED"].contains(&status));
                self.holds(holds, || format!("{id} disabled wallet {wallet}, which is {status:?}"));
            }
        }
    }

    /// KMS has followed the wallets; what others changed there is reported.
    fn kms_has_every_key_in_its_wallets_state(&mut self) {
        let kms = client(&self.scene.kms_endpoint(), HERE);
        let drifting: HashSet<String> = self.scene.rows("SELECT wallet_id FROM drift").into_iter().collect();
        let expected = self.wallets.iter().filter_map(|(id, wallet)| {
            let status: Status = wallet.status.parse().unwrap();
            Some((id, wallet, status.key_state()?)).filter(|_| !drifting.contains(id))
        });
        let wrong: Vec<String> = expected
            .filter_map(|(id, wallet, expected)| {
                let described = self.scene.block_on(kms.describe_key().key_id(&wallet.key).send()).unwrap();
                let found = described.key_metadata.and_then(|metadata| metadata.key_state).unwrap();
                (!expected.is(found.as_str())).then(|| format!("wallet {id} is {}, and its key {found}", wallet.status))
            })
            .collect();
        self.broken.extend(wrong);
    }

    /// MongoDB has one document of each wallet with a key, of its latest version; what it refuses is parked, and reported.
    fn mongodb_has_every_wallet(&mut self) {
        let Some(mongodb) = self.scene.mongodb() else { return };
        let text = |document: &Document, name: &str| document.get_str(name).unwrap_or_default().to_owned();
        let mut there: HashMap<String, Vec<String>> = HashMap::new();
        for document in mongodb.database.all() {
            let version = document.get_i64("version").unwrap_or_default();
            let written = ["status", "kmsKeyId", "address"].map(|name| text(&document, name)).join("|");
            there.entry(text(&document, "providerId")).or_default().push(format!("{version}|{written}"));
        }
        let parked: HashSet<String> =
            self.scene.rows("SELECT wallet_id FROM outbox WHERE parked IS NOT NULL").into_iter().collect();
        let rows = self.scene.rows(
            "SELECT wallet_id, version, status, kms_key_id, address FROM wallets WHERE status NOT IN ('PENDING', 'FAILED')",
        );
        for row in rows {
            let (id, expected) = row.split_once('|').unwrap();
            let found = there.remove(id).unwrap_or_default();
            if parked.contains(id) {
                self.figures.wallets_parked += 1;
            } else if found == [expected] {
                self.figures.wallets_in_mongodb += 1;
            } else {
                self.broken.push(format!("wallet {id} is {expected}, and MongoDB has {found:?}"));
            }
        }
    }

    fn audit(&self) -> Vec<Value> {
        let records = self.scene.rows("SELECT record FROM audit ORDER BY sequence");
        records.iter().map(|record| serde_json::from_str(record).unwrap()).collect()
    }
}

/// The coins that a transaction spends.
fn coins(transaction: &Value) -> Vec<String> {
    let bytes = hex::decode(transaction.as_str().unwrap()).unwrap();
    let transaction: bitcoin::Transaction = bitcoin::consensus::deserialize(&bytes).unwrap();
    transaction.input.iter().map(|input| input.previous_output.to_string()).collect()
}

/// The results that were told, as JSON.
fn results(told: &Told) -> impl Iterator<Item = Value> {
    told.results.iter().map(|text| serde_json::from_str::<Value>(&format!("{{{text}")).unwrap()["result"].take())
}
