//! Policy files become a [`Policy`], all of them or none: one bad file refuses the whole set, because a set without one of its
//! `forbid`s is another policy.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{Authorizer, EntityId, EntityUid, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use sha2::{Digest, Sha256};

use super::cedar::{COUNTERS, EntityNames, Policy, Rule, WHOLE_SETS};
use super::scope::{Scope, actions};
use super::{Action, Resource};
use crate::chains::networks::Networks;
use crate::ids::WalletId;

/// What a policy can see, in Cedar's schema language.
pub const SCHEMA: &str = include_str!("policy.cedarschema");

/// Most files in one set.
pub const MAX_FILES: usize = 256;
/// Largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// Most policies in one set.
pub const MAX_POLICIES: usize = 10_000;

/// One policy file: its name without directories (`kmsignd.cedar`) and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub text: String,
}

/// What a name in a policy is a name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NameKind {
    User,
    Group,
}

/// Why a set of policies was refused.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("there are {got} policy files; at most {MAX_FILES} are accepted")]
    TooManyFiles { got: usize },
    #[error("{file} has {bytes} bytes; at most {MAX_FILE_BYTES} are accepted")]
    FileTooLarge { file: String, bytes: usize },
    #[error("two policy files are called {file}")]
    DuplicateFile { file: String },
    #[error("there are {got} policies; at most {MAX_POLICIES} are accepted")]
    TooManyPolicies { got: usize },
    /// Each line is `FILE:LINE: what is wrong`.
    #[error("{}", .0.join("\n"))]
    Syntax(Vec<String>),
    #[error("{file} has a template (`?principal` or `?resource`); write a policy with the entity itself in its place")]
    Template { file: String },
    #[error("{file}: @id(\"{id}\") must be 1 to 64 of A-Z a-z 0-9 . _ -")]
    BadId { file: String, id: String },
    #[error("{file}: two policies have the id {id}; give each its own @id(\"...\")")]
    DuplicateId { file: String, id: String },
    /// Each line is `FILE:LINE: policy ID: what does not fit the schema`.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
    #[error("{file}: policy {policy} names {literal}, {problem}")]
    UnknownName { file: String, policy: String, literal: String, problem: String },
    #[error("the embedded schema is damaged: {0}")]
    Schema(String),
    #[error("{file}: policy {policy} can't be compiled: {reason}")]
    Internal { file: String, policy: String, reason: String },
}

impl Policy {
    /// Compiles a set of policy files; an empty set denies everything.
    ///
    /// A policy's id is `STEM.ID`: the file's name without `.cedar`, then its `@id("...")` or else its place in the file,
    /// counted from one. User and group names become numbers by `resolve`; a name of digits is a number already, and one that
    /// `resolve` does not know refuses the set. All policies are validated strictly against [`SCHEMA`].
    pub fn compile(sources: &[Source], resolve: &dyn Fn(NameKind, &str) -> Option<u32>) -> Result<Self, PolicyError> {
        let sources = in_name_order(sources)?;
        let mut parsed = Vec::new();
        for source in &sources {
            parse(source, &mut parsed)?;
        }
        if parsed.len() > MAX_POLICIES {
            return Err(PolicyError::TooManyPolicies { got: parsed.len() });
        }
        let (schema, names) = vocabulary()?;
        let warnings = validate(&schema, &parsed)?;

        let (mut resolved, mut places) = (BTreeMap::new(), Vec::new());
        let mut rules: HashMap<Action, Vec<Arc<Rule>>> = HashMap::new();
        for Parsed { file: Source { name: file, .. }, policy } in &parsed {
            let id = policy.id().to_string();
            let internal = |reason: String| PolicyError::Internal { file: file.clone(), policy: id.clone(), reason };
            places.extend(places_of(file, policy));
            let literals = literals(file, policy, resolve)?;
            let policy = policy.sub_entity_literals(literals.clone()).map_err(|e| internal(e.to_string()))?;
            resolved.extend(literals);
            let alone = || PolicySet::from_policies([policy.clone()]).map_err(|e| internal(e.to_string()));
            let conditional = policy.has_non_scope_constraint().then(alone).transpose()?;
            let rule = Arc::new(Rule {
                id: id.clone(),
                effect: policy.effect(),
                scope: Scope::of(&policy),
                reads_whole_sets: mentions_any(&policy, &WHOLE_SETS),
                reads_counters: mentions_any(&policy, &COUNTERS),
                conditional,
            });
            for action in actions(&policy) {
                rules.entry(action).or_default().push(Arc::clone(&rule));
            }
        }
        Ok(Self {
            schema,
            names,
            authorizer: Authorizer::new(),
            rules,
            count: parsed.len(),
            digest: digest(&sources, &resolved).into(),
            warnings,
            places,
        })
    }

