//! The decision: every action by every role under the packaged policy, and what a set of policies must refuse.

use cedar_policy::Schema;
use kmsignd::clock::Timestamp;
use kmsignd::policy::{
    Action, Context, Decision, Effect, EffectKind, MAX_EFFECTS, NameKind, Policy, PolicyError, Principal, Question, Replaced,
    Resource, SCHEMA, Source, Spend, Spent, WalletFacts, dev_policy,
};

use crate::harness::Daemon;

const PACKAGED: &str = include_str!("../../packaging/policy.d/kmsignd.cedar");
const WALLET: WalletFacts<'static> = WalletFacts {
    wallet_id: "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60",
    asset: "BTC",
    network: "testnet",
    family: "utxo",
    address_type: "p2wpkh",
    user_id: "user123",
    label: None,
    status: "CREATED",
};
const NOON: Timestamp = Timestamp::from_unix_millis(12 * 3_600_000);

const KMSIGN: u32 = 800;
const KMSIGN_RAW: u32 = 801;
const KMSIGN_ADMIN: u32 = 802;
const ALICE: u32 = 1000;

fn resolve(kind: NameKind, name: &str) -> Option<u32> {
    match (kind, name) {
        (NameKind::User, "alice") => Some(ALICE),
        (NameKind::Group, "kmsign") => Some(KMSIGN),
        (NameKind::Group, "kmsign-raw") => Some(KMSIGN_RAW),
        (NameKind::Group, "kmsign-admin") => Some(KMSIGN_ADMIN),
        _ => None,
    }
}

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

fn compile(text: &str) -> Result<Policy, PolicyError> {
    Policy::compile(&[source("test.cedar", text)], &resolve)
}

fn refusal(text: &str) -> String {
    compile(text).unwrap_err().to_string()
}

/// A question that fits the schema for `action`; the effects matter to actions that sign alone.
fn ask_about(policy: &Policy, uid: u32, groups: &[u32], action: Action, effects: Vec<Effect>) -> Decision {
    let spend = Spend::new("some_method", NOON, effects);
    ask_to_spend(policy, uid, groups, action, &spend)
}

fn ask_to_spend(policy: &Policy, uid: u32, groups: &[u32], action: Action, spend: &Spend<'_>) -> Decision {
    let (resource, context) = match action {
        Action::Read | Action::Audit | Action::Administer | Action::Delete | Action::Freeze | Action::Unfreeze => {
            (Resource::Daemon, Context::Method("some_method"))
        }
        Action::Create => {
            let context = Context::Create { method: "wallet_create", asset: "BTC", network: "testnet", user_id: "user123" };
            (Resource::Daemon, context)
        }
        Action::Sign
        | Action::SignMessage
        | Action::SignRaw
        | Action::SignPartial
        | Action::Replace
        | Action::Delegate
        | Action::Approve => (Resource::Wallet(WALLET), Context::Spend(spend)),
    };
    policy.decide(&Question { principal: Principal { uid, groups }, action, resource, context })
}

fn transfer() -> Effect {
    Effect { recipient: Some("tb1qrecipient".to_owned()), amount: Some(5_000), ..Effect::new(EffectKind::Transfer) }
}

fn fitting_effects(action: Action) -> Vec<Effect> {
    match action {
        Action::SignMessage => vec![Effect::new(EffectKind::Message)],
        Action::SignRaw => Spend::raw("m", NOON).effects,
        Action::Delegate => vec![Effect::new(EffectKind::Delegate)],
        _ => vec![transfer(), Effect { amount: Some(100), ..Effect::new(EffectKind::Fee) }],
    }
}

