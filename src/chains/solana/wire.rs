//! The bytes of transactions and messages, read strictly and written back as they were.
//!
//! It must never take bytes that a validator would read otherwise, or not at all: lengths in a longer form than they need, bytes
//! after the end, indexes of nothing. Nothing here says what a message does.
//!
//! Format: <https://solana.com/docs/core/transactions>, and of version 0
//! <https://docs.anza.xyz/proposals/versioned-transactions>. The crates of Solana read it with serializers that are made for more
//! than this; the tests hold this reader to them.

use super::Pubkey;

/// Longest transaction, signatures included: what fits a packet of IPv6's minimum.
pub const MAX_TRANSACTION_BYTES: usize = 1232;
/// Marks the first byte of a message that has a version; the other bits are the version.
const VERSIONED: u8 = 0x80;
/// Most accounts: their indexes have one byte.
const MAX_ACCOUNTS: usize = 256;

/// Why bytes are not a transaction. The sentence completes "`field` ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("ends in the middle of {0}")]
    End(&'static str),
    #[error("has {0} bytes after its end")]
    Trailing(usize),
    #[error("has a length that is not written in its shortest form, or over 65535")]
    Length,
    /// Well-formed or not: this version is not read.
    #[error("is of version {0}, and legacy and version 0 are read here")]
    Version(u8),
    #[error("{0}")]
    Rule(&'static str),
}

/// What is left of some bytes.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::End(what))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        self.take(N, what)?.try_into().map_err(|_| Malformed::End(what))
    }

    pub fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub fn pubkey(&mut self, what: &'static str) -> Result<Pubkey, Malformed> {
        self.array(what).map(Pubkey::new)
    }

    /// A length of 0 to 65535 in one to three bytes of 7 bits each, the lowest first, in its shortest form.
    fn length(&mut self, what: &'static str) -> Result<usize, Malformed> {
        let mut length = 0;
        for shift in [0, 7, 14] {
            let byte = self.u8(what)?;
            if byte == 0 && shift > 0 {
                return Err(Malformed::Length);
            }
            length |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u16::try_from(length).map(usize::from).map_err(|_| Malformed::Length);
            }
        }
        Err(Malformed::Length)
    }

    /// As many as the length in front says. Of each at least one byte is there, so that nobody can ask for more memory than they
    /// send.
    fn list<T>(
        &mut self,
        what: &'static str,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let length = self.length(what)?;
        if length > self.0.len() {
            return Err(Malformed::End(what));
        }
        (0..length).map(|_| read(self)).collect()
    }

    fn bytes(&mut self, what: &'static str) -> Result<Vec<u8>, Malformed> {
        let length = self.length(what)?;
        self.take(length, what).map(<[u8]>::to_vec)
    }

    pub fn end(self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed::Trailing(self.0.len())) }
    }
}

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Legacy,
    /// With address lookup tables.
    V0,
}

/// An instruction, with accounts and program by their index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    pub program: u8,
    pub accounts: Vec<u8>,
    pub data: Vec<u8>,
}

/// Accounts that are taken from a table on the chain, which is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    pub table: Pubkey,
    pub writable: Vec<u8>,
    pub readonly: Vec<u8>,
}

/// A message: what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub version: Version,
    /// The first keys are those that sign; the first of all pays.
    pub required_signatures: u8,
    /// The last ones of those that sign.
    pub readonly_signed: u8,
    /// The last ones of those that do not sign.
    pub readonly_unsigned: u8,
    pub keys: Vec<Pubkey>,
    /// A recent blockhash, or the value of a durable nonce.
    pub blockhash: [u8; 32],
    pub instructions: Vec<Instruction>,
    pub lookups: Vec<Lookup>,
}

