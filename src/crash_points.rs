//! Where a test may have this process killed: a named point after every durable step and around every call to the outside.
//!
//! `KMSIGND_CRASH_AT=NAME[:NTH]` arms one. The process that reaches it for the nth time (the first, without a number) kills
//! itself with SIGKILL, as a power cut or the kernel would: no destructor runs and no buffer is written. It stalls there for a
//! moment first, and the rest of the process goes on: what ought to wait for this step and does not, shows. The variable is read
//! once. Without cargo feature `emulator`, which packages are built without, a point is nothing at all.
//!
//! A point must never change what the code around it does.

/// The table of points: variant, name, and what is durable when it is reached.
macro_rules! crash_points {
    ($($point:ident, $name:literal, $durable:literal;)*) => {
        /// A point at which a test may have the process killed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CrashPoint {
            $(#[doc = $durable] $point,)*
        }

        impl CrashPoint {
            /// Every point, in the order of a request's way.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            /// Its name in `KMSIGND_CRASH_AT`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$point => $name,)* }
            }

            /// What is durable when it is reached.
            pub const fn durable(self) -> &'static str {
                match self { $(Self::$point => $durable,)* }
            }
        }
    };
}

crash_points! {
    StartRecorded, "start_recorded", "The store is open and has the record of the start; nobody is served yet.";

    IntentQueued, "intent_queued", "Perhaps nothing: the reserving transaction ran, and its commit is not confirmed.";
    IntentDurable, "intent_durable", "The intent; of a creation the PENDING wallet too.";
    EndQueued, "end_queued", "Perhaps nothing: a repeat, refusal or denial is in a transaction that is not confirmed.";
    EndDurable, "end_durable", "The record of a repeat, refusal or denial.";

    BeforeProbe, "before_probe", "Nothing of it.";
    AfterProbe, "after_probe", "Nothing of it.";
    BeforeCreateKey, "before_create_key", "The intent and the PENDING wallet; KMS has no key.";
    AfterCreateKey, "after_create_key", "The intent and the PENDING wallet; KMS has the key, and nothing here names it.";
    BeforeGetPublicKey, "before_get_public_key", "Of a creation the intent and the PENDING wallet; KMS has the key.";
    AfterGetPublicKey, "after_get_public_key", "Of a creation the intent and the PENDING wallet; KMS has the key.";
    KeyProven, "key_proven", "The intent and the PENDING wallet; KMS has the key, whose address is known here only.";
    BeforeDescribeKey, "before_describe_key", "Whatever was before the question.";
    AfterDescribeKey, "after_describe_key", "Whatever was before the question.";
    BeforeListResourceTags, "before_list_resource_tags", "Whatever was before the question.";
    AfterListResourceTags, "after_list_resource_tags", "Whatever was before the question.";
    BeforeGetResources, "before_get_resources", "Whatever was before the question.";
    AfterGetResources, "after_get_resources", "Whatever was before the question.";
    BeforeSign, "before_sign", "Perhaps the intent: its commit goes on while KMS signs.";
    AfterSign, "after_sign", "Perhaps the intent; KMS has signed, and nothing here has the signature.";
    SignatureVerified, "signature_verified", "Perhaps the intent; the signature is good, and in memory only.";

    BeforeChangeKey, "before_change_key", "The wallet's new state, and what KMS is to be brought to.";
    AfterChangeKey, "after_change_key", "The same; KMS has changed the key's state, and nothing here knows it.";

    OutcomeQueued, "outcome_queued", "Perhaps the intent, perhaps the outcome: their commits are not confirmed.";
    OutcomeDurable, "outcome_durable", "Intent, outcome, stored answer and the wallet's new state.";
    BeforeReply, "before_reply", "All of it; the caller has heard nothing.";

    SecondCreationDurable, "second_creation_durable", "Leave for one more CreateKey, which has not left.";
    AdoptionQueued, "adoption_queued", "Perhaps the CREATED wallet and its stored answer: their commit is not confirmed.";
    AdoptionDurable, "adoption_durable", "The CREATED wallet that was brought to its key, and its stored answer.";
    OrphanListed, "orphan_listed", "A key without a wallet is on the list.";
    IntentsSwept, "intents_swept", "Intents that a crash left open have an outcome: unknown.";

    DriveRecorded, "drive_recorded", "That KMS has followed a wallet, or why not.";
    DeletionRecorded, "deletion_recorded", "The DELETED wallet whose key is gone.";
    DriftRecorded, "drift_recorded", "That a key is in another state than its wallet.";
    BeforeMongodbCommand, "before_mongodb_command", "The outbox has the wallets; MongoDB has nothing of this command.";
    AfterMongodbCommand, "after_mongodb_command", "MongoDB may have the wallets, and the outbox still has them.";
    OutboxAcknowledged, "outbox_acknowledged", "MongoDB has the wallets, and the outbox has them no more.";
    OutboxParked, "outbox_parked", "Wallets that MongoDB refuses are marked in the outbox.";

    BackupInPlace, "backup_in_place", "A backup in the place of the store, frozen; nothing of it is compared with MongoDB.";
    RestoreBegun, "restore_begun", "The freeze and the record of a restore, and no wallet.";
    RestorePageDurable, "restore_page_durable", "Some of the wallets, and how far the restore got.";
    VersionsRaised, "versions_raised", "Every wallet's version is above any that MongoDB can have.";
    RestoreFinished, "restore_finished", "All of a restore, its freeze too.";

    BeforeCommit, "before_commit", "Nothing of the transaction that is about to be committed.";
    AfterCommit, "after_commit", "The transaction, which nobody who waits for it knows yet.";
    AnswersPruned, "answers_pruned", "A part of the stored answers is dropped, their requestIds stay.";
}