#[test]
fn packaged_policy_by_role_and_action_gives_the_contracts_matrix() {
    let policy = compile(PACKAGED).unwrap();
    assert_eq!(policy.warnings(), &[] as &[String]);
    let user = [Action::Read, Action::Create, Action::Sign, Action::SignMessage];
    let raw = [&user[..], &[Action::SignRaw]].concat();
    let admin = [Action::Read, Action::Administer, Action::Freeze, Action::Unfreeze, Action::Approve, Action::Audit].to_vec();
    let roles: [(&str, u32, &[u32], &[Action]); 8] = [
        ("none", ALICE, &[ALICE], &[]),
        ("root", 0, &[0], &[]),
        ("root of the group", 0, &[0, KMSIGN], &user),
        ("kmsign", ALICE, &[ALICE, KMSIGN], &user),
        ("raw", ALICE, &[KMSIGN, KMSIGN_RAW], &raw),
        ("raw alone", ALICE, &[KMSIGN_RAW], &[Action::SignRaw]),
        ("admin", ALICE, &[KMSIGN, KMSIGN_ADMIN], &admin),
        ("admin and raw", ALICE, &[KMSIGN, KMSIGN_RAW, KMSIGN_ADMIN], &admin),
    ];
    for (role, uid, groups, allowed) in roles {
        for action in Action::ALL {
            let decision = ask_about(&policy, uid, groups, *action, fitting_effects(*action));
            assert_eq!(decision.is_allowed(), allowed.contains(action), "{role} {action}: {}", decision.reason());
            assert_eq!(decision.action(), *action);
            assert_eq!(decision.policy_digest(), policy.digest());
        }
    }
}

#[test]
fn packaged_policy_names_the_policies_that_decided() {
    let policy = compile(PACKAGED).unwrap();
    let allowed = ask_about(&policy, ALICE, &[KMSIGN], Action::Sign, vec![transfer()]);
    assert_eq!(allowed.policies(), ["test.sign-decoded"]);
    assert_eq!(allowed.forbidden_by(), None);
    assert_eq!(allowed.reason(), "`sign` by uid 1000 is permitted by test.sign-decoded");

    let forbidden = ask_about(&policy, ALICE, &[KMSIGN, KMSIGN_ADMIN], Action::Sign, vec![transfer()]);
    assert_eq!(forbidden.policies(), ["test.administrators-sign-nothing"]);
    assert_eq!(forbidden.forbidden_by(), Some("test.administrators-sign-nothing"));
    assert!(forbidden.reason().contains("effect 1 of 1 (kind transfer)"), "{}", forbidden.reason());

    let unpermitted = ask_about(&policy, ALICE, &[], Action::Create, vec![]);
    assert_eq!(unpermitted.policies(), &[] as &[String]);
    assert_eq!(unpermitted.forbidden_by(), None);
    assert_eq!(unpermitted.reason(), "no policy permits `create` by uid 1000");
}

#[test]
fn packaged_policy_signs_fully_decoded_content_alone() {
    let policy = compile(PACKAGED).unwrap();
    let signs = |spend: &Spend<'_>| ask_to_spend(&policy, ALICE, &[KMSIGN], Action::Sign, spend).is_allowed();
    let with = |effects| Spend::new("utxo_signPsbt", NOON, effects);
    for kind in EffectKind::ALL {
        let decoded = !matches!(kind, EffectKind::Authority | EffectKind::Delegate | EffectKind::Raw);
        assert_eq!(signs(&with(vec![transfer(), Effect::new(*kind)])), decoded, "{kind:?}");
    }
    let unknown = Effect { unknown_amount: true, ..Effect::new(EffectKind::Call) };
    assert!(!signs(&with(vec![transfer(), unknown])), "unknown amount");
    assert!(!signs(&Spend { unknown_parts: true, ..with(vec![transfer()]) }), "unknown parts");
    assert!(!signs(&with(vec![])), "nothing decoded at all");
    let claimed = Spend { unknown_parts: false, ..with(vec![]) };
    assert!(!signs(&claimed), "a spend without effects counts as unknown whatever it says");
}

