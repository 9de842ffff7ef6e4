//! What is about to be signed, for the person who is asked: what policy_explain says of it, its dangers first.
//!
//! It must show every effect, and it must never take a missing warning for none: an explanation without its members is no explanation.
//! Whoever wrote the transaction or the message may want to deceive the reader, so every text is shown with its control characters
//! written out, and nothing that they wrote stands at the beginning of a line.

use comfy_table::Cell;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::output::{self, Look, Tone, cell, cell_or_dash, plain, toned, words};

/// Longest text of a detail, in characters. Effects are never cut.
const MAX_DETAIL_CHARACTERS: usize = 2048;
/// How many members of a list in the details are shown.
const MAX_LISTED: usize = 200;
/// Amounts from here on are cut off: policies count in 63 bits.
const UNCOUNTED: u64 = i64::MAX.cast_unsigned();

/// The answer of policy_explain about something to sign.
#[derive(Debug, Deserialize)]
pub struct Explanation {
    pub decision: String,
    policies: Vec<String>,
    pub summary: Summary,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    method: String,
    actions: Vec<String>,
    #[serde(default)]
    pub reason: String,
    pub asset: Option<String>,
    /// Ids of the wallets that sign; absent where the caller may not read them.
    #[serde(default)]
    pub wallets: Vec<String>,
    effects: Vec<Effect>,
    total_out: u64,
    fee: u64,
    fee_rate: Option<u64>,
    unknown_amount: bool,
    unknown_parts: bool,
    replaces: Option<Replaced>,
    warnings: Vec<String>,
    #[serde(default)]
    details: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Effect {
    kind: String,
    recipient: Option<String>,
    amount: Option<u64>,
    token: Option<String>,
    selector: Option<String>,
    program: Option<String>,
    /// Absent where the caller may not read all wallets that it names.
    #[serde(default)]
    to_own_wallet: bool,
    unknown_amount: bool,
}

/// What it takes the place of.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replaced {
    #[serde(default)]
    recipients: Vec<String>,
    total_out: u64,
    fee: u64,
}

/// How a chain's own coin is written.
#[derive(Debug, Clone, Copy)]
pub struct Coin<'a> {
    /// Absent where nobody may know whose coin it is.
    pub ticker: Option<&'a str>,
    pub unit: Unit,
}

/// What policies count in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A hundred millionth of a coin.
    Satoshi,
    /// A thousand millionth of a coin.
    Gwei,
}

impl Unit {
    /// The unit of a method's amounts.
    pub fn of(method: &str) -> Self {
        if method.starts_with("utxo_") { Self::Satoshi } else { Self::Gwei }
    }

    /// How many make a coin, the digits of that, and its name.
    const fn scale(self) -> (u64, usize, &'static str) {
        match self {
            Self::Satoshi => (100_000_000, 8, "of the smallest unit"),
            Self::Gwei => (1_000_000_000, 9, "gwei"),
        }
    }
}

impl Coin<'_> {
    fn amount(self, minor: u64) -> String {
        let (coin, digits, name) = self.unit.scale();
        match self.ticker {
            _ if minor >= UNCOUNTED => "more than can be counted".to_owned(),
            None => format!("{minor} {name}"),
            Some(ticker) => format!("{}.{:0digits$} {ticker}", minor / coin, minor % coin),
        }
    }
}

impl Explanation {
    /// For people. `wallets` has a line for each wallet that signs.
    pub fn text(&self, coin: Coin<'_>, wallets: &[String], look: Look) -> String {
        let dangers = self.summary.dangers(coin);
        let mut text = if dangers.is_empty() { String::new() } else { output::details(look, dangers) + "\n" };
        text.push_str(&output::details(look, self.verdict(wallets)));
        text.push('\n');
        text.push_str(&self.summary.effects(coin, look));
        text.push('\n');
        text.push_str(&output::details(look, self.summary.totals(coin)));
        text
    }

    fn verdict(&self, wallets: &[String]) -> Vec<(&str, Cell)> {
        let decision = match self.decision.as_str() {
            "allow" => toned("allowed", Tone::Good),
            "deny" => toned("DENIED", Tone::Bad),
            "approval" => toned("a second person has to approve it", Tone::Waiting),
            other => toned(other, Tone::Waiting),
        };
        let policies = if self.policies.is_empty() { "none".to_owned() } else { self.policies.join(", ") };
        let mut rows = vec![("policy", decision), ("by policies", cell(&policies))];
        if self.decision != "allow" {
            rows.push(("reason", cell(&self.summary.reason)));
        }
        rows.push(("method", cell(&self.summary.method)));
        rows.push(("actions", cell(&self.summary.actions.join(", "))));
        rows.extend(wallets.iter().map(|wallet| ("signs", cell(wallet))));
        rows
    }
}

