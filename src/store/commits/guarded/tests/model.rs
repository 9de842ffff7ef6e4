//! Any sequence of calls, ends and crashes, beside a model of the contract.

use proptest::prelude::*;

use super::*;

/// A step of the property test.
#[derive(Debug, Clone)]
enum Step {
    /// A content is asked for, and these may be replaced by it.
    Ask(u8, Vec<u8>),
    /// One of the running signatures ends.
    End(usize, Kms),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kms = prop_oneof![3 => Just(Kms::Signs), 2 => Just(Kms::Refuses), 1 => Just(Kms::Loses)];
    let step = prop_oneof![
        6 => (0..6_u8, prop::collection::vec(0..6_u8, 0..3)).prop_map(|(content, replaces)| Step::Ask(content, replaces)),
        5 => (0..4_usize, kms).prop_map(|(which, kms)| Step::End(which, kms)),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..40)
}

/// The outpoints of each content.
const SPENDS: [&[u32]; 6] = [&[0], &[0, 1], &[1, 2], &[2], &[0, 1, 2], &[3]];

/// The contract, as plainly as it can be said.
#[derive(Default)]
struct Model {
    guards: BTreeMap<u8, (u8, Option<u8>)>,
    /// Contents that were asked for and not refused: whether a signature may exist that was not released, and the released one.
    contents: BTreeMap<u8, (bool, Option<SignatureBytes>)>,
}

enum Expected {
    Signs,
    Repeats(SignatureBytes),
    Conflicts,
    Waits,
}

impl Model {
    fn ask(&mut self, asked: u8, replaces: &[u8], running: &[u8]) -> Expected {
        if running.contains(&asked) {
            return Expected::Waits;
        }
        if let Some((_, Some(signature))) = self.contents.get(&asked) {
            return Expected::Repeats(*signature);
        }
        let spends: Vec<u8> = SPENDS[usize::from(asked)].iter().map(|outpoint| u8::try_from(*outpoint).unwrap()).collect();
        for outpoint in &spends {
            match self.guards.get(outpoint) {
                Some((holder, _)) if *holder != asked && !replaces.contains(holder) => return Expected::Conflicts,
                Some((holder, _)) if *holder != asked && running.contains(holder) => return Expected::Waits,
                _ => {}
            }
        }
        for outpoint in spends {
            let before = self.guards.get(&outpoint).copied();
            match before {
                Some((holder, _)) if holder == asked => {}
                before => drop(self.guards.insert(outpoint, (asked, before.map(|(holder, _)| holder)))),
            }
        }
        self.contents.entry(asked).and_modify(|(unknown, _)| *unknown = true).or_insert((false, None));
        Expected::Signs
    }

    fn end(&mut self, ended: u8, made: Option<SignatureBytes>, refused: bool) {
        let (unknown, released) = self.contents.get_mut(&ended).unwrap();
        *released = made;
        if refused && !*unknown {
            self.contents.remove(&ended);
            self.guards.retain(|_, (holder, replaced)| match replaced.take_if(|_| *holder == ended) {
                Some(before) => {
                    *holder = before;
                    true
                }
                None => *holder != ended,
            });
        }
    }
}

async fn check(steps: Vec<Step>) {
    let (mut rig, mut model) = (Rig::new().await, Model::default());
    let mut running: Vec<(u8, OpenGuarded)> = Vec::new();
    for step in steps {
        match step {
            Step::Crash => {
                // A kill may come before the intents are on disk, and then nothing is left of them: the least is asked of that case.
                for (_, open) in running.drain(..) {
                    drop(open.open.durable().await.unwrap());
                }
                rig = rig.crash();
            }
            Step::End(which, kms) if !running.is_empty() => {
                let (number, open) = running.remove(which % running.len());
                let outcome = rig.end(open, kms).await.into_outcome();
                let made = outcome.ok().map(|answer| {
                    let bytes = hex::decode(answer.as_json().trim_matches(['"', '[', ']'])).unwrap();
                    SignatureBytes::from_bytes(&bytes).unwrap()
                });
                assert_eq!(made.is_some(), kms == Kms::Signs);
                model.end(number, made, kms == Kms::Refuses);
            }
            Step::End(..) => {}
            Step::Ask(number, replaces) => {
                let numbers: Vec<u8> = running.iter().map(|(number, _)| *number).collect();
                let expected = model.ask(number, &replaces, &numbers);
                if matches!(expected, Expected::Waits) {
                    continue;
                }
                let mut asked = rig.spend(number, SPENDS[usize::from(number)]);
                asked.guarded = asked.guarded.replacing(replaces.into_iter().map(content).collect());
                match (expected, rig.store.reserve_guarded(rig.judged(None), asked).await) {
                    (Expected::Signs, ReservedGuarded::Sign(_, open)) => running.push((number, open)),
                    (Expected::Repeats(before), ReservedGuarded::Signed(signed, repeat)) => {
                        assert_eq!([before], signatures(&signed)[..]);
                        rig.store.record_repeat(repeat, answer(&signatures(&signed))).await.into_outcome().unwrap();
                    }
                    (Expected::Conflicts, ReservedGuarded::Settled(recorded)) => {
                        assert_eq!(conflict_of(recorded.into_outcome()), "outpoint");
                    }
                    (_, ReservedGuarded::Settled(recorded)) => panic!("{:?}", recorded.into_outcome()),
                    _ => panic!("content {number} is not as the model has it"),
                }
            }
        }
        assert_eq!(rig.guards().await, model.guards);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn guards_do_as_the_model_does_through_any_ends_and_crashes(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(check(steps));
    }
}
