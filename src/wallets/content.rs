//! What a call asks to have signed, once it is decoded: what it does, which keys it needs, what it spends, and what the answer is
//! made of.

use std::sync::Arc;

use super::{public_key, select, unreadable};
use crate::chains::decoded::Decoded;
use crate::chains::effects::EffectKind;
use crate::chains::networks::{Network, Networks};
use crate::chains::tokens::Tokens;
use crate::chains::{self, Address};
use crate::guards::{ContentHash, Guard};
use crate::keys::{Ed25519Message, SignatureBytes, SigningPayload};
use crate::outcome::{Failure, Outcome};
use crate::policy::Action;
use crate::rpc::Selector;
use crate::store::wallets::Wallet;
use crate::store::{CachedWallet, Store};
use crate::verify::VerifiedSignature;

/// A decoded content. What is hashed into its payloads is made of what was decoded, never of the caller's bytes.
pub struct Content {
    pub decoded: Decoded,
    /// The chain that it is for.
    pub network: Network,
    /// Other wallets of ours that get something.
    pub recipients: Vec<OwnRecipient>,
    /// What the policy must permit beside the method's own action: `signPartial`, `delegate`.
    pub more_actions: Vec<Action>,
    /// One for each signature, at least one.
    pub payloads: Vec<ContentPayload>,
    pub spends: Spends,
    /// Makes the answer of the proven signatures, which come in the order of `payloads`.
    pub assemble: Assemble,
}

/// A wallet of ours that gets something, at one of its addresses.
#[derive(Debug, Clone)]
pub struct OwnRecipient {
    /// As in the effects.
    pub address: String,
    pub wallet: Arc<CachedWallet>,
}

impl OwnRecipient {
    /// What is to be told of one that can't sign: what it gets may be out of reach.
    pub fn warning(&self) -> Option<String> {
        let Self { address, wallet } = self;
        let (id, status) = (wallet.wallet_id, wallet.status);
        (!status.can_sign()).then(|| format!("{address} is the address of the wallet {id}, which is {status} and can't sign."))
    }
}

/// What a content spends.
#[derive(Debug, Clone)]
pub enum Spends {
    /// What may be spent once, and what tells this content from every other one.
    Once { content: ContentHash, guards: Vec<Guard> },
    /// What has nothing that it takes the place of: a transaction of Solana. Its chain takes one signature once; the same
    /// instructions with another blockhash are another payment, which a requestId alone can hold back.
    BySignature,
    /// Nothing: a message.
    Nothing,
}

/// One signature that is needed.
#[derive(Debug, Clone)]
pub struct ContentPayload {
    pub wallet: Arc<CachedWallet>,
    /// Number of the input; 0 where there is one.
    pub slot: u32,
    pub payload: SigningPayload,
}

/// Makes the answer of signatures that are over the payloads, one each, in their order: the pipeline has seen to that. It must not fail
/// for anything that could have been found before KMS was asked.
pub type Assemble = Box<dyn FnOnce(Vec<VerifiedSignature>) -> Outcome + Send>;

/// The signature of a content that needs one.
///
/// # Errors
/// [`Failure::Internal`] if there are more or fewer.
pub fn the_signature(signatures: &[VerifiedSignature]) -> Result<SignatureBytes, Failure> {
    match signatures {
        [signature] => Ok(signature.bytes()),
        several => Err(Failure::Internal(format!("{} signatures of one payload", several.len()))),
    }
}

/// As [`the_signature`], of an Ed25519 key.
pub fn the_ed25519_signature(signatures: &[VerifiedSignature]) -> Result<[u8; 64], Failure> {
    match the_signature(signatures)? {
        SignatureBytes::Ed25519(bytes) => Ok(bytes),
        SignatureBytes::Ecdsa { .. } => Err(Failure::Internal("an ECDSA signature of an Ed25519 payload".to_owned())),
    }
}

