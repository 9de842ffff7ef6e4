//! Certificates: what they register, whom they give a stake or a vote to, and what they cost.

use crate::chains::cardano::address::{Credential, DRep, Hash28, PoolId};
use crate::chains::cardano::cbor::{Items, Read, Reader};
use crate::chains::decoded::{DecodeError, Rule};

use super::body::set;

/// What is paid for it, or given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deposit {
    None,
    /// Lovelace.
    Paid(u64),
    /// Lovelace.
    Returned(u64),
    /// As much as the network asks: the certificate does not say it.
    PaidUnsaid,
    /// As much as was paid.
    ReturnedUnsaid,
}

/// What kind of thing it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// A stake credential becomes an account, or ceases to be one, or its stake or vote goes to somebody.
    Stake,
    /// Pools, DReps and committee members come, change and go.
    Authority,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its number in the ledger's definition.
    pub number: u64,
    pub name: &'static str,
    pub does: Does,
    /// Whose; a pool's operator is a key.
    pub credential: Credential,
    pub deposit: Deposit,
    /// To which the stake goes.
    pub pool: Option<PoolId>,
    /// To whom the vote goes.
    pub drep: Option<DRep>,
    /// Whether all of it was read.
    pub is_read: bool,
    /// As it stands.
    pub bytes: Vec<u8>,
}

impl Certificate {
    /// Whether an account of a stake credential comes with it.
    pub const fn registers_stake(&self) -> bool {
        matches!(self.number, 0 | 7 | 11 | 12 | 13)
    }
}

/// Reads the certificates, of which each must be there once.
pub fn read(reader: &mut Reader<'_>) -> Read<Vec<Certificate>> {
    Ok(set(reader, certificate)?.1)
}

/// An array of known size whose members are read one by one.
struct Members<'r, 'a> {
    reader: &'r mut Reader<'a>,
    items: Items,
}

impl Members<'_, '_> {
    fn number(&mut self) -> Read<u64> {
        self.reader.next(&mut self.items)?;
        self.reader.unsigned()
    }

    fn hash(&mut self) -> Read<Hash28> {
        self.reader.next(&mut self.items)?;
        self.reader.fixed()
    }

    fn credential(&mut self) -> Read<Credential> {
        self.reader.next(&mut self.items)?;
        credential(self.reader)
    }

    fn drep(&mut self) -> Read<DRep> {
        self.reader.next(&mut self.items)?;
        drep(self.reader)
    }

    fn anchor(&mut self) -> Read<()> {
        self.reader.next(&mut self.items)?;
        if self.reader.null()? { Ok(()) } else { anchor(self.reader) }
    }

    fn skip(&mut self, count: usize) -> Read<()> {
        for _ in 0..count {
            self.reader.next(&mut self.items)?;
            self.reader.skip()?;
        }
        Ok(())
    }
}