/// Kills the process if a test armed this point.
#[cfg(feature = "emulator")]
pub fn reach(point: CrashPoint) {
    armed::reach(point);
}

/// Nothing: no test can reach this build.
#[cfg(not(feature = "emulator"))]
pub const fn reach(_point: CrashPoint) {}

#[cfg(feature = "emulator")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::CrashPoint;

    const VARIABLE: &str = "KMSIGND_CRASH_AT";

    struct Trigger {
        point: CrashPoint,
        /// Reaches that are left, this one included.
        left: AtomicU32,
    }

    pub fn reach(point: CrashPoint) {
        static TRIGGER: OnceLock<Option<Trigger>> = OnceLock::new();
        let Some(trigger) = TRIGGER.get_or_init(read) else { return };
        if trigger.point == point && trigger.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            die(point);
        }
    }

    fn read() -> Option<Trigger> {
        #[expect(clippy::disallowed_methods, reason = "a test's, not a setting: no configuration may arm it")]
        let text = std::env::var(VARIABLE).ok()?;
        let trigger = parse(&text);
        if trigger.is_none() {
            // Another signal than a point's, so that no test takes it for one.
            eprintln!("{VARIABLE}={text} is no crash point");
            std::process::abort();
        }
        trigger
    }

    fn parse(text: &str) -> Option<Trigger> {
        let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
        let point = CrashPoint::ALL.iter().copied().find(|point| point.name() == name)?;
        let nth = nth.parse().ok().filter(|nth| *nth > 0)?;
        Some(Trigger { point, left: AtomicU32::new(nth) })
    }

    fn die(point: CrashPoint) -> ! {
        /// Long enough for an answer to get out that should have waited for this step.
        const STALL: Duration = Duration::from_millis(30);
        #[expect(clippy::disallowed_methods, reason = "this thread does nothing any more")]
        std::thread::sleep(STALL);
        eprintln!("crash point {}", point.name());
        // It can't fail: the process may signal itself.
        let _ = kill(Pid::this(), Signal::SIGKILL);
        loop {
            std::thread::park();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn parse_reads_a_name_and_which_time() {
            let read = |text: &str| parse(text).map(|trigger| (trigger.point, trigger.left.into_inner()));
            assert_eq!(read("before_sign"), Some((CrashPoint::BeforeSign, 1)));
            assert_eq!(read("after_commit:12"), Some((CrashPoint::AfterCommit, 12)));
            for none in ["", "before", "before_sign:", "before_sign:0", "before_sign:-1", "before_sign:1:2"] {
                assert_eq!(read(none), None, "{none}");
            }
        }

        #[test]
        fn names_are_unique() {
            let mut names: Vec<_> = CrashPoint::ALL.iter().map(|point| point.name()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), CrashPoint::ALL.len());
        }
    }
}
