//! `kmsign sign` on a terminal: what stands there when the question does, and that nothing but an answer to it signs.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::sign::{TRANSACTION, allowing, document, ether, explained, methods, signing};
use super::{Fake, Seat, WALLET_ID, wallet};

const QUESTION: &str = "Sign this? [y/N] ";
const GRAVE_QUESTION: &str = "Sign this, which may do more than is shown? Type the word yes: ";

/// A payment with so many outputs that its beginning scrolls away.
fn long(method: &str) -> Value {
    let mut found = explained(method, "allow");
    let output = |n: u64| json!({ "kind": "transfer", "recipient": format!("bc1q{n:0>38}"), "amount": n, "toOwnWallet": false, "unknownAmount": false });
    found["summary"]["effects"] = (0..100).map(output).collect();
    found["summary"]["asset"] = json!("BTC");
    found
}

fn sign_psbt(fake: &Fake) -> Seat {
    let file = document(fake, b"psbt\xff\x00\x01");
    Seat::sit(fake, 80, "", &["sign", "psbt", &file, "--asset", "BTC", "--request-id", "r"])
}

/// What a terminal of 24 lines shows at this question.
fn screenful(shown: &str, question: &str) -> String {
    let before = shown.split(question).next().unwrap();
    let lines: Vec<_> = before.lines().collect();
    lines[lines.len().saturating_sub(23)..].join("\n")
}

