//! Guards through the store's own interface, with a KMS that counts.

mod model;
mod stopped;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::sync::Barrier;

use super::*;
use crate::audit::record::Facts;
use crate::caller::Caller;
use crate::chains::AddressType;
use crate::chains::networks::{Network, NetworkDefaults, Networks};
use crate::clock::{Clock, SystemClock};
use crate::keys::{Digest32, KeySpec, PinnedKey};
use crate::outcome::Answer;
use crate::policy::{Action, Context, Policy, Principal, Question, Resource, Source, dev_policy};
use crate::store::commits::BoundRequest;
use crate::store::wallets::{self, Wallet};
use crate::wallets::lifecycle::Status;

const WALLET: &str = "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60";

/// A store with one wallet that signs, and what stands for KMS.
struct Rig {
    store: Store,
    directory: TempDir,
    caller: Caller,
    policy: Policy,
    wallet: WalletId,
    network: Network,
    signed: AtomicU8,
}

/// What KMS does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kms {
    Signs,
    Refuses,
    Loses,
}

impl Rig {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let caller = Caller::from_socket(&ours).unwrap();
        let text = dev_policy(caller.uid());
        let policy = Policy::compile(&[Source { name: "test.cedar".to_owned(), text }], &|_, _| None).unwrap();
        let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
        let rig = Self {
            store: open(&directory),
            directory,
            caller,
            policy,
            wallet: WALLET.parse().unwrap(),
            network: networks.resolve("BTC", Some("testnet")).unwrap(),
            signed: AtomicU8::new(0),
        };
        let wallet = rig.wallet_row();
        rig.store.writer.submit(move |transaction| wallets::insert(transaction.connection, &wallet)).durable().await.unwrap();
        rig
    }

    /// What a kill leaves: the store is opened again, and nothing else is remembered.
    fn crash(self) -> Self {
        let Self { store, directory, caller, policy, wallet, network, signed } = self;
        drop(store);
        Self { store: open(&directory), directory, caller, policy, wallet, network, signed }
    }

    fn wallet_row(&self) -> Wallet {
        let at = SystemClock.now();
        Wallet {
            wallet_id: self.wallet,
            user_id: "user123".parse().unwrap(),
            asset: "BTC".to_owned(),
            ticker: "BTC".to_owned(),
            network: "testnet".to_owned(),
            address_type: AddressType::P2wpkh,
            stake: None,
            key_spec: KeySpec::EccSecgP256k1,
            status: Status::Created,
            kms_key_id: Some("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()),
            public_key: Some(PinnedKey::from_store(KeySpec::EccSecgP256k1, vec![2; 33])),
            address: Some("an address".to_owned()),
            label: None,
            created_at: at,
            updated_at: at,
            version: 1,
            deletion_date: None,
        }
    }

    fn judged(&self, request_id: Option<(&str, u8)>) -> Judged {
        let principal = Principal { uid: self.caller.uid(), groups: self.caller.groups() };
        let context = Context::Method("admin_reload");
        Judged {
            caller: self.caller.clone(),
            method: "eth_signTransaction",
            request: request_id.map(|(id, content)| BoundRequest {
                id: id.parse().unwrap(),
                field: "requestId",
                content_hash: [content; 32],
            }),
            on_behalf_of: None,
            facts: Facts::default(),
            decision: self.policy.decide(&Question {
                principal,
                action: Action::Administer,
                resource: Resource::Daemon,
                context,
            }),
        }
    }

    /// Content `number`, which spends these outpoints.
    fn spend(&self, number: u8, outpoints: &[u32]) -> GuardedContent {
        let guards = outpoints.iter().map(|index| Guard::outpoint(&self.network, &[1; 32], *index)).collect();
        self.guarded(number, guards)
    }

    /// Content `number`, which uses nonce 7.
    fn with_nonce(&self, number: u8) -> GuardedContent {
        self.guarded(number, vec![Guard::evm_nonce(self.wallet, 1, 7)])
    }

    fn guarded(&self, number: u8, guards: Vec<Guard>) -> GuardedContent {
        let content = content(number);
        GuardedContent {
            payloads: vec![self.slot(0, number)],
            guarded: Guarded::new(content, guards, &format!("summary {number}")).unwrap(),
        }
    }

    fn slot(&self, slot: u32, digest: u8) -> SlotPayload {
        let payload = SigningPayload::EcdsaDigest(Digest32::new([digest; 32]));
        SlotPayload { wallet_id: self.wallet, slot, payload }
    }

    /// The way of the pipeline.
    async fn sign(&self, asked: GuardedContent, request_id: Option<(&str, u8)>, kms: Kms) -> Outcome {
        match self.store.reserve_guarded(self.judged(request_id), asked).await {
            ReservedGuarded::Sign(_, open) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                self.end(open, kms).await
            }
            ReservedGuarded::Signed(signed, repeat) => self.store.record_repeat(repeat, answer(&signatures(&signed))).await,
            ReservedGuarded::Settled(recorded) => recorded,
        }
        .into_outcome()
    }

    /// Has it signed, up to KMS's answer.
    async fn begin(&self, asked: GuardedContent) -> OpenGuarded {
        match self.store.reserve_guarded(self.judged(None), asked).await {
            ReservedGuarded::Sign(_, open) => open,
            ReservedGuarded::Signed(..) | ReservedGuarded::Settled(_) => panic!("nothing to sign"),
        }
    }

    async fn end(&self, open: OpenGuarded, kms: Kms) -> Recorded {
        let failure = Failure::KmsUnavailable { reason: "as told".to_owned() };
        let (outcome, made) = match kms {
            Kms::Signs => {
                let signatures: Vec<_> = open.slots.iter().map(|_| self.new_signature()).collect();
                (answer(&signatures), signatures.into_iter().map(Made::Signature).collect())
            }
            Kms::Refuses => (Err(failure), vec![Made::Nothing; open.slots.len()]),
            Kms::Loses => (Err(failure), vec![Made::Unknown; open.slots.len()]),
        };
        self.store.record_guarded(open, outcome, made, Vec::new()).await
    }

    /// As ECDSA of KMS: no two are the same.
    fn new_signature(&self) -> SignatureBytes {
        SignatureBytes::Ecdsa { r_s: [self.signed.fetch_add(1, Ordering::SeqCst) + 1; 64], recovery_id: 1 }
    }

    fn signed(&self) -> u8 {
        self.signed.load(Ordering::SeqCst)
    }

    async fn ok(&self, asked: &GuardedContent) -> String {
        self.sign(asked.clone(), None, Kms::Signs).await.unwrap().as_json().to_owned()
    }

    /// The field of the conflict.
    async fn conflicts(&self, asked: &GuardedContent) -> &'static str {
        conflict_of(self.sign(asked.clone(), None, Kms::Signs).await)
    }

    /// Outpoint, content, and what that replaced, as the numbers of the test.
    async fn guards(&self) -> BTreeMap<u8, (u8, Option<u8>)> {
        let number = |hash: [u8; 32]| (0..=u8::MAX).find(|number| *content(*number).as_bytes() == hash).unwrap();
        let read = move |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare("SELECT item, content_hash, replaced FROM guards")?;
            let rows = statement.query_map([], |row| {
                let item: String = row.get(0)?;
                let index = item.rsplit(':').next().unwrap().parse().unwrap();
                Ok((index, (number(row.get(1)?), row.get::<_, Option<[u8; 32]>>(2)?.map(number))))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        // As the writer sees it: an intent may be acted on before it is committed.
        self.store.writer.submit(move |transaction| read(transaction.connection)).durable().await.unwrap()
    }

    fn records(&self) -> Vec<serde_json::Value> {
        let page = self.store.audit_page(Some(0), 1000).unwrap();
        page.rows.iter().map(|row| serde_json::from_str(&row.record).unwrap()).collect()
    }

    async fn execute(&self, sql: &'static str) -> Result<(), StoreError> {
        self.store.writer.submit(move |transaction| Ok(transaction.connection.execute_batch(sql)?)).durable().await
    }
}

fn open(directory: &TempDir) -> Store {
    Store::open(&directory.path().join("kmsignd.db"), Arc::new(SystemClock)).unwrap()
}

fn content(number: u8) -> crate::guards::ContentHash {
    crate::guards::ContentHash::of_wallet(WALLET.parse().unwrap(), &[number])
}

fn answer(signatures: &[SignatureBytes]) -> Outcome {
    Answer::of(&signatures.iter().map(|signature| hex::encode(signature.to_bytes())).collect::<Vec<_>>())
}

fn signatures(signed: &[Signed]) -> Vec<SignatureBytes> {
    signed.iter().map(|signed| signed.signature).collect()
}

#[track_caller]
fn conflict_of(outcome: Outcome) -> &'static str {
    match outcome {
        Err(Failure::Conflict { field, .. }) => field,
        other => panic!("should be a conflict: {other:?}"),
    }
}

