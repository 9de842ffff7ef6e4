//! Cancelling a deletion when its time has come.

use kmsignd::emulator::Script;

use super::*;

#[test]
fn deletion_whose_time_has_come_is_cancelled_only_while_kms_has_the_key() {
    let mut daemon = daemon();
    let wallets = [daemon.wallet("BTC"), daemon.wallet("BTC")];
    for wallet in &wallets {
        change(&daemon, wallet, Event::ScheduleDeletion);
    }
    daemon.wait_for_key_drives();
    daemon.stop();
    daemon.execute("UPDATE wallets SET deletion_date = 1");
    let [here, gone] = wallets;
    daemon
        .block_on(client(daemon.kms_endpoint(), HERE).cancel_key_deletion().key_id(here["kmsKeyId"].as_str().unwrap()).send())
        .unwrap();
    daemon.advance_kms(DAY * 8);
    // The daemon's own look comes to nothing, and the next one is a quarter of an hour away.
    let unseen = Script::next(Operation::DescribeKey, Fault::Deny).on_key(gone["kmsKeyId"].as_str().unwrap());
    daemon.faults().script(unseen);
    daemon.start_again();
    daemon.wait_for_faults();
    let cancel = json!({ "keyId": gone["kmsKeyId"], "requestId": "r" });
    let error = daemon.fails("KEY_NOT_USABLE", "kms_cancelKeyDeletion", cancel);
    assert!(error["message"].as_str().unwrap().contains("KMS has deleted its key"), "{error}");
    assert_eq!(status(&daemon, &gone), "PENDING_DELETION");
    daemon.fault(Operation::DescribeKey, Fault::Internal, 1000);
    daemon.fails("KMS_UNAVAILABLE", "kms_cancelKeyDeletion", json!({ "keyId": here["kmsKeyId"] }));
    daemon.faults().set(Default::default());
    assert_eq!(change(&daemon, &here, Event::CancelDeletion)["status"], "DISABLED");
    daemon.restart();
    wait_until("the deletion is recorded", || status(&daemon, &gone) == "DELETED");
}
