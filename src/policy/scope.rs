//! A policy's scope (`principal`, `action`, `resource` in its head), matched without Cedar: most policies do not concern most
//! questions, and those without a condition need no evaluator at all. A test holds this to Cedar's own answers.

use cedar_policy::{ActionConstraint, EntityUid, PrincipalConstraint, ResourceConstraint};

use super::{Action, Principal, Question, Resource};

pub(super) struct Scope {
    principal: PrincipalScope,
    resource: ResourceScope,
}

enum PrincipalScope {
    Anyone,
    User(u32),
    Group(u32),
    /// No user: a head such as `principal is Wallet`.
    Nobody,
}

struct ResourceScope {
    /// The type it must have.
    kind: Option<String>,
    /// The entity it must be, or also may be in.
    entity: Option<Named>,
    or_in: bool,
}

/// An entity as a policy names it.
struct Named {
    kind: String,
    id: String,
}

impl Scope {
    /// Of a policy in which names are numbers already.
    pub fn of(policy: &cedar_policy::Policy) -> Self {
        Self { principal: principal_scope(policy.principal_constraint()), resource: resource_scope(policy.resource_constraint()) }
    }

    pub fn matches_principal(&self, Principal { uid, groups }: Principal<'_>) -> bool {
        match self.principal {
            PrincipalScope::Anyone => true,
            PrincipalScope::User(number) => number == uid,
            PrincipalScope::Group(number) => groups.contains(&number),
            PrincipalScope::Nobody => false,
        }
    }

    pub fn matches(&self, question: &Question<'_>) -> bool {
        let ResourceScope { kind, entity, or_in } = &self.resource;
        self.matches_principal(question.principal)
            && kind.as_ref().is_none_or(|kind| kind == question.resource.kind())
            && entity.as_ref().is_none_or(|entity| entity.is(&question.resource) || (*or_in && entity.holds(question)))
    }
}

impl Named {
    fn new(uid: &EntityUid) -> Self {
        Self { kind: uid.type_name().to_string(), id: uid.id().unescaped().to_owned() }
    }

    fn number(&self) -> Option<u32> {
        self.id.parse().ok()
    }

    fn is(&self, resource: &Resource<'_>) -> bool {
        self.kind == resource.kind()
            && match resource {
                Resource::Daemon => self.id == Resource::DAEMON_ID,
                Resource::Wallet(facts) => self.id == facts.wallet_id,
                Resource::Asset(asset) => self.id == *asset,
                Resource::Network { asset, network } => self.is_network(asset, network),
                Resource::User(uid) => self.number() == Some(*uid),
            }
    }

    /// Whether the question's resource is in this entity: wallets are in their asset and their network, and of users only the
    /// caller's own groups are known.
    fn holds(&self, question: &Question<'_>) -> bool {
        match (self.kind.as_str(), question.resource) {
            ("Asset", Resource::Wallet(facts)) => self.id == facts.asset,
            ("Network", Resource::Wallet(facts)) => self.is_network(facts.asset, facts.network),
            ("Group", Resource::User(uid)) => {
                let Principal { uid: caller, groups } = question.principal;
                uid == caller && self.number().is_some_and(|number| groups.contains(&number))
            }
            _ => false,
        }
    }

    fn is_network(&self, asset: &str, network: &str) -> bool {
        self.id.split_once('/') == Some((asset, network))
    }
}

fn principal_scope(constraint: PrincipalConstraint) -> PrincipalScope {
    let (kind, entity, or_in) = match constraint {
        PrincipalConstraint::Any => (None, None, false),
        PrincipalConstraint::Is(kind) => (Some(kind), None, false),
        PrincipalConstraint::Eq(uid) => (None, Some(uid), false),
        PrincipalConstraint::In(uid) => (None, Some(uid), true),
        PrincipalConstraint::IsIn(kind, uid) => (Some(kind), Some(uid), true),
    };
    if kind.is_some_and(|kind| kind.basename() != "User") {
        return PrincipalScope::Nobody;
    }
    let Some(entity) = entity.as_ref().map(Named::new) else { return PrincipalScope::Anyone };
    match (entity.kind.as_str(), entity.number(), or_in) {
        ("User", Some(uid), _) => PrincipalScope::User(uid),
        ("Group", Some(gid), true) => PrincipalScope::Group(gid),
        _ => PrincipalScope::Nobody,
    }
}

fn resource_scope(constraint: ResourceConstraint) -> ResourceScope {
    let (kind, entity, or_in) = match constraint {
        ResourceConstraint::Any => (None, None, false),
        ResourceConstraint::Is(kind) => (Some(kind), None, false),
        ResourceConstraint::Eq(uid) => (None, Some(uid), false),
        ResourceConstraint::In(uid) => (None, Some(uid), true),
        ResourceConstraint::IsIn(kind, uid) => (Some(kind), Some(uid), true),
    };
    ResourceScope { kind: kind.map(|kind| kind.to_string()), entity: entity.as_ref().map(Named::new), or_in }
}

/// The actions that a policy's head admits. The schema has no groups of actions, so `in` is membership.
pub(super) fn actions(policy: &cedar_policy::Policy) -> Vec<Action> {
    let names = |uid: &EntityUid, action: Action| uid.id().unescaped() == action.as_str();
    let constraint = policy.action_constraint();
    let admits = |action: &Action| match &constraint {
        ActionConstraint::Any => true,
        ActionConstraint::In(uids) => uids.iter().any(|uid| names(uid, *action)),
        ActionConstraint::Eq(uid) => names(uid, *action),
    };
    Action::ALL.iter().copied().filter(admits).collect()
}