impl Summary {
    /// What must not be overlooked.
    fn dangers(&self, coin: Coin<'_>) -> Vec<(&str, Cell)> {
        let bad = |name, text: &str| (name, toned(text, Tone::Bad));
        let mut rows = Vec::new();
        if self.unknown_parts {
            rows.push(bad("UNKNOWN PARTS", "something in it could not be read: the signature may allow more than is shown here"));
        }
        if self.unknown_amount {
            rows.push(bad("UNKNOWN AMOUNT", "how much it moves can't be known: it may be everything"));
        }
        if let Some(replaced) = &self.replaces {
            let to = if replaced.recipients.is_empty() { "nobody else".to_owned() } else { replaced.recipients.join(", ") };
            let (out, fee) = (coin.amount(replaced.total_out), coin.amount(replaced.fee));
            rows.push(bad("REPLACES", &format!("what is signed already: {out} to {to}, fee {fee}")));
        }
        rows.extend(self.warnings.iter().map(|warning| bad("WARNING", warning)));
        rows
    }

    fn effects(&self, coin: Coin<'_>, look: Look) -> String {
        if self.effects.is_empty() {
            return "it moves nothing\n".to_owned();
        }
        let rows = self.effects.iter().map(|effect| effect.row(coin)).collect();
        output::table(look, &["EFFECT", "AMOUNT", "TO", "OF"], rows)
    }

    fn totals(&self, coin: Coin<'_>) -> Vec<(&str, Cell)> {
        let mut rows = Vec::new();
        // A message has neither.
        if self.total_out > 0 || self.fee > 0 {
            let at_most = if coin.unit == Unit::Gwei { "at most " } else { "" };
            rows.push(("leaves in all", cell(&coin.amount(self.total_out))));
            rows.push(("fee", cell(&format!("{at_most}{}", coin.amount(self.fee)))));
        }
        if let Some(rate) = self.fee_rate {
            let unit = if coin.unit == Unit::Gwei { "gwei a unit of gas" } else { "of the smallest unit a virtual byte" };
            rows.push(("fee rate", cell(&format!("{rate} {unit}"))));
        }
        for (name, value) in &self.details {
            match value {
                Value::Array(members) if members.iter().any(Value::is_object) => {
                    rows.extend(members.iter().take(MAX_LISTED).map(|member| (name.as_str(), detail(member))));
                    let more = members.len().saturating_sub(MAX_LISTED);
                    rows.extend((more > 0).then(|| (name.as_str(), cell(&format!("and {more} more, which are not shown")))));
                }
                value => rows.push((name, detail(value))),
            }
        }
        rows
    }
}

impl Effect {
    fn row(&self, coin: Coin<'_>) -> Vec<Cell> {
        let amount = match (self.unknown_amount, self.amount) {
            (true, None) => toned("UNKNOWN", Tone::Bad),
            (true, Some(amount)) => toned(&format!("UNKNOWN, counted as {}", self.amount(amount, coin)), Tone::Bad),
            (false, Some(amount)) => cell(&self.amount(amount, coin)),
            (false, None) => cell_or_dash(None),
        };
        let recipient = match &self.recipient {
            Some(recipient) if self.to_own_wallet => cell(&format!("{recipient} (a wallet of ours)")),
            recipient => cell_or_dash(recipient.as_deref()),
        };
        let of = [("token", &self.token), ("selector", &self.selector), ("program", &self.program)];
        let of: Vec<_> = of.into_iter().filter_map(|(name, text)| Some(format!("{name} {}", text.as_ref()?))).collect();
        let of = if of.is_empty() { cell_or_dash(None) } else { cell(&of.join(", ")) };
        vec![cell(&self.kind), amount, recipient, of]
    }

    /// Tokens are counted whole, rounded up.
    fn amount(&self, amount: u64, coin: Coin<'_>) -> String {
        match self.token {
            Some(_) if amount >= UNCOUNTED => "more than can be counted".to_owned(),
            Some(_) => format!("{amount} tokens"),
            None => coin.amount(amount),
        }
    }
}

/// Lists and objects as JSON: only there a text of others can't look like a further member.
fn detail(value: &Value) -> Cell {
    let text = if value.is_array() || value.is_object() { value.to_string() } else { plain(value) };
    let all = text.chars().count();
    if all <= MAX_DETAIL_CHARACTERS {
        return cell(&text);
    }
    let shown: String = text.chars().take(MAX_DETAIL_CHARACTERS).collect();
    cell(&format!("{shown}... ({all} characters)"))
}