/// Asks for all at once; what each got.
async fn race(rig: &Arc<Rig>, asked: Vec<GuardedContent>) -> Vec<Outcome> {
    let start = Arc::new(Barrier::new(asked.len()));
    let racers: Vec<_> = asked
        .into_iter()
        .map(|asked| {
            let (rig, start) = (Arc::clone(rig), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                rig.sign(asked, None, Kms::Signs).await
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for racer in racers {
        outcomes.push(racer.await.unwrap());
    }
    outcomes
}

fn released(outcomes: &[Outcome]) -> Vec<usize> {
    (0..outcomes.len()).filter(|index| outcomes[*index].is_ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn race_of_contents_for_one_nonce_has_one_winner_for_ever() {
    let mut rig = Arc::new(Rig::new().await);
    let asked: Vec<_> = (0..24).map(|number| rig.with_nonce(number)).collect();
    let first = race(&rig, asked.clone()).await;
    let winners = released(&first);
    assert_eq!(winners.len(), 1, "{first:?}");
    let answer = first[winners[0]].clone().unwrap().as_json().to_owned();
    for _ in 0..2 {
        rig = Arc::new(Arc::into_inner(rig).unwrap().crash());
        let again = race(&rig, asked.clone()).await;
        assert_eq!(released(&again), winners);
        assert_eq!(again[winners[0]].as_ref().unwrap().as_json(), answer);
        for (number, outcome) in again.into_iter().enumerate().filter(|(number, _)| *number != winners[0]) {
            assert_eq!(conflict_of(outcome), "nonce", "{number}");
        }
    }
    assert_eq!(rig.signed(), 1);
    assert!(rig.store.audit_verify().unwrap().first_bad.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn race_for_one_content_makes_one_signature_that_all_get() {
    let rig = Arc::new(Rig::new().await);
    let outcomes = race(&rig, vec![rig.with_nonce(1); 24]).await;
    let answers: BTreeSet<_> = outcomes.iter().map(|outcome| outcome.as_ref().unwrap().as_json()).collect();
    assert_eq!((answers.len(), rig.signed()), (1, 1));
    let records = rig.records();
    let of_kind = |kind: &str| records.iter().filter(|record| record["kind"] == kind).collect::<Vec<_>>();
    let intents = of_kind("intent");
    assert_eq!((intents.len(), of_kind("outcome").len(), of_kind("repeat").len()), (1, 1, 23));
    assert!(of_kind("repeat").iter().all(|repeat| repeat["intent"] == intents[0]["sequence"] && repeat["outcome"] == "success"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn race_of_overlapping_outpoints_releases_contents_that_share_none() {
    let mut rig = Arc::new(Rig::new().await);
    for round in 0..4_u32 {
        let outpoints = |number: u8| -> Vec<u32> { (0..3).map(|step| round * 16 + (u32::from(number) + step) % 12).collect() };
        let numbers: Vec<u8> = (0..12).collect();
        let number_of = |index: usize| u8::try_from(round).unwrap() * 16 + numbers[index];
        let asked = (0..12).map(|index| rig.spend(number_of(index), &outpoints(numbers[index]))).collect();
        let outcomes = race(&rig, asked).await;
        let winners = released(&outcomes);
        assert!(!winners.is_empty());
        let mut spent = BTreeMap::new();
        for winner in &winners {
            for outpoint in outpoints(numbers[*winner]) {
                let before = spent.insert(u8::try_from(outpoint).unwrap(), (number_of(*winner), None));
                assert_eq!(before, None, "{winners:?}");
            }
        }
        let of_round = |guards: BTreeMap<u8, (u8, Option<u8>)>| -> BTreeMap<_, _> {
            guards.into_iter().filter(|(outpoint, _)| u32::from(outpoint / 16) == round).collect()
        };
        assert_eq!(of_round(rig.guards().await), spent, "who lost took nothing");
        rig = Arc::new(Arc::into_inner(rig).unwrap().crash());
        assert_eq!(of_round(rig.guards().await), spent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn race_of_replacements_has_one_winner_and_the_replaced_stays_signed() {
    let rig = Arc::new(Rig::new().await);
    let replaced = rig.with_nonce(0);
    let answer = rig.ok(&replaced).await;
    let replacement = |number| {
        let mut asked = rig.with_nonce(number);
        asked.guarded = asked.guarded.replacing(vec![content(0)]);
        asked
    };
    let asked: Vec<_> = (1..=16).map(replacement).collect();
    for _ in 0..2 {
        let outcomes = race(&rig, asked.clone()).await;
        assert_eq!(released(&outcomes).len(), 1, "{outcomes:?}");
        assert_eq!(rig.signed(), 2);
    }
    assert_eq!(rig.ok(&replaced).await, answer, "it was released already");
    assert_eq!(rig.conflicts(&rig.with_nonce(77)).await, "nonce");
    assert_eq!(rig.signed(), 2);
}

#[tokio::test]
async fn refusal_frees_the_guards_and_gives_a_replacement_back() {
    let rig = Rig::new().await;
    let (one, other) = (rig.spend(1, &[0, 1]), rig.spend(2, &[1, 2]));
    rig.sign(one.clone(), None, Kms::Refuses).await.unwrap_err();
    assert!(rig.guards().await.is_empty());
    rig.ok(&other).await;
    assert_eq!(rig.conflicts(&one).await, "outpoint");

    let mut replacing = one.clone();
    replacing.guarded = replacing.guarded.replacing(vec![content(2)]);
    let found = rig.store.in_the_way_of(&one).unwrap();
    assert_eq!(found, [crate::store::InTheWay { content: content(2), summary: "\"summary 2\"".to_owned() }]);
    rig.sign(replacing.clone(), None, Kms::Refuses).await.unwrap_err();
    assert_eq!(rig.guards().await, [(1, (2, None)), (2, (2, None))].into());
    rig.ok(&replacing).await;
    assert_eq!(rig.guards().await, [(0, (1, None)), (1, (1, Some(2))), (2, (2, None))].into());
    assert_eq!(rig.store.in_the_way_of(&other).unwrap(), [], "it was released already, so nothing would be replaced");
    assert_eq!(rig.conflicts(&rig.spend(3, &[2])).await, "outpoint");
}

#[tokio::test]
async fn unknown_outcome_keeps_the_guards_for_the_same_content() {
    for crash in [false, true] {
        let mut rig = Rig::new().await;
        let (one, other) = (rig.with_nonce(1), rig.with_nonce(2));
        if crash {
            let open = rig.begin(one.clone()).await;
            // The intent is on disk by then, or there would be nothing to keep.
            drop(open.open.durable().await.unwrap());
            rig = rig.crash();
        } else {
            rig.sign(one.clone(), None, Kms::Loses).await.unwrap_err();
        }
        assert_eq!(rig.conflicts(&other).await, "nonce");
        // That one refuses now proves nothing of the first attempt.
        rig.sign(one.clone(), None, Kms::Refuses).await.unwrap_err();
        assert_eq!(rig.conflicts(&other).await, "nonce");
        assert_eq!(rig.ok(&one).await, rig.ok(&one).await);
        assert_eq!(rig.signed(), 1);
    }
}

#[tokio::test]
async fn request_id_is_bound_by_a_repeated_signature_too() {
    let mut rig = Rig::new().await;
    let (one, other) = (rig.with_nonce(1), rig.spend(2, &[0]));
    let answer = rig.ok(&one).await;
    for _ in 0..2 {
        let again = rig.sign(one.clone(), Some(("r", 1)), Kms::Signs).await.unwrap();
        assert_eq!(again.as_json(), answer);
        assert_eq!(conflict_of(rig.sign(other.clone(), Some(("r", 2)), Kms::Signs).await), "requestId");
        rig = rig.crash();
    }
    assert_eq!(rig.signed(), 1);
    rig.execute("UPDATE wallets SET status = 'DISABLED'").await.unwrap();
    for request_id in [None, Some(("r", 1)), Some(("new", 1))] {
        let outcome = rig.sign(one.clone(), request_id, Kms::Signs).await;
        assert_eq!(outcome.unwrap_err(), Failure::KeyNotUsable { status: Status::Disabled });
    }
}

#[tokio::test]
async fn slots_of_one_content_have_a_signature_each_and_share_the_guards() {
    let rig = Rig::new().await;
    let one = rig.spend(1, &[0, 1]);
    let slot = |slot, digest| GuardedContent { payloads: vec![rig.slot(slot, digest)], ..one.clone() };
    let first = rig.ok(&slot(0, 10)).await;
    assert_eq!(rig.conflicts(&slot(0, 99)).await, "outpoint", "the same input with another claim about its amount");
    rig.sign(slot(1, 11), None, Kms::Refuses).await.unwrap_err();
    assert_eq!(rig.guards().await, [(0, (1, None)), (1, (1, None))].into(), "the first signature needs them");
    let second = rig.ok(&slot(1, 11)).await;
    assert_ne!(first, second);
    assert_eq!((rig.ok(&slot(0, 10)).await, rig.ok(&slot(1, 11)).await), (first, second));
    assert_eq!(rig.signed(), 2);
}

#[tokio::test]
async fn slots_asked_for_together_are_released_together_or_not_at_all() {
    let rig = Rig::new().await;
    let two = GuardedContent { payloads: vec![rig.slot(0, 10), rig.slot(1, 11)], ..rig.spend(1, &[0, 1]) };
    let failure = || Err(Failure::KmsUnavailable { reason: "as told".to_owned() });
    let open = rig.begin(two.clone()).await;
    let made = vec![Made::Nothing, Made::Nothing];
    rig.store.record_guarded(open, failure(), made, Vec::new()).await.into_outcome().unwrap_err();
    assert_eq!(rig.guards().await, [].into(), "nothing was signed");

    let open = rig.begin(two.clone()).await;
    let made = vec![Made::Signature(rig.new_signature()), Made::Nothing];
    rig.store.record_guarded(open, failure(), made, Vec::new()).await.into_outcome().unwrap_err();
    assert_eq!(rig.guards().await, [(0, (1, None)), (1, (1, None))].into(), "there is a signature of one, though unreleased");
    assert_eq!(rig.conflicts(&rig.spend(2, &[1])).await, "outpoint");

    let answer = rig.ok(&two).await;
    assert_eq!(rig.ok(&two).await, answer);
    assert_eq!(rig.signed(), 3, "the unreleased one, and two");
    // One more slot than before: those released come back, and the new one alone is signed.
    let mut three = two.clone();
    three.payloads.push(rig.slot(2, 12));
    let ReservedGuarded::Sign(signing, open) = rig.store.reserve_guarded(rig.judged(None), three).await else {
        panic!("one of them is new")
    };
    assert!(matches!(&signing[..], [Signing::Known(_), Signing::Known(_), Signing::Needed(..)]));
    assert_eq!(open.slots.len(), 1);
    rig.end(open, Kms::Signs).await.into_outcome().unwrap();
    let mut other_claim = two.clone();
    other_claim.payloads[1] = rig.slot(1, 99);
    assert_eq!(rig.conflicts(&other_claim).await, "outpoint");
}

#[tokio::test]
async fn released_signature_stays_whatever_runs_here() {
    let rig = Rig::new().await;
    rig.ok(&rig.with_nonce(1)).await;
    for sql in ["UPDATE signatures SET signature = NULL", "UPDATE signatures SET intent = intent", "DELETE FROM signatures"] {
        assert!(rig.execute(sql).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn answer_without_a_signature_is_not_released() {
    let rig = Rig::new().await;
    for made in [Made::Nothing, Made::Unknown] {
        let open = rig.begin(rig.with_nonce(1)).await;
        let recorded = rig.store.record_guarded(open, Answer::of(&"x"), vec![made], Vec::new()).await;
        assert!(matches!(recorded.into_outcome(), Err(Failure::Internal(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn call_that_waited_for_a_refusal_tries_itself() {
    let rig = Arc::new(Rig::new().await);
    let open = rig.begin(rig.with_nonce(1)).await;
    let waiting = {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move { rig.sign(rig.with_nonce(1), None, Kms::Signs).await })
    };
    // It has looked when another piece of work behind it is done.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    assert_eq!(rig.conflicts(&rig.with_nonce(2)).await, "nonce", "another content need not wait");
    rig.end(open, Kms::Refuses).await.into_outcome().unwrap_err();
    waiting.await.unwrap().unwrap();
    assert_eq!(rig.signed(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replacement_waits_for_the_end_of_what_it_replaces() {
    for kms in [Kms::Signs, Kms::Refuses] {
        let rig = Arc::new(Rig::new().await);
        let one = rig.spend(1, &[0]);
        let mut other = rig.spend(2, &[0]);
        other.guarded = other.guarded.replacing(vec![content(1)]);
        let open = rig.begin(one).await;
        let waiting = {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move { rig.sign(other, None, Kms::Signs).await })
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished());
        rig.end(open, kms).await.into_outcome().ok();
        waiting.await.unwrap().unwrap();
        let replaced = (kms == Kms::Signs).then_some(1);
        assert_eq!(rig.guards().await, [(0, (2, replaced))].into());
    }
}

#[tokio::test]
async fn repeat_of_a_signature_is_withheld_if_the_wallet_was_stopped_meanwhile() {
    let rig = Rig::new().await;
    let one = rig.with_nonce(1);
    rig.ok(&one).await;
    let ReservedGuarded::Signed(signed, repeat) = rig.store.reserve_guarded(rig.judged(None), one).await else {
        panic!("it was signed before")
    };
    rig.execute("UPDATE wallets SET status = 'DISABLED'").await.unwrap();
    let stopped = Failure::KeyNotUsable { status: Status::Disabled };
    assert_eq!(rig.store.record_repeat(repeat, answer(&signatures(&signed))).await.into_outcome().unwrap_err(), stopped);
    let shared = rig.store.record_shared(rig.judged(Some(("r", 1))), answer(&signatures(&signed)), &[rig.wallet]).await;
    assert_eq!(shared.into_outcome().unwrap_err(), stopped);
    assert!(rig.store.record_shared(rig.judged(None), answer(&signatures(&signed)), &[]).await.into_outcome().is_ok());
}