impl Message {
    /// Reads a message to its end. What its numbers say is not checked: see [`Message::check`].
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let message = Self::read_some(&mut reader)?;
        reader.end()?;
        Ok(message)
    }

    fn read_some(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        const HEADER: &str = "its header";
        let first = reader.u8(HEADER)?;
        let version = match first {
            VERSIONED => Version::V0,
            versioned if versioned & VERSIONED != 0 => return Err(Malformed::Version(versioned & !VERSIONED)),
            _ => Version::Legacy,
        };
        let required_signatures = if version == Version::V0 { reader.u8(HEADER)? } else { first };
        Ok(Self {
            version,
            required_signatures,
            readonly_signed: reader.u8(HEADER)?,
            readonly_unsigned: reader.u8(HEADER)?,
            keys: reader.list("its account keys", |reader| reader.pubkey("an account key"))?,
            blockhash: reader.array("its blockhash")?,
            instructions: reader.list("its instructions", |reader| {
                Ok(Instruction {
                    program: reader.u8("an instruction")?,
                    accounts: reader.bytes("the accounts of an instruction")?,
                    data: reader.bytes("the data of an instruction")?,
                })
            })?,
            lookups: match version {
                Version::Legacy => Vec::new(),
                Version::V0 => reader.list("its address table lookups", |reader| {
                    Ok(Lookup {
                        table: reader.pubkey("an address table lookup")?,
                        writable: reader.bytes("an address table lookup")?,
                        readonly: reader.bytes("an address table lookup")?,
                    })
                })?,
            },
        })
    }

    /// What a validator checks before it looks at any account (`sanitize`), and that no key is there twice.
    pub fn check(&self) -> Result<(), Malformed> {
        let rule = |holds: bool, reason| if holds { Ok(()) } else { Err(Malformed::Rule(reason)) };
        let counted = |lookup: &Lookup| lookup.writable.len().saturating_add(lookup.readonly.len());
        let keys = self.keys.len();
        let accounts = self.lookups.iter().map(counted).fold(keys, usize::saturating_add);
        rule(self.readonly_signed < self.required_signatures, "has no account that pays: the first must sign and be writable")?;
        let named = usize::from(self.required_signatures).saturating_add(usize::from(self.readonly_unsigned));
        rule(named <= keys, "has fewer account keys than its header counts")?;
        rule(accounts <= MAX_ACCOUNTS, "has more than 256 accounts")?;
        rule(self.lookups.iter().all(|lookup| counted(lookup) > 0), "looks nothing up in one of its address tables")?;
        for instruction in &self.instructions {
            let program = usize::from(instruction.program);
            rule(program != 0, "has an instruction whose program is the account that pays")?;
            rule(program < keys, "has an instruction whose program is none of its account keys")?;
            let known = instruction.accounts.iter().all(|&index| usize::from(index) < accounts);
            rule(known, "has an instruction with an account that is not there")?;
        }
        let twice =
            self.keys.iter().enumerate().any(|(index, key)| self.keys.iter().skip(index.saturating_add(1)).any(|k| k == key));
        rule(!twice, "has an account key twice")
    }

    /// The bytes that are signed: those that were read.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAX_TRANSACTION_BYTES);
        if self.version == Version::V0 {
            bytes.push(VERSIONED);
        }
        bytes.extend([self.required_signatures, self.readonly_signed, self.readonly_unsigned]);
        write_length(&mut bytes, self.keys.len());
        for key in &self.keys {
            bytes.extend(key.as_bytes());
        }
        bytes.extend(self.blockhash);
        write_length(&mut bytes, self.instructions.len());
        for instruction in &self.instructions {
            bytes.push(instruction.program);
            write_bytes(&mut bytes, &instruction.accounts);
            write_bytes(&mut bytes, &instruction.data);
        }
        if self.version == Version::V0 {
            write_length(&mut bytes, self.lookups.len());
            for lookup in &self.lookups {
                bytes.extend(lookup.table.as_bytes());
                write_bytes(&mut bytes, &lookup.writable);
                write_bytes(&mut bytes, &lookup.readonly);
            }
        }
        bytes
    }

    /// The accounts that sign, in the order of the signatures.
    pub fn signers(&self) -> impl Iterator<Item = &Pubkey> {
        self.keys.iter().take(usize::from(self.required_signatures))
    }
}

/// A transaction: a message with the places of its signatures, zeros where one is not made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub signatures: Vec<[u8; 64]>,
    pub message: Message,
}

impl Transaction {
    /// Reads a transaction to its end. Its message is not checked.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        // The transactions of versions from 1 on have the message first, and more than 127 signatures fit no other one.
        if let Some(first) = bytes.first().filter(|first| **first & VERSIONED != 0) {
            return Err(Malformed::Version(first & !VERSIONED));
        }
        let mut reader = Reader::new(bytes);
        let signatures = reader.list("its signatures", |reader| reader.array("a signature"))?;
        let message = Message::read_some(&mut reader)?;
        reader.end()?;
        Ok(Self { signatures, message })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAX_TRANSACTION_BYTES);
        write_length(&mut bytes, self.signatures.len());
        for signature in &self.signatures {
            bytes.extend(signature);
        }
        bytes.extend(self.message.to_bytes());
        bytes
    }
}

fn write_bytes(bytes: &mut Vec<u8>, content: &[u8]) {
    write_length(bytes, content.len());
    bytes.extend(content);
}

/// Lengths are at most 65535: all were read.
fn write_length(bytes: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0);
        length >>= 7;
        if length == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}