#[test]
fn dev_policy_permits_every_action_but_replace_to_its_owner_alone() {
    let policy = compile(&dev_policy(ALICE)).unwrap();
    for action in Action::ALL {
        let owner = ask_about(&policy, ALICE, &[], *action, fitting_effects(*action));
        assert_eq!(owner.is_allowed(), *action != Action::Replace, "{action}: {}", owner.reason());
        assert!(!ask_about(&policy, ALICE + 1, &[ALICE], *action, fitting_effects(*action)).is_allowed(), "{action}");
    }
}

#[test]
fn decide_without_policies_denies_every_action() {
    let policy = Policy::compile(&[], &resolve).unwrap();
    assert!(policy.is_empty());
    for action in Action::ALL {
        assert!(!ask_about(&policy, 0, &[0, KMSIGN], *action, fitting_effects(*action)).is_allowed(), "{action}");
    }
}

#[test]
fn decide_with_a_forbid_for_one_effect_denies_the_whole() {
    let policy = compile(
        r#"permit (principal, action == Action::"sign", resource);
           @id("no-big") forbid (principal, action == Action::"sign", resource)
           when { context has effect && context.effect has amount && context.effect.amount > 9000 };"#,
    )
    .unwrap();
    let big = Effect { amount: Some(9_001), ..transfer() };
    let sign = |effects| ask_about(&policy, ALICE, &[], Action::Sign, effects);
    assert!(sign(vec![transfer(), transfer()]).is_allowed());
    let decision = sign(vec![transfer(), big, transfer()]);
    assert_eq!(decision.forbidden_by(), Some("test.no-big"));
    assert!(decision.reason().contains("effect 2 of 3"), "{}", decision.reason());
}

#[test]
fn decide_needs_a_permit_for_the_whole_and_for_each_effect() {
    let effects_alone = r#"permit (principal, action == Action::"sign", resource) when { context has effect };"#;
    let whole_alone = r#"permit (principal, action == Action::"sign", resource) unless { context has effect };"#;
    for text in [effects_alone, whole_alone] {
        assert!(!ask_about(&compile(text).unwrap(), ALICE, &[], Action::Sign, vec![transfer()]).is_allowed(), "{text}");
    }
    let both = compile(&[effects_alone, whole_alone].concat()).unwrap();
    let decision = ask_about(&both, ALICE, &[], Action::Sign, vec![transfer()]);
    assert_eq!(decision.policies(), ["test.1", "test.2"]);
}

