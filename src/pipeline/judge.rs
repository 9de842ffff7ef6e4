//! The decision: which question a call puts to the policy, and what a caller hears who may not even know what it asked about.

use std::sync::Arc;

use super::Services;
use crate::audit::record::Facts;
use crate::caller::Caller;
use crate::ids::WalletId;
use crate::outcome::Failure;
use crate::policy::{Action, Context, Decision, Principal, Question, Resource, Spend};
use crate::rpc::methods::Method;
use crate::rpc::{Call, NewWallet, Request};
use crate::store::CachedWallet;
use crate::store::commits::Judged;
use crate::store::wallets::{Stake, Wallet};
use crate::wallets::{create, select, unknown, unreadable, with_facts};

/// What a call is about.
pub enum Subject {
    Daemon,
    Wallet(Arc<CachedWallet>),
    /// A wallet that is not there. Only who may read at all learns that.
    Unknown(Failure),
}

impl Services {
    /// Looks up what the call is about.
    pub(super) fn subject(&self, request: &Request) -> Result<Subject, Failure> {
        let Some(selector) = request.selector() else { return Ok(Subject::Daemon) };
        match select(&self.store, &self.networks, &selector) {
            Ok(wallet) => Ok(Subject::Wallet(wallet)),
            Err(Failure::StoreUnavailable) => Err(Failure::StoreUnavailable),
            Err(failure) => Ok(Subject::Unknown(failure)),
        }
    }

    /// Judges a call. The failure is what a denied caller is told instead of the denial, if it may not know of the wallet.
    pub(super) fn judge(&self, caller: Caller, call: &Call, subject: &Subject) -> (Judged, Option<Failure>) {
        let decision = self.decide(&caller, call.method(), call.request(), subject);
        let told = if decision.is_allowed() { None } else { self.told_instead(&caller, call.request(), subject) };
        (judged(caller, call, facts(call.request(), subject), decision), told)
    }

    pub(super) fn decide(&self, caller: &Caller, method: &Method, request: &Request, subject: &Subject) -> Decision {
        match (subject, request) {
            (Subject::Daemon, Request::WalletCreate(new) | Request::CreateKey(new)) => {
                let context = Context::Create {
                    method: method.name,
                    asset: new.network.asset(),
                    network: new.network.network(),
                    user_id: new.user_id.as_str(),
                };
                self.ask(caller, method.action, Resource::Daemon, context)
            }
            (Subject::Daemon, _) => self.ask(caller, method.action, Resource::Daemon, Context::Method(method.name)),
            // The same question for every method, so that its answer tells nothing of the wallet.
            (Subject::Unknown(_), _) => self.ask(caller, Action::Read, Resource::Daemon, Context::Method("wallet_get")),
            (Subject::Wallet(wallet), Request::SignHash(_)) => {
                let spend = Spend::raw(method.name, self.clock.now());
                with_facts(wallet, &self.networks, |facts| {
                    self.ask(caller, method.action, Resource::Wallet(facts), Context::Spend(&spend))
                })
            }
            (Subject::Wallet(wallet), _) => with_facts(wallet, &self.networks, |facts| {
                self.ask(caller, method.action, Resource::Wallet(facts), Context::Method(method.name))
            }),
        }
    }

    /// Whether the caller may read this wallet.
    pub(super) fn may_read(&self, caller: &Caller, wallet: &Wallet) -> bool {
        with_facts(wallet, &self.networks, |facts| {
            self.ask(caller, Action::Read, Resource::Wallet(facts), Context::Method("wallet_list")).is_allowed()
        })
    }

    /// The stake key that a new wallet's address is to name, if it is to name one.
    ///
    /// # Errors
    /// [`Failure::NotFound`] for a wallet that is not there, or that the caller may not read; as [`create::stake`].
    pub(super) fn stake(&self, caller: &Caller, new: &NewWallet) -> Result<Option<Stake>, Failure> {
        let Some(id) = new.stake_wallet_id else { return Ok(None) };
        let wallet = self.store.wallet(id).map_err(unreadable)?.filter(|wallet| self.may_read(caller, wallet));
        let wallet = wallet.ok_or_else(|| unknown("stakeWalletId"))?;
        create::stake(&wallet, &new.network).map(Some)
    }

    /// Whether the caller may stop everything, for which connections and slots are kept.
    pub fn may_freeze(&self, caller: &Caller) -> bool {
        self.ask(caller, Action::Freeze, Resource::Daemon, Context::Method("admin_freeze")).is_allowed()
    }

    pub(super) fn ask(&self, caller: &Caller, action: Action, resource: Resource<'_>, context: Context<'_>) -> Decision {
        let principal = Principal { uid: caller.uid(), groups: caller.groups() };
        self.policy().decide(&Question { principal, action, resource, context })
    }

    /// A caller that may not read this wallet hears what it would hear if there were none: one that may read here, that there is
    /// none; one that may read nothing, that it may not read.
    pub(super) fn told_instead(&self, caller: &Caller, request: &Request, subject: &Subject) -> Option<Failure> {
        let Subject::Wallet(wallet) = subject else { return None };
        if self.may_read(caller, wallet) {
            return None;
        }
        let reading = self.ask(caller, Action::Read, Resource::Daemon, Context::Method("wallet_get"));
        Some(if reading.is_allowed() { unknown(request.selector_name()) } else { denied(&reading) })
    }
}

/// A call with its decision, and what the audit says of it.
pub fn judged(caller: Caller, call: &Call, facts: Facts, decision: Decision) -> Judged {
    Judged {
        method: call.method().name,
        request: call.bound_request().cloned(),
        on_behalf_of: call.on_behalf_of().cloned(),
        facts,
        decision,
        caller,
    }
}

/// What a denied caller is told, if it may know what it asked about.
pub fn denied(decision: &Decision) -> Failure {
    Failure::Denied { reason: decision.reason(), policy_id: decision.forbidden_by().map(ToOwned::to_owned) }
}

fn facts(request: &Request, subject: &Subject) -> Facts {
    let mut facts = Facts { reason: request.reason().map(ToString::to_string), ..Facts::default() };
    match subject {
        Subject::Wallet(wallet) => {
            facts.wallet_id = Some(wallet.wallet_id).as_ref().map(WalletId::to_string);
            facts.user_id = Some(wallet.user_id.to_string());
            facts.asset = Some(wallet.asset.clone());
            facts.network = Some(wallet.network.clone());
        }
        Subject::Unknown(failure) => facts.detail = Some(failure.to_string()),
        Subject::Daemon => {}
    }
    match request {
        Request::WalletCreate(new) | Request::CreateKey(new) => {
            facts.user_id = Some(new.user_id.to_string());
            facts.asset = Some(new.network.asset().to_owned());
            facts.network = Some(new.network.network().to_owned());
            facts.detail = new.stake_wallet_id.map(|id| format!("its stake key is that of wallet {id}"));
        }
        Request::SignHash(signing) => facts.digest = Some(signing.digest.to_string()),
        Request::AdminUnfreeze(unfreeze) => {
            facts.detail = Some(format!("lift the freeze {}: {}", unfreeze.freeze_id, unfreeze.reason));
        }
        _ => {}
    }
    facts
}
