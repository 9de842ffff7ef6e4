//! [`Policy::decide`]: which policies concern a question, and what Cedar's evaluator says of those with conditions. Entities and
//! contexts are built through Cedar's API, since going through JSON costs ten times as much, and only if a condition is asked.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Authorizer, Context as CedarContext, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    ExpressionConstructionError, PolicySet, Request, RestrictedExpression, Schema,
};

use super::compile::Place;
use super::scope::Scope;
use super::{Action, Context, Decision, Effect, Part, Principal, Question, Resource, Spend, Verdict, WalletFacts};

/// A compiled set of policies, made by [`Policy::compile`]. Immutable: a reload makes another one.
pub struct Policy {
    pub(super) schema: Schema,
    pub(super) names: EntityNames,
    pub(super) authorizer: Authorizer,
    /// In the order of the files' names, and of the policies in a file.
    pub(super) rules: HashMap<Action, Vec<Arc<Rule>>>,
    pub(super) count: usize,
    pub(super) digest: Arc<str>,
    pub(super) warnings: Vec<String>,
    pub(super) places: Vec<Place>,
}

/// One policy.
pub(super) struct Rule {
    pub id: String,
    pub effect: cedar_policy::Effect,
    pub scope: Scope,
    /// The policy alone, for Cedar to evaluate; `None` if it has no `when` and no `unless`.
    pub conditional: Option<PolicySet>,
    /// Its condition may look at one of [`WHOLE_SETS`].
    pub reads_whole_sets: bool,
    /// Its condition may look at one of [`COUNTERS`].
    pub reads_counters: bool,
}

/// The parts of a spend that say what was spent before.
pub(super) const COUNTERS: [&str; 3] = ["spent1h", "spent24h", "signatures1h"];

/// The parts of a spend that grow with the number of its effects. Every effect is judged beside all of them, so that they are
/// built only if a policy looks: otherwise a payment to a thousand recipients would cost a million strings.
pub(super) const WHOLE_SETS: [&str; 3] = ["recipients", "tokens", "programs"];

/// Most effects of one spend. A Bitcoin transaction that nodes relay has at most about 3,200 outputs.
pub const MAX_EFFECTS: usize = 4096;

/// Most judgements of one call: each effect and the whole, for each wallet and each action that it needs. Two actions of a
/// hundred wallets with a hundred recipients take a fifth of it, and it takes about a second.
const MAX_JUDGEMENTS: usize = 100_000;

/// Most elements of sets that are built for one call, where a policy looks at all recipients, tokens or programs: they are built anew
/// for each effect. Enough for a payment to 1,400 recipients; more of them need a policy that looks at each effect alone.
const MAX_SET_ELEMENTS: usize = 2_000_000;