#[test]
fn decide_when_an_evaluation_fails_denies_and_names_the_policy() {
    // Overflow is what strict validation can't rule out.
    let policy = compile(
        r#"permit (principal, action, resource);
           @id("sum") forbid (principal, action == Action::"sign", resource) when { context.totalOut + context.fee > 10 };"#,
    )
    .unwrap();
    let spend = Spend { total_out: u64::MAX, fee: 1, ..Spend::new("m", NOON, vec![transfer()]) };
    let decision = ask_to_spend(&policy, ALICE, &[], Action::Sign, &spend);
    assert!(!decision.is_allowed());
    assert_eq!(decision.policies(), ["test.sum"]);
    assert_eq!(decision.forbidden_by(), Some("test.sum"));
    assert!(decision.reason().contains("overflow"), "{}", decision.reason());

    let permit = compile(r#"permit (principal, action == Action::"sign", resource) when { context.fee + 1 > 0 };"#).unwrap();
    let spend = Spend { fee: u64::MAX, ..spend };
    let decision = ask_to_spend(&permit, ALICE, &[], Action::Sign, &spend);
    assert_eq!(decision.policies(), ["test.1"], "a failed permit is named too");
}

#[test]
fn decide_about_something_the_schema_does_not_have_denies() {
    let policy = compile("permit (principal, action, resource);").unwrap();
    let principal = Principal { uid: ALICE, groups: &[] };
    let spend = Spend::raw("m", NOON);
    let misfits = [
        (Action::Sign, Resource::Daemon, Context::Spend(&spend)),
        (Action::Sign, Resource::Wallet(WALLET), Context::Method("m")),
        (Action::Read, Resource::Asset("BTC"), Context::Method("m")),
        (Action::Create, Resource::Daemon, Context::Method("m")),
        (Action::Audit, Resource::Daemon, Context::Spend(&spend)),
    ];
    for (action, resource, context) in misfits {
        let decision = policy.decide(&Question { principal, action, resource, context });
        assert!(!decision.is_allowed(), "{action} {resource:?}");
        assert!(decision.reason().contains("can't be judged"), "{}", decision.reason());
    }
}

#[test]
fn decide_answers_exactly_what_the_schema_has() {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    let resources = [
        ("Daemon", Resource::Daemon),
        ("Wallet", Resource::Wallet(WALLET)),
        ("Asset", Resource::Asset("BTC")),
        ("Network", Resource::Network { asset: "BTC", network: "testnet" }),
        ("User", Resource::User(ALICE)),
    ];
    let spend = Spend::raw("m", NOON);
    let contexts =
        [Context::Method("m"), Context::Create { method: "m", asset: "a", network: "n", user_id: "u" }, Context::Spend(&spend)];
    // Cedar is asked for the second one alone, and in tests it holds what it is asked to the schema.
    for text in ["permit (principal, action, resource);", "permit (principal, action, resource) when { principal.uid > 0 };"] {
        let policy = compile(text).unwrap();
        for action in Action::ALL {
            let uid = format!("Action::\"{action}\"").parse().unwrap();
            let in_schema: Vec<_> = schema.resources_for_action(&uid).unwrap().map(ToString::to_string).collect();
            for (kind, resource) in resources {
                let principal = Principal { uid: ALICE, groups: &[KMSIGN] };
                let ask = |context| policy.decide(&Question { principal, action: *action, resource, context }).is_allowed();
                let answered = contexts.into_iter().filter(|context| ask(*context)).count();
                assert_eq!(answered, usize::from(in_schema.iter().any(|one| one == kind)), "{action} {kind}");
            }
        }
    }
}

#[test]
fn decide_sees_every_fact_of_the_schema() {
    let policy = compile(
        r#"permit (principal == User::"alice", action == Action::"sign", resource in Network::"BTC/testnet")
           when {
             principal in Group::"kmsign" && principal.uid == 1000 &&
             resource in Asset::"BTC" && resource == Wallet::"0197B2A0-7C1E-7D3A-9F00-2B1C3D4E5F60" &&
             resource.asset == "BTC" && resource.network == "testnet" && resource.family == "utxo" &&
             resource.addressType == "p2wpkh" && resource.userId == "user123" && resource.status == "CREATED" &&
             resource has label && resource.label == "hot" &&
             context.recipients == ["r"] && context.tokens == ["t"] && context.programs == ["p"] &&
             context.totalOut == 1 && context.fee == 2 && context has feeRate && context.feeRate == 3 &&
             !context.unknownAmount && !context.unknownParts && context.replaces &&
             context has replaced && context.replaced.recipients == ["old"] && context.replaced.totalOut == 4 &&
             context.replaced.fee == 5 && context.replaced has feeRate && context.replaced.feeRate == 6 &&
             context.spent1h == 7 && context.spent24h == 8 && context.signatures1h == 9 &&
             context.hourUtc == 12 && context.method == "m" &&
             (if context has effect then
                context.effect.kind == "token" && context.effect.toOwnWallet && !context.effect.unknownAmount &&
                context.effect has recipient && context.effect.recipient == "r" &&
                context.effect has amount && context.effect.amount == 9223372036854775807 &&
                context.effect has token && context.effect.token == "t" &&
                context.effect has selector && context.effect.selector == "s" &&
                context.effect has program && context.effect.program == "p"
              else true)
           };"#,
    )
    .unwrap();
    let own = |text: &str| Some(text.to_owned());
    let effect = Effect {
        recipient: own("r"),
        amount: Some(u64::MAX),
        token: own("t"),
        selector: own("s"),
        program: own("p"),
        to_own_wallet: true,
        ..Effect::new(EffectKind::Token)
    };
    let spend = Spend {
        total_out: 1,
        fee: 2,
        fee_rate: Some(3),
        replaced: Some(Replaced { recipients: vec!["old".to_owned()], total_out: 4, fee: 5, fee_rate: Some(6) }),
        spent: Spent { last_hour: 7, last_day: 8, signatures_last_hour: 9 },
        ..Spend::new("m", NOON, vec![effect])
    };
    let decision = policy.decide(&Question {
        principal: Principal { uid: ALICE, groups: &[KMSIGN] },
        action: Action::Sign,
        resource: Resource::Wallet(WalletFacts { label: Some("hot"), ..WALLET }),
        context: Context::Spend(&spend),
    });
    assert!(decision.is_allowed(), "{}", decision.reason());
}

#[test]
fn decide_with_too_many_effects_beside_whole_sets_is_denied_and_says_why() {
    let policy =
        compile(r#"permit (principal, action == Action::"sign", resource) when { !context.recipients.contains("evil") };"#)
            .unwrap();
    let decide = |effects: Vec<Effect>| {
        let spend = Spend::new("m", NOON, effects);
        let context = Context::Spend(&spend);
        let principal = Principal { uid: ALICE, groups: &[] };
        let question = Question { principal, action: Action::Sign, resource: Resource::Wallet(WALLET), context };
        let decision = policy.decide_all(&question, &[question]);
        (decision.is_allowed(), decision.reason())
    };
    let to = |n: usize| Effect { recipient: Some(n.to_string()), amount: Some(1), ..Effect::new(EffectKind::Transfer) };
    assert!(decide((0..900).map(to).collect()).0);
    let (allowed, reason) = decide((0..1100).map(to).collect());
    assert!(!allowed && reason.contains("too many"), "both questions together: {reason}");
    assert!(decide(vec![to(1); 4000]).0, "what is the same is judged once");
    assert!(!decide((0..899).map(to).chain([Effect { recipient: Some("evil".to_owned()), ..to(0) }]).collect()).0);
}

#[test]
fn policy_that_looks_at_what_is_not_counted_yet_is_not_put_in_force() {
    for counter in ["spent1h", "spent24h", "signatures1h"] {
        let text = format!(r#"permit (principal, action == Action::"sign", resource) when {{ context.{counter} < 10 }};"#);
        let mut daemon = Daemon::stopped(&text, &[]);
        let refusal = daemon.try_to_start().unwrap_err();
        assert!(refusal.contains("not counted"), "{refusal}");
    }
}

#[test]
fn decide_on_an_effect_still_sees_the_recipients_of_the_whole() {
    // Spelt with an escape: a policy must not be able to look at them unnoticed.
    for recipients in ["context.recipients", r#"context["recip\u{69}ents"]"#] {
        let policy = compile(&format!(
            r#"permit (principal, action, resource);
               forbid (principal, action == Action::"sign", resource)
               when {{ context has effect && context.effect.kind == "fee" && {recipients}.contains("evil") }};"#,
        ))
        .unwrap();
        let evil = Effect { recipient: Some("evil".to_owned()), ..transfer() };
        let decision = ask_about(&policy, ALICE, &[], Action::Sign, vec![evil, Effect::new(EffectKind::Fee)]);
        assert_eq!(decision.forbidden_by(), Some("test.2"), "{recipients}");
        assert!(decision.reason().contains("effect 2 of 2 (kind fee)"), "{}", decision.reason());
    }
}

#[test]
fn decide_on_too_many_effects_denies() {
    let policy = compile("permit (principal, action, resource);").unwrap();
    let sign = |count| ask_about(&policy, ALICE, &[], Action::Sign, vec![transfer(); count]);
    assert!(sign(MAX_EFFECTS).is_allowed());
    assert!(sign(MAX_EFFECTS + 1).reason().contains("4097 effects"));
}

#[test]
fn decide_about_a_freeze_takes_every_kind_of_resource() {
    let policy = compile(
        r#"permit (principal, action == Action::"freeze", resource == Daemon::"kmsignd");
           permit (principal, action == Action::"freeze", resource == Asset::"BTC");
           permit (principal, action == Action::"freeze", resource == Network::"BTC/testnet");
           permit (principal, action == Action::"freeze", resource == User::"alice") when { resource.uid == 1000 };
           permit (principal, action == Action::"freeze", resource in Asset::"LTC");"#,
    )
    .unwrap();
    let freeze = |resource| {
        let principal = Principal { uid: ALICE, groups: &[KMSIGN] };
        let question = Question { principal, action: Action::Freeze, resource, context: Context::Method("admin_freeze") };
        policy.decide(&question).is_allowed()
    };
    assert!(freeze(Resource::Daemon));
    assert!(freeze(Resource::Asset("BTC")) && !freeze(Resource::Asset("DOGE")));
    assert!(freeze(Resource::Network { asset: "BTC", network: "testnet" }));
    assert!(!freeze(Resource::Network { asset: "BTC", network: "mainnet" }));
    assert!(freeze(Resource::User(ALICE)) && !freeze(Resource::User(ALICE + 1)));
    assert!(freeze(Resource::Wallet(WalletFacts { asset: "LTC", ..WALLET })) && !freeze(Resource::Wallet(WALLET)));
}

#[test]
fn decide_meets_a_policy_wherever_its_scope_lists_it() {
    // Each form of scope, once with an entity that is met and once with one that is not.
    let scopes = [
        ("principal", "principal"),
        ("principal is User", "principal is User"),
        (r#"principal == User::"alice""#, r#"principal == User::"7""#),
        (r#"principal in User::"alice""#, r#"principal in User::"7""#),
        (r#"principal in Group::"kmsign""#, r#"principal in Group::"7""#),
        (r#"principal is User in Group::"kmsign""#, r#"principal is User in Group::"7""#),
    ];
    let resources = [
        ("resource", "resource"),
        ("resource is Wallet", "resource is Daemon"),
        (r#"resource in Asset::"BTC""#, r#"resource in Asset::"LTC""#),
        (r#"resource in Network::"BTC/testnet""#, r#"resource in Network::"BTC/mainnet""#),
        (r#"resource is Wallet in Asset::"BTC""#, r#"resource is Wallet in Asset::"LTC""#),
        (
            r#"resource == Wallet::"0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60""#,
            r#"resource == Wallet::"0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f61""#,
        ),
    ];
    let actions = [
        ("action", "action"),
        (r#"action == Action::"read""#, r#"action == Action::"delete""#),
        (r#"action in [Action::"audit", Action::"read"]"#, r#"action in [Action::"delete"]"#),
    ];
    let read = |policy: &Policy| {
        policy
            .decide(&Question {
                principal: Principal { uid: ALICE, groups: &[KMSIGN, KMSIGN_RAW] },
                action: Action::Read,
                resource: Resource::Wallet(WALLET),
                context: Context::Method("wallet_get"),
            })
            .is_allowed()
    };
    for principal in scopes {
        for action in actions {
            for resource in resources {
                for missed in 0..8 {
                    let pick = |(met, other): (&'static str, &'static str), bit: u32| {
                        if missed & bit == 0 { (met, true) } else { (other, false) }
                    };
                    let nothing_to_miss = [(principal, 1), (action, 2), (resource, 4)]
                        .iter()
                        .any(|((met, other), bit)| missed & bit != 0 && met == other);
                    if nothing_to_miss {
                        continue;
                    }
                    let (principal, action, resource) = (pick(principal, 1), pick(action, 2), pick(resource, 4));
                    let expected = principal.1 && action.1 && resource.1;
                    let scope = format!("({}, {}, {})", principal.0, action.0, resource.0);
                    // The same words as a condition, which Cedar evaluates.
                    let words = format!("{} && {} && {}", principal.0, action.0, resource.0);
                    let words = words.replace("principal &&", "true &&").replace("action &&", "true &&");
                    let words = if words.ends_with("resource") { words.replace("&& resource", "&& true") } else { words };
                    let conditional = compile(&format!("permit (principal, action, resource) when {{ {words} }};")).unwrap();
                    assert_eq!(read(&conditional), expected, "permit when {words}");

                    let permit = compile(&format!("permit {scope};")).unwrap();
                    assert_eq!(read(&permit), expected, "permit {scope}");
                    let forbid = compile(&format!("permit (principal, action, resource); forbid {scope};")).unwrap();
                    assert_eq!(read(&forbid), !expected, "forbid {scope}");
                }
            }
        }
    }
}

#[test]
fn compile_with_an_unknown_name_refuses_the_set() {
    for (text, name) in [
        (r#"permit (principal == User::"mallory", action, resource);"#, r#"User::"mallory""#),
        (r#"permit (principal, action, resource) when { principal in Group::"wheel" };"#, r#"Group::"wheel""#),
        (r#"forbid (principal, action, resource) unless { principal == User::"bob" };"#, r#"User::"bob""#),
        (r#"permit (principal == User::"007", action, resource);"#, r#"User::"007""#),
        (r#"permit (principal == User::"4294967296", action, resource);"#, r#"User::"4294967296""#),
        (r#"permit (principal == User::"", action, resource);"#, r#"User::"""#),
        (r#"permit (principal, action, resource == Wallet::"hot");"#, r#"Wallet::"hot""#),
        (r#"permit (principal, action, resource == Daemon::"kmsign");"#, r#"Daemon::"kmsign""#),
    ] {
        let error = refusal(text);
        assert!(error.starts_with("test.cedar: policy test.1 names ") && error.contains(name), "{error}");
    }
}

#[test]
fn compile_against_the_schema_refuses_what_does_not_fit_with_its_line() {
    for text in [
        "permit (principal, action == Action::\"sing\", resource);",
        "permit (principal == Person::\"alice\", action, resource);",
        "permit (principal, action == Action::\"sign\", resource)\nwhen { context.feee < 1 };",
        "permit (principal, action == Action::\"sign\", resource)\nwhen { context.fee < \"1\" };",
        "permit (principal, action == Action::\"sign\", resource)\nwhen { context.effect.kind == \"fee\" };",
        "permit (principal, action == Action::\"sign\", resource)\nwhen { resource.label == \"hot\" };",
        "permit (principal, action, resource)\nwhen { context.fee < 1 };",
    ] {
        let error = compile(&format!("// a comment\n{text}")).expect_err(text);
        assert!(matches!(error, PolicyError::Invalid(_)), "{text}: {error}");
        let line = if text.contains("\nwhen { ") { 3 } else { 2 };
        assert!(error.to_string().starts_with(&format!("test.cedar:{line}: ")), "{text}: {error}");
    }
    let error = compile("permit (principal, action, resource)\nwhen { 1 < };").unwrap_err();
    assert!(matches!(error, PolicyError::Syntax(_)) && error.to_string().starts_with("test.cedar:2: "), "{error}");
}

#[test]
fn compile_with_a_template_refuses_it() {
    let error = compile("permit (principal == ?principal, action, resource);").unwrap_err();
    assert!(matches!(error, PolicyError::Template { .. }), "{error}");
}

#[test]
fn compile_with_a_policy_that_never_applies_warns() {
    for text in [
        r#"permit (principal, action == Action::"read", resource) when { false };"#,
        r#"forbid (principal, action == Action::"sign", resource == Daemon::"kmsignd");"#,
    ] {
        let policy = compile(text).unwrap();
        assert!(!policy.warnings().is_empty(), "{text}");
        assert!(policy.warnings()[0].starts_with("test.cedar:1: "), "{:?}", policy.warnings());
    }
}

#[test]
fn compile_ids_come_from_file_and_annotation_or_place() {
    let sources = [
        source("b.cedar", r#"permit (principal, action == Action::"read", resource);"#),
        source("a.cedar", r#"@id("one") permit (principal, action, resource); permit (principal, action, resource);"#),
    ];
    let policy = Policy::compile(&sources, &resolve).unwrap();
    assert_eq!(policy.len(), 3);
    let decision = ask_about(&policy, ALICE, &[], Action::Read, vec![]);
    assert_eq!(decision.policies(), ["a.2", "a.one", "b.1"]);

    for (text, wanted) in [
        (r#"@id("x") permit (principal, action, resource); @id("x") forbid (principal, action, resource);"#, "test.x"),
        (r#"@id("2") permit (principal, action, resource); permit (principal, action, resource);"#, "test.2"),
    ] {
        let error = compile(text).unwrap_err();
        assert!(matches!(&error, PolicyError::DuplicateId { id, .. } if id == wanted), "{error}");
    }
    for bad in ["", "a b", "a\\nb", "é", &"x".repeat(65)] {
        let error = compile(&format!("@id(\"{bad}\") permit (principal, action, resource);")).unwrap_err();
        assert!(matches!(error, PolicyError::BadId { .. }), "{bad}: {error}");
    }
    let twice = [source("a.cedar", ""), source("a.cedar", "")];
    assert!(matches!(Policy::compile(&twice, &resolve), Err(PolicyError::DuplicateFile { .. })));
}

#[test]
fn compile_over_a_limit_is_refused() {
    let files: Vec<_> = (0..257).map(|i| source(&format!("{i}.cedar"), "")).collect();
    assert!(Policy::compile(&files[..256], &resolve).is_ok());
    assert!(matches!(Policy::compile(&files, &resolve), Err(PolicyError::TooManyFiles { got: 257 })));
    let long = format!("//{}", " ".repeat((1 << 20) - 1));
    assert!(matches!(compile(&long), Err(PolicyError::FileTooLarge { .. })));
    let many = "permit(principal,action,resource);".repeat(10_001);
    assert!(matches!(compile(&many), Err(PolicyError::TooManyPolicies { got: 10_001 })));
}

#[test]
fn digest_depends_on_names_texts_and_numbers_but_not_on_order() {
    let (a, b) = (source("a.cedar", PACKAGED), source("b.cedar", &dev_policy(ALICE)));
    let digest = |sources: &[Source]| Policy::compile(sources, &resolve).unwrap().digest().to_owned();
    let both = digest(&[a.clone(), b.clone()]);
    assert_eq!(both.len(), 64);
    assert_eq!(both, digest(&[b.clone(), a.clone()]));
    assert_ne!(both, digest(std::slice::from_ref(&a)));
    assert_ne!(both, digest(&[a.clone(), source("c.cedar", &b.text)]));
    assert_ne!(both, digest(&[a.clone(), source("b.cedar", &format!("{}\n", b.text))]));
    let renumbered = Policy::compile(&[a, b], &|kind, name| resolve(kind, name).map(|number| number + 1)).unwrap();
    assert_ne!(both, renumbered.digest());
}

#[test]
fn schema_actions_are_the_actions() {
    let (schema, warnings) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    assert_eq!(warnings.count(), 0);
    let mut in_schema: Vec<_> = schema.actions().map(|uid| uid.id().unescaped().to_owned()).collect();
    let mut in_code: Vec<_> = Action::ALL.iter().map(|action| action.as_str().to_owned()).collect();
    in_schema.sort();
    in_code.sort();
    assert_eq!(in_schema, in_code);
    for kind in EffectKind::ALL {
        assert!(SCHEMA.contains(&format!("{:?}", kind.as_str())), "{kind:?} is not named in the schema");
    }
}
