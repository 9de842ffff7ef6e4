//! Cedar's evaluator behind [`Policy::decide`]. Entities and contexts are built through Cedar's API: going through JSON costs ten
//! times as much.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context as CedarContext, Entities, Entity, EntityId, EntityTypeName, EntityUid, ExpressionConstructionError,
    PolicySet, Request, RestrictedExpression, Schema,
};

use super::{Action, Context, Decision, Effect, Part, Principal, Question, Resource, Spend, Verdict, WalletFacts};

/// The `principal` or `resource` entity that a policy's scope names, if it names one.
pub(super) type Scope = Option<EntityUid>;

/// A compiled set of policies, made by [`Policy::compile`]. Immutable: a reload makes another one.
pub struct Policy {
    pub(super) schema: Schema,
    pub(super) names: EntityNames,
    pub(super) authorizer: Authorizer,
    /// Only policies that can match are evaluated, so that a decision costs what its own policies cost, not what all do. Each
    /// policy is listed under each of its actions, and there under the one entity its scope names, if any.
    pub(super) by_action: HashMap<Action, HashMap<Scope, PolicySet>>,
    pub(super) count: usize,
    pub(super) digest: Arc<str>,
    pub(super) warnings: Vec<String>,
}

impl Policy {
    /// Judges each effect by itself and then the whole; the first denial is the answer.
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let (verdict, policies) = match self.judge(question) {
            Ok(permits) => (Verdict::Permitted, permits),
            Err(denial) => (denial.verdict, denial.policies),
        };
        Decision {
            action: question.action,
            uid: question.principal.uid,
            verdict,
            policies: policies.into_iter().collect(),
            policy_digest: Arc::clone(&self.digest),
        }
    }

    /// SHA-256 in hex over the files' names and texts and the numbers that names in them stood for, in any order.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What the validator found odd but not wrong, such as a policy that can never apply.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn judge(&self, question: &Question<'_>) -> Result<BTreeSet<String>, Denial> {
        let scene = Scene::build(&self.names, question).map_err(Denial::malformed)?;
        let mut permits = BTreeSet::new();
        let whole = match question.context {
            Context::Method(method) => vec![pair("method", text(method))],
            Context::Create { method, asset, network, user_id } => vec![
                pair("method", text(method)),
                pair("asset", text(asset)),
                pair("network", text(network)),
                pair("userId", text(user_id)),
            ],
            Context::Spend(spend) => {
                let whole = spend_pairs(spend).map_err(Denial::malformed)?;
                for (number, effect) in (1..).zip(&spend.effects) {
                    let part = Part::Effect { number, of: spend.effects.len(), kind: effect.kind };
                    let effect = pair("effect", effect_record(effect).map_err(Denial::malformed)?);
                    let pairs = whole.iter().cloned().chain([effect]);
                    self.evaluate(question.action, &scene, pairs, part, &mut permits)?;
                }
                whole
            }
        };
        self.evaluate(question.action, &scene, whole, Part::Whole, &mut permits)?;
        Ok(permits)
    }

    /// One judgement. Cedar itself skips a policy whose evaluation fails; here it denies.
    fn evaluate(
        &self,
        action: Action,
        scene: &Scene,
        context: impl IntoIterator<Item = (String, RestrictedExpression)>,
        part: Part,
        permits: &mut BTreeSet<String>,
    ) -> Result<(), Denial> {
        let context = CedarContext::from_pairs(context).map_err(Denial::malformed)?;
        let (principal, resource) = (scene.principal.clone(), scene.resource.clone());
        let request = Request::new(principal, self.names.action(action), resource, context, Some(&self.schema))
            .map_err(Denial::malformed)?;
        let (mut permitted, mut forbidden, mut failed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut failure = None;
        let sets = self.by_action.get(&action);
        for set in scene.scopes.iter().filter_map(|scope| sets.and_then(|sets| sets.get(scope))) {
            let response = self.authorizer.is_authorized(&request, set, &scene.entities);
            let reasons = response.diagnostics().reason().map(ToString::to_string);
            match response.decision() {
                cedar_policy::Decision::Allow => permitted.extend(reasons),
                cedar_policy::Decision::Deny => forbidden.extend(reasons),
            }
            for error in response.diagnostics().errors() {
                let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
                failed.insert(error.policy_id().to_string());
                failure.get_or_insert_with(|| error.inner().to_string());
            }
        }
        match failure {
            Some(why) => Err(Denial { verdict: Verdict::Failed(part, why), policies: failed }),
            None if !forbidden.is_empty() => Err(Denial { verdict: Verdict::Forbidden(part), policies: forbidden }),
            None if permitted.is_empty() => Err(Denial { verdict: Verdict::Unpermitted(part), policies: permitted }),
            None => {
                permits.append(&mut permitted);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({} policies, {})", self.count, self.digest)
    }
}

struct Denial {
    verdict: Verdict,
    policies: BTreeSet<String>,
}

impl Denial {
    fn malformed(why: impl ToString) -> Self {
        Self { verdict: Verdict::Malformed(why.to_string()), policies: BTreeSet::new() }
    }
}

/// The schema's type names, parsed once.
pub(super) struct EntityNames {
    user: EntityTypeName,
    group: EntityTypeName,
    wallet: EntityTypeName,
    asset: EntityTypeName,
    network: EntityTypeName,
    daemon: EntityTypeName,
    action: EntityTypeName,
}

impl EntityNames {
    pub(super) fn parse() -> Result<Self, cedar_policy::ParseErrors> {
        Ok(Self {
            user: "User".parse()?,
            group: "Group".parse()?,
            wallet: "Wallet".parse()?,
            asset: "Asset".parse()?,
            network: "Network".parse()?,
            daemon: "Daemon".parse()?,
            action: "Action".parse()?,
        })
    }

    pub(super) fn action(&self, action: Action) -> EntityUid {
        uid(&self.action, action.as_str())
    }
}

/// The entities of one question, and the scopes under which policies that can match it are listed.
struct Scene {
    principal: EntityUid,
    resource: EntityUid,
    entities: Entities,
    scopes: HashSet<Scope>,
}

impl Scene {
    fn build(names: &EntityNames, question: &Question<'_>) -> Result<Self, String> {
        let Principal { uid: number, groups } = question.principal;
        let groups: HashSet<_> = groups.iter().map(|gid| uid(&names.group, &gid.to_string())).collect();
        let principal = user(names, number, groups.clone())?;
        let mut parents = HashSet::new();
        let resource = match question.resource {
            Resource::Daemon => Entity::with_uid(uid(&names.daemon, "kmsignd")),
            Resource::Asset(asset) => Entity::with_uid(uid(&names.asset, asset)),
            Resource::Network { asset, network } => Entity::with_uid(network_uid(names, asset, network)),
            Resource::User(number) => user(names, number, HashSet::new())?,
            Resource::Wallet(facts) => {
                parents.extend([uid(&names.asset, facts.asset), network_uid(names, facts.asset, facts.network)]);
                wallet(names, facts, parents.clone())?
            }
        };
        let (principal_uid, resource_uid) = (principal.uid(), resource.uid());
        let mut scopes: HashSet<Scope> = groups.into_iter().chain(parents).map(Some).collect();
        scopes.extend([None, Some(principal_uid.clone()), Some(resource_uid.clone())]);
        // A user who freezes itself is both: one entity, with its groups.
        let resource = (resource_uid != principal_uid).then_some(resource);
        let entities = Entities::from_entities([principal].into_iter().chain(resource), None).map_err(|e| e.to_string())?;
        Ok(Self { principal: principal_uid, resource: resource_uid, entities, scopes })
    }
}

fn user(names: &EntityNames, number: u32, groups: HashSet<EntityUid>) -> Result<Entity, String> {
    let attributes = HashMap::from([pair("uid", RestrictedExpression::new_long(number.into()))]);
    Entity::new(uid(&names.user, &number.to_string()), attributes, groups).map_err(|e| e.to_string())
}

fn wallet(names: &EntityNames, facts: WalletFacts<'_>, parents: HashSet<EntityUid>) -> Result<Entity, String> {
    let mut attributes = HashMap::from([
        pair("asset", text(facts.asset)),
        pair("network", text(facts.network)),
        pair("family", text(facts.family)),
        pair("addressType", text(facts.address_type)),
        pair("userId", text(facts.user_id)),
        pair("status", text(facts.status)),
    ]);
    attributes.extend(facts.label.map(|label| pair("label", text(label))));
    Entity::new(uid(&names.wallet, facts.wallet_id), attributes, parents).map_err(|e| e.to_string())
}

fn network_uid(names: &EntityNames, asset: &str, network: &str) -> EntityUid {
    uid(&names.network, &format!("{asset}/{network}"))
}

fn spend_pairs(spend: &Spend<'_>) -> Result<Vec<(String, RestrictedExpression)>, ExpressionConstructionError> {
    let of_effects = |part: fn(&Effect) -> Option<&String>| texts(spend.effects.iter().filter_map(part));
    let mut pairs = vec![
        pair("recipients", of_effects(|effect| effect.recipient.as_ref())),
        pair("tokens", of_effects(|effect| effect.token.as_ref())),
        pair("programs", of_effects(|effect| effect.program.as_ref())),
        pair("totalOut", long(spend.total_out)),
        pair("fee", long(spend.fee)),
        pair("unknownAmount", RestrictedExpression::new_bool(spend.unknown_amount())),
        pair("unknownParts", RestrictedExpression::new_bool(spend.unknown_parts())),
        pair("replaces", RestrictedExpression::new_bool(spend.replaced.is_some())),
        pair("spent1h", long(spend.spent.last_hour)),
        pair("spent24h", long(spend.spent.last_day)),
        pair("signatures1h", long(spend.spent.signatures_last_hour)),
        pair("hourUtc", long(spend.hour_utc.into())),
        pair("method", text(spend.method)),
    ];
    pairs.extend(spend.fee_rate.map(|rate| pair("feeRate", long(rate))));
    if let Some(replaced) = &spend.replaced {
        let mut record = vec![
            pair("recipients", texts(&replaced.recipients)),
            pair("totalOut", long(replaced.total_out)),
            pair("fee", long(replaced.fee)),
        ];
        record.extend(replaced.fee_rate.map(|rate| pair("feeRate", long(rate))));
        pairs.push(pair("replaced", RestrictedExpression::new_record(record)?));
    }
    Ok(pairs)
}

fn effect_record(effect: &Effect) -> Result<RestrictedExpression, ExpressionConstructionError> {
    let mut record = vec![
        pair("kind", text(effect.kind.as_str())),
        pair("toOwnWallet", RestrictedExpression::new_bool(effect.to_own_wallet)),
        pair("unknownAmount", RestrictedExpression::new_bool(effect.unknown_amount)),
    ];
    record.extend(effect.amount.map(|amount| pair("amount", long(amount))));
    for (name, value) in
        [("recipient", &effect.recipient), ("token", &effect.token), ("selector", &effect.selector), ("program", &effect.program)]
    {
        record.extend(value.as_ref().map(|value| pair(name, text(value))));
    }
    RestrictedExpression::new_record(record)
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn pair(name: &str, value: RestrictedExpression) -> (String, RestrictedExpression) {
    (name.to_owned(), value)
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn texts<'s>(values: impl IntoIterator<Item = &'s String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(|value| text(value)))
}

/// Cedar's Long is signed 64 bits: larger amounts saturate.
fn long(value: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}