impl Policy {
    /// Judges each effect by itself and then the whole; the first denial is the answer.
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let (verdict, policies) = match self.judge(question, &mut { MAX_SET_ELEMENTS }) {
            Ok(permits) => (Verdict::Permitted, permits),
            Err(Denial { verdict, policies }) => (verdict, policies),
        };
        self.decision(question, verdict, policies)
    }

    /// Judges what is allowed only if `first` and every one of `others` are. The first denial is the answer; otherwise it is that of
    /// `first`, with the policies that permitted any of them.
    pub fn decide_all(&self, first: &Question<'_>, others: &[Question<'_>]) -> Decision {
        let parts = |question: &Question<'_>| match question.context {
            Context::Spend(spend) => spend.effects.len().saturating_add(1),
            Context::Method(_) | Context::Create { .. } => 1,
        };
        let questions = std::iter::once(first).chain(others);
        let judgements = questions.clone().map(parts).fold(0_usize, usize::saturating_add);
        if judgements > MAX_JUDGEMENTS {
            let why = format!("it needs {judgements} judgements, and at most {MAX_JUDGEMENTS} are made for one call");
            return self.decision(first, Verdict::Unanswerable(why), Vec::new());
        }
        let (mut permits, mut budget) = (Vec::new(), MAX_SET_ELEMENTS);
        for question in questions {
            match self.judge(question, &mut budget) {
                Ok(mut more) => permits.append(&mut more),
                Err(Denial { verdict, policies }) => return self.decision(question, verdict, policies),
            }
        }
        self.decision(first, Verdict::Permitted, permits)
    }

    fn decision(&self, question: &Question<'_>, verdict: Verdict, mut policies: Vec<&str>) -> Decision {
        policies.sort_unstable();
        policies.dedup();
        Decision {
            action: question.action,
            uid: question.principal.uid,
            verdict,
            policies: policies.into_iter().map(str::to_owned).collect(),
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

    /// Ids of the policies that look at what was spent before, sorted. The daemon does not count that yet, so that such a policy would
    /// see zero for ever.
    pub fn reading_counters(&self) -> Vec<&str> {
        let rules = self.rules.values().flatten().filter(|rule| rule.reads_counters);
        rules.map(|rule| rule.id.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What the validator found odd but not wrong, such as a policy that can never apply.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether some policy permits this action to this caller, on some resource and some condition.
    pub fn may_concern(&self, principal: Principal<'_>, action: Action) -> bool {
        let rules = self.rules.get(&action).into_iter().flatten();
        rules.filter(|rule| rule.effect == cedar_policy::Effect::Permit).any(|rule| rule.scope.matches_principal(principal))
    }

    /// The ids that permit, or the denial. `budget`: what may still be spent on building sets.
    fn judge(&self, question: &Question<'_>, budget: &mut usize) -> Result<Vec<&str>, Denial<'_>> {
        if !fits(question) {
            return Err(Denial::unanswerable("the schema does not have this action for such a resource and context"));
        }
        if let Context::Spend(Spend { effects, .. }) = question.context
            && effects.len() > MAX_EFFECTS
        {
            return Err(Denial::unanswerable(format!("it has {} effects, and at most {MAX_EFFECTS} are judged", effects.len())));
        }
        let rules = self.rules.get(&question.action).into_iter().flatten();
        let rules: Vec<&Rule> = rules.map(Arc::as_ref).filter(|rule| rule.scope.matches(question)).collect();
        let mut permits = Vec::new();
        if rules.iter().all(|rule| rule.conditional.is_none()) {
            // Every part would be judged the same, and nothing of it needs to be built.
            tally(&rules, |_| Ok(true), Part::Whole, &mut permits)?;
            return Ok(permits);
        }
        let scene = Scene::build(&self.names, question).map_err(Denial::unanswerable)?;
        let whole = match question.context {
            Context::Method(method) => vec![pair("method", text(method))],
            Context::Create { method, asset, network, user_id } => vec![
                pair("method", text(method)),
                pair("asset", text(asset)),
                pair("network", text(network)),
                pair("userId", text(user_id)),
            ],
            Context::Spend(spend) => {
                let sets = WholeSets::of(spend, rules.iter().any(|rule| rule.reads_whole_sets));
                // What is the same is judged the same.
                let mut seen = HashSet::new();
                let different: Vec<_> = (1..).zip(&spend.effects).filter(|(_, effect)| seen.insert(*effect)).collect();
                let cost = sets.len().saturating_mul(different.len().saturating_add(1));
                *budget = budget.checked_sub(cost).ok_or_else(|| {
                    let why =
                        "a policy looks at all recipients, tokens or programs beside each effect, and there are too many of both";
                    Denial::unanswerable(why)
                })?;
                let whole = spend_pairs(spend, &sets).map_err(Denial::unanswerable)?;
                for (number, effect) in different {
                    let part = Part::Effect { number, of: spend.effects.len(), kind: effect.kind };
                    let effect = pair("effect", effect_record(effect).map_err(Denial::unanswerable)?);
                    let context = whole.iter().cloned().chain([effect]);
                    self.evaluate(question.action, &scene, context, &rules, part, &mut permits)?;
                }
                whole
            }
        };
        self.evaluate(question.action, &scene, whole, &rules, Part::Whole, &mut permits)?;
        Ok(permits)
    }

    /// One judgement with Cedar's evaluator.
    fn evaluate<'p>(
        &self,
        action: Action,
        scene: &Scene,
        context: impl IntoIterator<Item = (String, RestrictedExpression)>,
        rules: &[&'p Rule],
        part: Part,
        permits: &mut Vec<&'p str>,
    ) -> Result<(), Denial<'p>> {
        let context = CedarContext::from_pairs(context).map_err(Denial::unanswerable)?;
        // The types above leave nothing for the schema to find: in release builds it is not asked.
        let schema = cfg!(debug_assertions).then_some(&self.schema);
        let (principal, resource) = (scene.principal.clone(), scene.resource.clone());
        let request =
            Request::new(principal, self.names.action(action), resource, context, schema).map_err(Denial::unanswerable)?;
        let satisfied = |set: &PolicySet| {
            let response = self.authorizer.is_authorized(&request, set, &scene.entities);
            match response.diagnostics().errors().next() {
                Some(AuthorizationError::PolicyEvaluationError(error)) => Err(error.inner().to_string()),
                None => Ok(response.diagnostics().reason().next().is_some()),
            }
        };
        tally(rules, satisfied, part, permits)
    }
}

/// What the rules whose heads match say together: a failure denies, then a `forbid` does, then the lack of a `permit`. (Cedar
/// itself would skip a policy whose evaluation fails.)
fn tally<'p>(
    rules: &[&'p Rule],
    satisfied: impl Fn(&PolicySet) -> Result<bool, String>,
    part: Part,
    permits: &mut Vec<&'p str>,
) -> Result<(), Denial<'p>> {
    let (mut permitted, mut forbidden, mut failed) = (Vec::new(), Vec::new(), None);
    for Rule { id, effect, conditional, .. } in rules {
        match conditional.as_ref().map_or(Ok(true), &satisfied) {
            Ok(false) => {}
            Ok(true) => match effect {
                cedar_policy::Effect::Permit => permitted.push(id.as_str()),
                cedar_policy::Effect::Forbid => forbidden.push(id.as_str()),
            },
            Err(why) => failed = failed.or(Some((id.as_str(), why))),
        }
    }
    if let Some((id, why)) = failed {
        return Err(Denial { verdict: Verdict::Failed(part, why), policies: vec![id] });
    }
    if !forbidden.is_empty() {
        return Err(Denial { verdict: Verdict::Forbidden(part), policies: forbidden });
    }
    if permitted.is_empty() {
        return Err(Denial { verdict: Verdict::Unpermitted(part), policies: Vec::new() });
    }
    permits.append(&mut permitted);
    Ok(())
}

/// Whether the schema has this action for this resource with this context.
fn fits(question: &Question<'_>) -> bool {
    use {Action as A, Context as C, Resource as R};
    match (question.action, question.context) {
        (A::Read | A::Audit | A::Administer | A::Delete, C::Method(_)) => {
            matches!(question.resource, R::Wallet(_) | R::Daemon)
        }
        (A::Freeze | A::Unfreeze, C::Method(_)) => true,
        (A::Create, C::Create { .. }) => matches!(question.resource, R::Daemon),
        (A::Sign | A::SignMessage | A::SignRaw | A::SignPartial | A::Replace | A::Delegate | A::Approve, C::Spend(_)) => {
            matches!(question.resource, R::Wallet(_))
        }
        _ => false,
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({} policies, {})", self.count, self.digest)
    }
}

struct Denial<'p> {
    verdict: Verdict,
    policies: Vec<&'p str>,
}

impl Denial<'_> {
    fn unanswerable(why: impl ToString) -> Self {
        Self { verdict: Verdict::Unanswerable(why.to_string()), policies: Vec::new() }
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

/// The entities of one question.
struct Scene {
    principal: EntityUid,
    resource: EntityUid,
    entities: Entities,
}

impl Scene {
    fn build(names: &EntityNames, question: &Question<'_>) -> Result<Self, String> {
        let Principal { uid: number, groups } = question.principal;
        let groups = groups.iter().map(|gid| uid(&names.group, &gid.to_string())).collect();
        let principal = user(names, number, groups)?;
        let resource = match question.resource {
            Resource::Daemon => Entity::with_uid(uid(&names.daemon, Resource::DAEMON_ID)),
            Resource::Asset(asset) => Entity::with_uid(uid(&names.asset, asset)),
            Resource::Network { asset, network } => Entity::with_uid(network_uid(names, asset, network)),
            Resource::User(number) => user(names, number, HashSet::new())?,
            Resource::Wallet(facts) => wallet(names, facts)?,
        };
        let (principal_uid, resource_uid) = (principal.uid(), resource.uid());
        // A user who freezes itself is both: one entity, with its groups.
        let resource = (resource_uid != principal_uid).then_some(resource);
        let entities = Entities::from_entities([principal].into_iter().chain(resource), None).map_err(|e| e.to_string())?;
        Ok(Self { principal: principal_uid, resource: resource_uid, entities })
    }
}

fn user(names: &EntityNames, number: u32, groups: HashSet<EntityUid>) -> Result<Entity, String> {
    let attributes = HashMap::from([pair("uid", RestrictedExpression::new_long(number.into()))]);
    Entity::new(uid(&names.user, &number.to_string()), attributes, groups).map_err(|e| e.to_string())
}

fn wallet(names: &EntityNames, facts: WalletFacts<'_>) -> Result<Entity, String> {
    let parents = HashSet::from([uid(&names.asset, facts.asset), network_uid(names, facts.asset, facts.network)]);
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

/// The parts of a spend that grow with its effects, each element once; empty if no policy looks at them.
#[derive(Default)]
struct WholeSets<'s> {
    recipients: BTreeSet<&'s String>,
    tokens: BTreeSet<&'s String>,
    programs: BTreeSet<&'s String>,
    replaced_recipients: BTreeSet<&'s String>,
}

impl<'s> WholeSets<'s> {
    fn of(spend: &'s Spend<'_>, read: bool) -> Self {
        if !read {
            return Self::default();
        }
        let all = |part: fn(&Effect) -> Option<&String>| spend.effects.iter().filter_map(part).collect();
        Self {
            recipients: all(|effect| effect.recipient.as_ref()),
            tokens: all(|effect| effect.token.as_ref()),
            programs: all(|effect| effect.program.as_ref()),
            replaced_recipients: spend.replaced.iter().flat_map(|replaced| &replaced.recipients).collect(),
        }
    }

    fn len(&self) -> usize {
        [&self.recipients, &self.tokens, &self.programs, &self.replaced_recipients].map(BTreeSet::len).iter().sum()
    }
}

fn spend_pairs(
    spend: &Spend<'_>,
    sets: &WholeSets<'_>,
) -> Result<Vec<(String, RestrictedExpression)>, ExpressionConstructionError> {
    let mut pairs = vec![
        pair("recipients", texts(sets.recipients.iter().copied())),
        pair("tokens", texts(sets.tokens.iter().copied())),
        pair("programs", texts(sets.programs.iter().copied())),
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
            pair("recipients", texts(sets.replaced_recipients.iter().copied())),
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
