//! The hash chain over the audit: each record's hash covers the record before it.
//!
//! `hash(n) = SHA-256("kmsignd audit v1" || hash(n-1) || n as 8 bytes, big endian || record as UTF-8)`, with 32 zero bytes
//! as `hash(0)`. A changed, removed, inserted or reordered record breaks every hash after it. Who can write the file can
//! also recompute the whole chain: a later checkpoint kept elsewhere is what shows that.

use sha2::{Digest, Sha256};

const DOMAIN: &[u8] = b"kmsignd audit v1";

/// The last record's sequence and hash; sequence 0 and zeros before the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    pub sequence: u64,
    pub hash: [u8; 32],
}

impl Head {
    /// The head after `record` is appended.
    #[must_use]
    pub fn after(&self, record: &str) -> Self {
        let sequence = self.sequence.saturating_add(1);
        let mut hasher = Sha256::new();
        hasher.update(DOMAIN);
        hasher.update(self.hash);
        hasher.update(sequence.to_be_bytes());
        hasher.update(record.as_bytes());
        Self { sequence, hash: hasher.finalize().into() }
    }
}

/// What a check of the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Records that follow from their predecessors.
    pub records: u64,
    /// The last record that does.
    pub head: Head,
    /// The first sequence at which the chain breaks.
    pub first_bad: Option<u64>,
}

/// Checks a chain record by record.
#[derive(Debug, Default)]
pub struct Checker {
    known: Option<Head>,
    head: Head,
    first_bad: Option<u64>,
}

impl Checker {
    /// A check against a head known from elsewhere: it finds a cut tail, and a chain that was computed anew.
    pub fn against(known: Head) -> Self {
        Self { known: Some(known), ..Self::default() }
    }

    /// Takes the next row as it is stored. After the first bad row the rest says nothing and is ignored.
    pub fn take(&mut self, sequence: u64, record: &str, hash: &[u8]) {
        if self.first_bad.is_some() {
            return;
        }
        let expected = self.head.after(record);
        let known_otherwise = self.known.as_ref().is_some_and(|known| known.sequence == sequence && known.hash != hash);
        if expected.sequence == sequence && expected.hash == hash && !known_otherwise {
            self.head = expected;
        } else {
            self.first_bad = Some(expected.sequence);
        }
    }

    /// Ends the check.
    pub fn finish(self) -> Verdict {
        let cut_short = self.known.as_ref().is_some_and(|known| known.sequence > self.head.sequence);
        let first_bad = self.first_bad.or_else(|| cut_short.then(|| self.head.sequence.saturating_add(1)));
        Verdict { records: self.head.sequence, head: self.head, first_bad }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(records: &[&str]) -> Vec<(u64, String, [u8; 32])> {
        let mut head = Head::default();
        records
            .iter()
            .map(|record| {
                head = head.after(record);
                (head.sequence, (*record).to_owned(), head.hash)
            })
            .collect()
    }

    fn check(rows: &[(u64, String, [u8; 32])]) -> Option<u64> {
        let mut checker = Checker::default();
        for (sequence, record, hash) in rows {
            checker.take(*sequence, record, hash);
        }
        checker.finish().first_bad
    }

    #[test]
    fn check_finds_each_kind_of_tampering() {
        let rows = chain(&["a", "b", "c"]);
        assert_eq!(check(&rows), None);
        for tampered in 0..3 {
            let mut changed = rows.clone();
            changed[tampered].1.push('!');
            assert_eq!(check(&changed), Some(tampered as u64 + 1));
            let mut rehashed = rows.clone();
            rehashed[tampered].2[0] ^= 1;
            assert_eq!(check(&rehashed), Some(tampered as u64 + 1));
            let mut renumbered = rows.clone();
            renumbered[tampered].0 += 7;
            assert_eq!(check(&renumbered), Some(tampered as u64 + 1));
        }
        let mut removed = rows.clone();
        removed.remove(1);
        assert_eq!(check(&removed), Some(2));
        let mut swapped = rows;
        swapped.swap(0, 1);
        assert_eq!(check(&swapped), Some(1));
    }

    #[test]
    fn check_against_a_known_head_finds_a_cut_tail_and_another_chain() {
        let rows = chain(&["a", "b"]);
        let known = Head { sequence: 2, hash: rows[1].2 };
        let against = |rows: &[(u64, String, [u8; 32])]| {
            let mut checker = Checker::against(known.clone());
            for (sequence, record, hash) in rows {
                checker.take(*sequence, record, hash);
            }
            checker.finish().first_bad
        };
        assert_eq!(against(&rows), None);
        assert_eq!(against(&rows[..1]), Some(2));
        assert_eq!(against(&chain(&["a", "another"])), Some(2));
    }
}