/// What an Ed25519 key signs.
///
/// # Errors
/// [`Failure::Internal`]: what is decoded has bytes, and not too many.
pub fn ed25519_payload(bytes: Vec<u8>) -> Result<SigningPayload, Failure> {
    let length = bytes.len();
    let message = Ed25519Message::new(bytes).ok_or_else(|| Failure::Internal(format!("{length} bytes to sign")))?;
    Ok(SigningPayload::Ed25519Message(message))
}

/// What decoding may look up.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    pub store: &'a Store,
    pub networks: &'a Networks,
    pub tokens: &'a Tokens,
    /// `[networks] allow_witness_utxo_only`.
    pub allow_witness_utxo_only: bool,
}

impl Lookup<'_> {
    /// The wallet that a selector names, and its network.
    ///
    /// # Errors
    /// As [`select`]; [`Failure::InvalidParams`] if its network is no longer configured.
    pub fn wallet(&self, selector: &Selector) -> Result<(Arc<CachedWallet>, Network), Failure> {
        let wallet = select(self.store, self.networks, selector)?;
        let network = self.networks.resolve(&wallet.asset, Some(&wallet.network)).map_err(|_| {
            Failure::invalid(selector.param(), "names a wallet whose network is no longer configured; put it back to sign")
        })?;
        Ok((wallet, network))
    }

    /// As [`Lookup::wallet`], of a wallet that holds this asset.
    ///
    /// # Errors
    /// [`Failure::InvalidParams`] if it is another asset's.
    pub fn wallet_of(&self, selector: &Selector, asset: &str) -> Result<(Arc<CachedWallet>, Network), Failure> {
        let (wallet, network) = self.wallet(selector)?;
        if network.asset() == asset {
            return Ok((wallet, network));
        }
        Err(Failure::invalid(selector.param(), format!("names a wallet of {}; this method signs for {asset}", network.asset())))
    }

    /// As [`Lookup::wallet_of`], with the wallet's Ed25519 key.
    ///
    /// # Errors
    /// [`Failure::KeyNotUsable`] if it has no key yet.
    pub fn ed25519_wallet_of(&self, selector: &Selector, asset: &str) -> Result<(Arc<CachedWallet>, Network, [u8; 32]), Failure> {
        let (wallet, network) = self.wallet_of(selector, asset)?;
        let key = public_key(&wallet)?;
        let key = key.ed25519().ok_or_else(|| Failure::Internal(format!("wallet {} is not Ed25519", wallet.wallet_id)))?;
        Ok((wallet, network, *key))
    }

    /// Marks what goes to a wallet of ours that signs. Gives those that do not, too. Control that is handed over is never said to go to
    /// a wallet of ours: what an address stands for there, such as a program's owner, may be nothing that its wallet can use.
    pub fn find_own_wallets(&self, network: &Network, decoded: &mut Decoded) -> Result<Vec<OwnRecipient>, Failure> {
        let mut found: Vec<OwnRecipient> = Vec::new();
        for effect in &mut decoded.effects {
            let Some(recipient) = &effect.recipient else { continue };
            let Ok((address, _)) = chains::parse_address(network, recipient) else { continue };
            let Some(wallet) = self.owner(network, &address)? else { continue };
            effect.to_own_wallet = effect.kind != EffectKind::Authority && wallet.status.can_sign();
            if found.iter().any(|known| known.address == *recipient) {
                continue;
            }
            found.push(OwnRecipient { address: recipient.clone(), wallet: Arc::new(CachedWallet::new(wallet)) });
        }
        Ok(found)
    }

    /// The wallet of this network whose key has this address, in any of its forms and in whatever state. Of several, one that
    /// signs.
    pub fn owner(&self, network: &Network, address: &Address) -> Result<Option<Wallet>, Failure> {
        let mut found = self.store.wallets_by_address(address.as_str()).map_err(unreadable)?;
        found.retain(|wallet| wallet.asset == network.asset() && wallet.network == network.network());
        let signing = found.iter().position(|wallet| wallet.status.can_sign()).unwrap_or(0);
        Ok((signing < found.len()).then(|| found.swap_remove(signing)))
    }
}