#[test]
fn dangers_and_costs_stand_where_the_question_does() {
    let dangerous = |method: &str| {
        let mut found = long(method);
        let summary = &mut found["summary"];
        summary["unknownParts"] = json!(true);
        summary["unknownAmount"] = json!(true);
        summary["warnings"] = json!(["the fee is a tenth of what is sent"]);
        summary["replaces"] = json!({ "recipients": ["bc1qother"], "totalOut": 5, "fee": 1 });
        found
    };
    for (answer, signs) in [("y", false), ("", false), ("yes", true)] {
        let fake = signing(wallet(), dangerous, json!({ "psbt": "cHNidP8=" }));
        let mut seat = sign_psbt(&fake);
        assert!(seat.sees(GRAVE_QUESTION));
        seat.types(answer);
        let (ran, shown) = seat.ends();
        assert_eq!((ran.code, methods(&fake).contains(&"utxo_signPsbt".to_owned())), (i32::from(!signs), signs), "{shown}");
        let screen = screenful(&shown, GRAVE_QUESTION);
        assert!(shown.contains("UNKNOWN PARTS") && shown.matches("WARNING").count() == 2, "{shown}");
        insta::allow_duplicates!(insta::assert_snapshot!(screen.split("\n\n").last().unwrap(), @r"
        WARNING         the fee is a tenth of what is sent
        REPLACES        what is signed already: 0.00000005 BTC, fee 0.00000001 BTC,
                        | to bc1qother
        UNKNOWN AMOUNT  how much it moves can't be known: it may be everything
        UNKNOWN PARTS   something in it could not be read: the signature may allow
                        | more than is shown here
        leaves in all   15.00000000 BTC
        fee             0.02100000 BTC
        "));
    }
}

#[test]
fn costs_stand_where_the_question_does_without_dangers_too() {
    let fake = signing(wallet(), long, json!({ "psbt": "cHNidP8=" }));
    let mut seat = sign_psbt(&fake);
    assert!(seat.sees(QUESTION));
    seat.types("y");
    let (ran, shown) = seat.ends();
    assert_eq!(ran.code, 0, "{shown}");
    let before = "\n\nleaves in all  15.00000000 BTC\nfee            0.02100000 BTC\n";
    assert!(shown.contains(&format!("{before}{QUESTION}")), "{shown}");
}

/// The terminal breaks what is wider than it is.
fn as_broken(shown: &str, columns: usize) -> Vec<String> {
    let lines = shown.lines().flat_map(|line| {
        let letters: Vec<_> = line.chars().collect();
        letters.chunks(columns).map(|chunk| chunk.iter().collect()).collect::<Vec<String>>()
    });
    lines.collect()
}

#[test]
fn no_text_of_others_begins_a_line_of_the_terminal() {
    for (told, columns) in [(80, 80), (61, 61), (0, 80), (132, 132)] {
        for many in [0, 40, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 77, 80, 120, 126, 132, 140, 300] {
            let evil = format!("{}{QUESTION}y {}leaves in all  0.1 ETH", "m".repeat(many), " ".repeat(many));
            let showing = move |method: &str| {
                let mut found = explained(method, "allow");
                found["summary"]["details"] = json!({ "text": evil, "nested": { "deep": [evil] }, "list": [{ "a": evil }] });
                found["summary"]["warnings"] = json!([evil]);
                found["summary"]["effects"][0]["recipient"] = json!(evil);
                found
            };
            let mut one = ether();
            one["label"] = json!(format!("{}{QUESTION}", "l".repeat(many)));
            let fake = signing(one, showing, json!("0x11"));
            let file = document(&fake, "x");
            let line = ["sign", "message", &file, "--wallet", WALLET_ID, "--request-id", "r"];
            let mut seat = Seat::sit(&fake, told, "", &line);
            // Where it begins a line, or never.
            assert!(seat.sees(&format!("\n{QUESTION}")));
            seat.types("y");
            let (ran, shown) = seat.ends();
            assert_eq!(ran.code, 0, "{shown}");
            let lines = as_broken(&shown, columns);
            let begun = |with: &str| lines.iter().filter(|line| line.starts_with(with)).count();
            assert_eq!((begun("Sign this?"), begun("leaves in all")), (1, 2), "{columns}: {shown}");
            assert!(!shown.contains("    leaves in all"), "{shown}");
        }
    }
}

#[test]
fn a_terminal_that_is_too_narrow_is_not_asked_on() {
    let fake = allowing(ether(), json!({ "raw": "0x02f8" }));
    let file = document(&fake, TRANSACTION);
    let (ran, shown) = Seat::sit(&fake, 39, "", &["sign", "evm", &file]).ends();
    assert_eq!((ran.code, fake.calls().len()), (64, 0), "{shown}");
    assert!(shown.contains("too narrow"), "{shown}");
}

/// A daemon whose explanation is another one each time: the first, the second, ...; the last for good.
fn changing(explanations: Vec<Value>) -> Fake {
    let asked = AtomicUsize::new(0);
    let last = explanations.len() - 1;
    let explain = move |_: &str| explanations[asked.fetch_add(1, Ordering::SeqCst).min(last)].clone();
    signing(ether(), explain, json!({ "raw": "0x02f8" }))
}

fn changed(change: impl Fn(&mut Value)) -> Value {
    let mut found = explained("eth_signTransaction", "allow");
    change(&mut found["summary"]);
    found
}

#[test]
fn what_changed_while_the_question_stood_is_shown_and_asked_again() {
    let first = || changed(|_| ());
    let replacing = || changed(|summary| summary["replaces"] = json!({ "recipients": ["0xaa"], "totalOut": 5, "fee": 1 }));
    let newer = || changed(|summary| summary["somethingNew"] = json!(1));
    for (then, told, answers, signs) in [
        (vec![first(), replacing()], "REPLACES", &["y", "y"][..], true),
        (vec![first(), replacing()], "REPLACES", &["y", "n"], false),
        (vec![first(), newer()], "policy ", &["y", "y"], true),
        (vec![first(), replacing(), first()], "REPLACES", &["y", "y", "y"], true),
    ] {
        let fake = changing(then);
        let file = document(&fake, TRANSACTION);
        let mut seat = Seat::sit(&fake, 80, "", &["sign", "evm", &file, "--request-id", "r"]);
        for (n, answer) in answers.iter().enumerate() {
            if n == 1 {
                assert!(seat.sees("CHANGED since it was shown") && seat.sees(told));
            }
            assert!(seat.sees(QUESTION));
            seat.types(answer);
        }
        let (ran, shown) = seat.ends();
        assert_eq!((ran.code, ran.out.contains("0x02f8")), (i32::from(!signs), signs), "{shown}");
        let calls = methods(&fake);
        assert_eq!(calls.iter().filter(|method| *method == "eth_signTransaction").count(), usize::from(signs), "{calls:?}");
        assert_eq!(shown.matches(QUESTION).count(), answers.len(), "{shown}");
    }
}

#[test]
fn what_is_no_longer_permitted_is_not_signed() {
    let fake = changing(vec![explained("eth_signTransaction", "allow"), explained("eth_signTransaction", "deny")]);
    let file = document(&fake, TRANSACTION);
    let mut seat = Seat::sit(&fake, 80, "", &["sign", "evm", &file]);
    assert!(seat.sees(QUESTION));
    seat.types("y");
    let (ran, shown) = seat.ends();
    assert_eq!((ran.code, methods(&fake).contains(&"eth_signTransaction".to_owned())), (77, false), "{shown}");
}

#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    for before in ["y\n", "yes\ny\ny\ny\n", "y", "\u{4}y\n"] {
        let fake = allowing(ether(), json!({ "raw": "0x02f8" }));
        let file = document(&fake, TRANSACTION);
        let mut seat = Seat::sit(&fake, 80, before, &["sign", "evm", &file]);
        assert!(seat.sees(QUESTION));
        seat.types("");
        let (ran, shown) = seat.ends();
        assert_eq!((ran.code, methods(&fake).contains(&"eth_signTransaction".to_owned())), (1, false), "{before:?}: {shown}");
    }
}