    /// Refuses assets and networks that no wallet can be of: a `forbid` that names an alias, another case or a misspelt one would
    /// forbid nothing.
    ///
    /// # Errors
    /// [`PolicyError::UnknownName`], which says what to write instead where that is known.
    pub fn check_places(&self, networks: &Networks) -> Result<(), PolicyError> {
        for Place { file, policy, literal, network, id } in &self.places {
            let (asset, name) = if *network { id.split_once('/').unwrap_or((id, "")) } else { (id.as_str(), "") };
            let canonical = networks.canonical_asset(asset).and_then(|asset| match network {
                false => Some(asset.to_owned()),
                true => networks.resolve(asset, Some(name)).ok().map(|found| format!("{}/{}", found.asset(), found.network())),
            });
            let problem = match canonical {
                Some(canonical) if canonical == *id => continue,
                Some(canonical) => format!("which no wallet has: write \"{canonical}\""),
                None => "which is not served here".to_owned(),
            };
            return Err(PolicyError::UnknownName {
                file: file.clone(),
                policy: policy.clone(),
                literal: literal.clone(),
                problem,
            });
        }
        Ok(())
    }
}

/// An asset or a network that a policy names.
pub(super) struct Place {
    file: String,
    policy: String,
    literal: String,
    /// Else an asset.
    network: bool,
    id: String,
}

fn places_of(file: &str, policy: &cedar_policy::Policy) -> Vec<Place> {
    let place = |literal: EntityUid| {
        let network = match literal.type_name().basename() {
            "Asset" => false,
            "Network" => true,
            _ => return None,
        };
        let (file, policy, id) = (file.to_owned(), policy.id().to_string(), literal.id().unescaped().to_owned());
        Some(Place { file, policy, literal: literal.to_string(), network, id })
    };
    policy.entity_literals().into_iter().filter_map(place).collect()
}

struct Parsed<'s> {
    file: &'s Source,
    policy: cedar_policy::Policy,
}

fn in_name_order(sources: &[Source]) -> Result<Vec<&Source>, PolicyError> {
    if sources.len() > MAX_FILES {
        return Err(PolicyError::TooManyFiles { got: sources.len() });
    }
    if let Some(Source { name, text }) = sources.iter().find(|source| source.text.len() > MAX_FILE_BYTES) {
        return Err(PolicyError::FileTooLarge { file: name.clone(), bytes: text.len() });
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = sources.iter().find(|source| !seen.insert(&source.name)) {
        return Err(PolicyError::DuplicateFile { file: twice.name.clone() });
    }
    let mut sorted: Vec<_> = sources.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(sorted)
}

fn parse<'s>(source: &'s Source, into: &mut Vec<Parsed<'s>>) -> Result<(), PolicyError> {
    let Source { name, text } = source;
    let set: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        PolicyError::Syntax(errors.iter().map(|error| located(source, error)).collect())
    })?;
    if set.num_of_templates() > 0 {
        return Err(PolicyError::Template { file: name.clone() });
    }
    // Cedar calls them policy0, policy1, ... in the order of the text, and gives them in none.
    let mut policies: Vec<_> = set.policies().collect();
    policies.sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().unwrap_or(usize::MAX));

    let stem = name.strip_suffix(".cedar").unwrap_or(name);
    let mut ids = BTreeSet::new();
    for (place, policy) in (1_usize..).zip(policies) {
        let id = match policy.annotation("id") {
            None => place.to_string(),
            Some(id) if is_id(id) => id.to_owned(),
            Some(id) => return Err(PolicyError::BadId { file: name.clone(), id: id.to_owned() }),
        };
        let id = format!("{stem}.{id}");
        if !ids.insert(id.clone()) {
            return Err(PolicyError::DuplicateId { file: name.clone(), id });
        }
        into.push(Parsed { file: source, policy: policy.new_id(PolicyId::new(id)) });
    }
    Ok(())
}

