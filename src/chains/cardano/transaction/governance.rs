//! Votes and proposals of Conway's governance (CIP-1694): whose they are, and what they cost. What is proposed is not read.

use std::collections::BTreeSet;

use super::body::reward_account;
use super::certificates::anchor;
use crate::chains::cardano::address::{Credential, Hash28, RewardAccount};
use crate::chains::cardano::cbor::{Read, Reader};

/// Somebody who votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// `committee`, `drep` or `pool`.
    pub role: &'static str,
    pub credential: Credential,
    /// On how many actions.
    pub votes: usize,
}

/// A governance action that is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Lovelace.
    pub deposit: u64,
    /// Where the deposit goes once the action has ended.
    pub returned_to: RewardAccount,
    /// As it stands.
    pub bytes: Vec<u8>,
}

/// Reads who votes, and proves the form of the votes.
pub fn voters(reader: &mut Reader<'_>) -> Read<Vec<Voter>> {
    let (mut voters, mut seen) = (Vec::new(), BTreeSet::new());
    let mut pairs = reader.map()?;
    while reader.more(&mut pairs)? {
        let mut items = reader.array()?;
        reader.next(&mut items)?;
        let kind = reader.unsigned()?;
        reader.next(&mut items)?;
        let hash: Hash28 = reader.fixed()?;
        reader.end(&mut items)?;
        if !seen.insert((kind, hash)) {
            return reader.fault("has a voter twice");
        }
        let (role, credential) = match kind {
            0 => ("committee", Credential::Key(hash)),
            1 => ("committee", Credential::Script(hash)),
            2 => ("drep", Credential::Key(hash)),
            3 => ("drep", Credential::Script(hash)),
            4 => ("pool", Credential::Key(hash)),
            _ => return reader.fault("has a voter of no known kind"),
        };
        voters.push(Voter { role, credential, votes: votes(reader)? });
    }
    Ok(voters)
}

fn votes(reader: &mut Reader<'_>) -> Read<usize> {
    let mut actions = BTreeSet::new();
    let mut pairs = reader.map()?;
    while reader.more(&mut pairs)? {
        let mut items = reader.array()?;
        reader.next(&mut items)?;
        let tx_id: [u8; 32] = reader.fixed()?;
        reader.next(&mut items)?;
        let index = reader.unsigned()?;
        reader.end(&mut items)?;
        if !actions.insert((tx_id, index)) {
            return reader.fault("has two votes of one voter on one action");
        }
        let mut items = reader.array()?;
        reader.next(&mut items)?;
        if reader.unsigned()? > 2 {
            return reader.fault("has a vote that is neither no, yes nor abstain");
        }
        reader.next(&mut items)?;
        if !reader.null()? {
            anchor(reader)?;
        }
        reader.end(&mut items)?;
    }
    Ok(actions.len())
}

/// Reads `[deposit, reward account, action, anchor]`.
pub fn proposal(reader: &mut Reader<'_>) -> Read<Proposal> {
    let start = reader.position();
    let mut items = reader.array()?;
    reader.next(&mut items)?;
    let deposit = reader.unsigned()?;
    reader.next(&mut items)?;
    let returned_to = reward_account(reader)?;
    reader.next(&mut items)?;
    reader.skip()?;
    reader.next(&mut items)?;
    anchor(reader)?;
    reader.end(&mut items)?;
    Ok(Proposal { deposit, returned_to, bytes: reader.since(start).to_vec() })
}
