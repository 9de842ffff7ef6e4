//! Only the store says that an end is recorded.
use kmsignd::outcome::Outcome;
use kmsignd::store::commits::Recorded;

fn recorded(outcome: Outcome) -> Recorded {
    Recorded::committed(outcome)
}

fn main() {}