/// What is behind the longest answer is not the next one's.
#[test]
fn the_rest_of_a_long_answer_is_no_answer() {
    let fake = changing(vec![changed(|_| ()), changed(|summary| summary["fee"] = json!(1))]);
    let file = document(&fake, TRANSACTION);
    let mut seat = Seat::sit(&fake, 80, "", &["sign", "evm", &file]);
    assert!(seat.sees(QUESTION));
    seat.types(&format!("y{}y", " ".repeat(1023)));
    assert!(seat.sees("CHANGED") && seat.sees(QUESTION));
    seat.types("n");
    let (ran, shown) = seat.ends();
    assert_eq!((ran.code, methods(&fake).contains(&"eth_signTransaction".to_owned())), (1, false), "{shown}");
}

#[test]
fn different_messages_look_different() {
    let texts = ["", "-", "a\nb", "a\\nb", "a", "a ", "a\u{fe0f}", "a\u{34f}", "a\u{3164}", "a\u{2800}", "a\u{3000}"];
    let mut seen = std::collections::BTreeMap::new();
    for text in texts {
        let showing = move |method: &str| {
            let mut found = explained(method, "allow");
            let summary = found["summary"].as_object_mut().unwrap();
            summary.remove("feeRate");
            summary.extend(
                [("details", json!({ "text": text })), ("totalOut", json!(0)), ("fee", json!(0))]
                    .map(|(name, value)| (name.to_owned(), value)),
            );
            found
        };
        let fake = signing(ether(), showing, json!("0x11"));
        let file = document(&fake, text);
        let ran = fake.run(&["sign", "message", &file, "--exact", "--wallet", WALLET_ID, "--yes", "--request-id", "r"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let line = |name: &str| ran.err.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(line("text ").is_ascii(), "{}", ran.err);
        assert_eq!(seen.insert(line("text "), text), None, "{}", ran.err);
        assert_eq!(seen.insert(line("SHA-256 "), text), None, "{}", ran.err);
    }
    // FIPS 180-4: the digest of no bytes.
    let nothing = "SHA-256  e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(seen[nothing], "");
}
