//! Guarded signatures while signing is stopped: by a freeze, or by the wallet's state.

use super::*;

const FREEZE: &str =
    "INSERT INTO freezes (freeze_id, scope, reason, since) VALUES ('0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f61', '\"all\"', 'x', 1)";
const LIFT: &str = "UPDATE freezes SET lifted_at = 2";

#[track_caller]
fn is_frozen(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Failure::Frozen { .. }))
}

#[tokio::test]
async fn guarded_signature_while_frozen_is_refused_and_takes_no_guard() {
    let rig = Rig::new().await;
    let signed = rig.spend(1, &[1]);
    let answer = rig.ok(&signed).await;
    rig.execute(FREEZE).await.unwrap();
    assert!(is_frozen(&rig.sign(rig.spend(2, &[2]), None, Kms::Signs).await));
    assert!(is_frozen(&rig.sign(signed.clone(), None, Kms::Signs).await), "a signature of before does not leave either");
    assert_eq!(rig.guards().await, BTreeMap::from([(1, (1, None))]));
    rig.execute(LIFT).await.unwrap();
    assert_eq!(rig.ok(&signed).await, answer);
    assert_eq!(rig.signed(), 1);
}

#[tokio::test]
async fn guarded_signature_made_while_it_is_stopped_is_withheld_and_keeps_guard_and_request_id() {
    for (stop, go_on) in [(FREEZE, LIFT), ("UPDATE wallets SET status = 'DISABLED'", "UPDATE wallets SET status = 'CREATED'")] {
        let rig = Rig::new().await;
        let ReservedGuarded::Sign(_, open) = rig.store.reserve_guarded(rig.judged(Some(("r", 1))), rig.spend(1, &[1])).await
        else {
            panic!("it should sign");
        };
        rig.execute(stop).await.unwrap();
        let withheld = rig.end(open, Kms::Signs).await.into_outcome();
        assert!(matches!(withheld, Err(Failure::Frozen { .. } | Failure::KeyNotUsable { .. })), "{withheld:?}");
        rig.execute(go_on).await.unwrap();
        assert_eq!(rig.conflicts(&rig.spend(2, &[1])).await, "outpoint", "KMS signed it, so the outpoint stays taken");
        assert_eq!(conflict_of(rig.sign(rig.spend(3, &[3]), Some(("r", 3)), Kms::Signs).await), "requestId");
        rig.sign(rig.spend(1, &[1]), Some(("r", 1)), Kms::Signs).await.unwrap();
        assert_eq!(rig.signed(), 2, "the first one was never released");
    }
}

#[tokio::test]
async fn signature_of_before_that_is_about_to_be_given_again_is_withheld_by_a_freeze() {
    let rig = Rig::new().await;
    rig.ok(&rig.spend(1, &[1])).await;
    let ReservedGuarded::Signed(signed, repeat) = rig.store.reserve_guarded(rig.judged(Some(("r", 1))), rig.spend(1, &[1])).await
    else {
        panic!("it was signed before");
    };
    rig.execute(FREEZE).await.unwrap();
    assert!(is_frozen(&rig.store.record_repeat(repeat, answer(&signatures(&signed))).await.into_outcome()));
    rig.execute(LIFT).await.unwrap();
    rig.sign(rig.spend(1, &[1]), Some(("r", 1)), Kms::Signs).await.unwrap();
    assert_eq!(rig.signed(), 1);
}