/// Ids stand in errors, audit records and log fields, so they are held to characters that mean nothing there.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn vocabulary() -> Result<(Schema, EntityNames), PolicyError> {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|e| PolicyError::Schema(e.to_string()))?;
    let names = EntityNames::parse().map_err(|e| PolicyError::Schema(e.to_string()))?;
    Ok((schema, names))
}

/// Validates before names become numbers, because the substitution forgets where in the file an expression stood.
fn validate(schema: &Schema, parsed: &[Parsed<'_>]) -> Result<Vec<String>, PolicyError> {
    let files: HashMap<&PolicyId, &Source> = parsed.iter().map(|parsed| (parsed.policy.id(), parsed.file)).collect();
    let describe = |id: &PolicyId, problem: &dyn Diagnostic| match files.get(id) {
        Some(source) => located(source, problem),
        None => problem.to_string(),
    };
    let set = PolicySet::from_policies(parsed.iter().map(|parsed| parsed.policy.clone())).map_err(|e| PolicyError::Internal {
        file: "the set".to_owned(),
        policy: String::new(),
        reason: e.to_string(),
    })?;
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let mut errors: Vec<_> = result.validation_errors().map(|error| describe(error.policy_id(), error)).collect();
    if errors.is_empty() {
        let mut warnings: Vec<_> = result.validation_warnings().map(|warning| describe(warning.policy_id(), warning)).collect();
        warnings.sort();
        return Ok(warnings);
    }
    errors.sort();
    errors.dedup();
    Err(PolicyError::Invalid(errors))
}

/// `FILE:LINE: problem (help)`.
fn located(source: &Source, problem: &dyn Diagnostic) -> String {
    let offset = problem.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
    let line = source.text.bytes().take(offset).filter(|byte| *byte == b'\n').count().saturating_add(1);
    let help = problem.help().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("{}:{line}: {problem}{help}", source.name)
}

/// What each user, group and wallet that the policy names is replaced by. Those that can't exist are refused: a `forbid` with a
/// misspelt name would forbid nothing. ([`Policy::check_places`] does it for assets and networks.)
fn literals(
    file: &str,
    policy: &cedar_policy::Policy,
    resolve: &dyn Fn(NameKind, &str) -> Option<u32>,
) -> Result<BTreeMap<EntityUid, EntityUid>, PolicyError> {
    let mut replacements = BTreeMap::new();
    for literal in policy.entity_literals() {
        let id = literal.id().unescaped();
        let number = |kind| canonical_number(id).or_else(|| resolve(kind, id)).map(|number| number.to_string());
        let (replacement, problem) = match literal.type_name().basename() {
            "User" => (number(NameKind::User), "a user this machine does not know"),
            "Group" => (number(NameKind::Group), "a group this machine does not know"),
            "Wallet" => (id.parse().ok().map(|id: WalletId| id.to_string()), "which is not a wallet id"),
            "Daemon" => ((id == Resource::DAEMON_ID).then(|| id.to_owned()), "but the only daemon is Daemon::\"kmsignd\""),
            _ => continue,
        };
        let Some(replacement) = replacement else {
            let (policy, literal) = (policy.id().to_string(), literal.to_string());
            return Err(PolicyError::UnknownName { file: file.to_owned(), policy, literal, problem: problem.to_owned() });
        };
        let replacement = EntityUid::from_type_name_and_id(literal.type_name().clone(), EntityId::new(replacement));
        replacements.insert(literal, replacement);
    }
    Ok(replacements)
}

/// A uid or gid as the kernel writes it: `007` is a name.
fn canonical_number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

/// Whether one of `words` is an attribute, a key or a text anywhere in the policy. In doubt it is.
fn mentions_any(policy: &cedar_policy::Policy, words: &[&str]) -> bool {
    // Cedar's JSON form has no escapes of its own, so no spelling hides a word from it.
    policy.to_json().map_or(true, |json| {
        let json = json.to_string();
        words.iter().any(|word| json.contains(word))
    })
}

fn digest(sources: &[&Source], resolved: &BTreeMap<EntityUid, EntityUid>) -> String {
    let mut hash = Sha256::new();
    // Lengths go first, so that no two sets can run together into the same bytes.
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    for source in sources {
        add(&source.name);
        add(&source.text);
    }
    for (name, number) in resolved {
        add(&name.to_string());
        add(&number.to_string());
    }
    hex::encode(hash.finalize())
}