fn certificate(reader: &mut Reader<'_>) -> Read<Certificate> {
    let start = reader.position();
    let items = reader.array()?;
    let mut members = Members { reader, items };
    let number = members.number()?;
    let name = name(number)?;
    let credential = match number {
        3 | 4 => Credential::Key(members.hash()?),
        _ => members.credential()?,
    };
    let mut certificate = Certificate {
        number,
        name,
        does: if matches!(number, 3 | 4 | 14..) { Does::Authority } else { Does::Stake },
        credential,
        deposit: Deposit::None,
        pool: None,
        drep: None,
        is_read: true,
        bytes: Vec::new(),
    };
    match number {
        0 => certificate.deposit = Deposit::PaidUnsaid,
        1 => certificate.deposit = Deposit::ReturnedUnsaid,
        2 => certificate.pool = Some(PoolId(members.hash()?)),
        3 => {
            // VRF key, pledge, cost, margin, reward account, owners, relays, metadata.
            members.skip(8)?;
            certificate.deposit = Deposit::PaidUnsaid;
            certificate.is_read = false;
        }
        4 => members.skip(1)?,
        7 => certificate.deposit = Deposit::Paid(members.number()?),
        8 | 17 => certificate.deposit = Deposit::Returned(members.number()?),
        9 => certificate.drep = Some(members.drep()?),
        10 => {
            certificate.pool = Some(PoolId(members.hash()?));
            certificate.drep = Some(members.drep()?);
        }
        11 => {
            certificate.pool = Some(PoolId(members.hash()?));
            certificate.deposit = Deposit::Paid(members.number()?);
        }
        12 => {
            certificate.drep = Some(members.drep()?);
            certificate.deposit = Deposit::Paid(members.number()?);
        }
        13 => {
            certificate.pool = Some(PoolId(members.hash()?));
            certificate.drep = Some(members.drep()?);
            certificate.deposit = Deposit::Paid(members.number()?);
        }
        14 => {
            // Who votes from now on.
            members.credential()?;
            certificate.is_read = false;
        }
        16 => {
            certificate.deposit = Deposit::Paid(members.number()?);
            members.anchor()?;
        }
        _ => members.anchor()?,
    }
    let Members { reader, mut items } = members;
    reader.end(&mut items)?;
    certificate.bytes = reader.since(start).to_vec();
    Ok(certificate)
}

fn name(number: u64) -> Result<&'static str, DecodeError> {
    Ok(match number {
        0 | 7 => "stakeRegistration",
        1 | 8 => "stakeDeregistration",
        2 => "stakeDelegation",
        3 => "poolRegistration",
        4 => "poolRetirement",
        9 => "voteDelegation",
        10 => "stakeAndVoteDelegation",
        11 => "stakeRegistrationAndDelegation",
        12 => "stakeRegistrationAndVoteDelegation",
        13 => "stakeRegistrationAndStakeAndVoteDelegation",
        14 => "committeeHotKeyAuthorization",
        15 => "committeeResignation",
        16 => "drepRegistration",
        17 => "drepDeregistration",
        18 => "drepUpdate",
        _ => {
            let reason = format!("The transaction has a certificate of type {number}, which is not read here.");
            return Err(DecodeError::refused(Rule::UnknownField, reason));
        }
    })
}

/// `[0, key hash]` or `[1, script hash]`.
fn credential(reader: &mut Reader<'_>) -> Read<Credential> {
    let mut items = reader.array()?;
    reader.next(&mut items)?;
    let kind = reader.unsigned()?;
    reader.next(&mut items)?;
    let hash = reader.fixed()?;
    reader.end(&mut items)?;
    match kind {
        0 => Ok(Credential::Key(hash)),
        1 => Ok(Credential::Script(hash)),
        _ => reader.fault("has a credential that is neither a key's nor a script's"),
    }
}

/// `[0, key hash]`, `[1, script hash]`, `[2]` or `[3]`.
fn drep(reader: &mut Reader<'_>) -> Read<DRep> {
    let mut items = reader.array()?;
    reader.next(&mut items)?;
    let drep = match reader.unsigned()? {
        kind @ (0 | 1) => {
            reader.next(&mut items)?;
            let hash = reader.fixed()?;
            DRep::Credential(if kind == 0 { Credential::Key(hash) } else { Credential::Script(hash) })
        }
        2 => DRep::AlwaysAbstain,
        3 => DRep::AlwaysNoConfidence,
        _ => return reader.fault("has a DRep of no known kind"),
    };
    reader.end(&mut items)?;
    Ok(drep)
}

/// `[url, hash of what is there]`.
pub(super) fn anchor(reader: &mut Reader<'_>) -> Read<()> {
    /// The ledger's limit for a URL, in bytes.
    const MAX_URL: usize = 128;
    let mut items = reader.array()?;
    reader.next(&mut items)?;
    reader.text(MAX_URL)?;
    reader.next(&mut items)?;
    reader.fixed::<32>()?;
    reader.end(&mut items)
}