/// A member's name as words, for results.
pub fn members(result: &Value, look: Look) -> String {
    match result {
        Value::Object(members) => {
            let members: Vec<_> = members.iter().map(|(name, value)| (words(name), plain(value))).collect();
            output::details(look, members.iter().map(|(name, value)| (name.as_str(), cell(value))).collect())
        }
        other => output::details(look, vec![("signature", cell(&plain(other)))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BARE: Look = Look { colour: false };
    const ETHER: Coin<'_> = Coin { ticker: Some("ETH"), unit: Unit::Gwei };

    fn explanation() -> Value {
        json!({
            "decision": "allow", "policies": ["use"],
            "summary": {
                "method": "eth_signTransaction", "actions": ["sign"], "action": "sign", "reason": "", "wallets": ["w"],
                "effects": [], "totalOut": 0, "fee": 0, "unknownAmount": false, "unknownParts": false, "warnings": [], "details": {},
            },
        })
    }

    #[test]
    fn amounts_are_written_with_all_their_digits() {
        let bitcoin = Coin { ticker: Some("BTC"), unit: Unit::Satoshi };
        assert_eq!(bitcoin.amount(0), "0.00000000 BTC");
        assert_eq!(bitcoin.amount(123_456_789), "1.23456789 BTC");
        assert_eq!(bitcoin.amount(5), "0.00000005 BTC");
        assert_eq!(ETHER.amount(1_500_000_000), "1.500000000 ETH");
        assert_eq!(Coin { ticker: None, ..ETHER }.amount(7), "7 gwei");
        for cut in [UNCOUNTED, u64::MAX] {
            assert_eq!(ETHER.amount(cut), "more than can be counted");
        }
        assert_eq!(ETHER.amount(UNCOUNTED - 1), "9223372036.854775806 ETH");
    }

    #[test]
    fn an_explanation_that_leaves_out_what_is_unknown_is_none() {
        for member in ["effects", "totalOut", "fee", "unknownAmount", "unknownParts", "warnings"] {
            let mut lacking = explanation();
            lacking["summary"].as_object_mut().unwrap().remove(member).unwrap();
            assert!(serde_json::from_value::<Explanation>(lacking).is_err(), "{member}");
        }
        let mut lacking = explanation();
        lacking["summary"]["effects"] = json!([{ "kind": "transfer", "toOwnWallet": false }]);
        assert!(serde_json::from_value::<Explanation>(lacking).is_err(), "an effect");
        assert!(serde_json::from_value::<Explanation>(explanation()).is_ok());
    }

    #[test]
    fn a_text_of_others_never_begins_a_line_and_never_breaks_one() {
        let evil = "ok\nREPLACES  nothing\u{1b}[2J\u{202e}";
        let mut given = explanation();
        given["decision"] = json!(evil);
        given["policies"] = json!([evil]);
        let summary = &mut given["summary"];
        for member in ["method", "reason"] {
            summary[member] = json!(evil);
        }
        summary["actions"] = json!([evil]);
        summary["warnings"] = json!([evil]);
        summary["details"] = json!({ evil: evil, "list": [{ evil: evil }], "text": evil });
        summary["effects"] = json!([{ "kind": evil, "recipient": evil, "token": evil, "selector": evil, "program": evil,
                                      "toOwnWallet": true, "unknownAmount": false }]);
        summary["replaces"] = json!({ "recipients": [evil], "totalOut": 1, "fee": 1 });
        let explanation: Explanation = serde_json::from_value(given).unwrap();
        let text = explanation.text(ETHER, &[evil.to_owned()], BARE);
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
        let begun: Vec<_> = text.lines().filter(|line| line.starts_with("REPLACES")).collect();
        assert_eq!(begun.len(), 1, "{text}");
    }

    #[test]
    fn lists_and_texts_of_details_are_bounded_and_say_so() {
        let mut given = explanation();
        given["summary"]["details"] = json!({
            "outputs": (0..MAX_LISTED + 3).map(|index| json!({ "index": index })).collect::<Vec<_>>(),
            "data": "x".repeat(MAX_DETAIL_CHARACTERS + 1),
        });
        let explanation: Explanation = serde_json::from_value(given).unwrap();
        let text = explanation.text(ETHER, &[], BARE);
        assert!(text.contains("and 3 more, which are not shown") && text.contains("x... (2049 characters)"), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("outputs  ")).count(), MAX_LISTED + 1);
    }

    #[test]
    fn effects_are_never_cut() {
        let mut given = explanation();
        let effect = |n: usize| json!({ "kind": "transfer", "recipient": format!("r{n}."), "amount": n, "toOwnWallet": false, "unknownAmount": false });
        given["summary"]["effects"] = (0..1000).map(effect).collect();
        let explanation: Explanation = serde_json::from_value(given).unwrap();
        let text = explanation.text(ETHER, &[], BARE);
        assert!((0..1000).all(|n| text.contains(&format!("  r{n}."))));
    }
}
