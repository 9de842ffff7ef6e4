//! What is about to be signed, for the person who is asked: what policy_explain says of it, its dangers first and last.
//!
//! It must show every effect, and it must never take a missing warning for none: an explanation without its members is no explanation.
//! Whoever wrote the transaction or the message may want to deceive the reader, so every text is shown with its control characters
//! written out, nothing that they wrote stands at the beginning of a line, and what must not be overlooked stands where the question is.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::layout::{Page, Row};
use super::output::{self, Look, Tone, cell, plain, words};

/// Longest text of a detail, in characters. Effects are never cut.
const MAX_DETAIL_CHARACTERS: usize = 2048;
/// How many members of a list in the details are shown.
const MAX_LISTED: usize = 200;
/// How many warnings are repeated before the question, and the longest of them, in characters: all must fit on 24 lines.
const MAX_REPEATED: usize = 3;
const MAX_REPEATED_CHARACTERS: usize = 120;
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
    /// A millionth of an XRP.
    Drop,
    /// A thousand millionth of a SOL.
    Lamport,
    /// A millionth of an ADA.
    Lovelace,
}

impl Unit {
    /// The unit of a method's amounts.
    pub fn of(method: &str) -> Self {
        match method.split_once('_') {
            Some(("utxo", _)) => Self::Satoshi,
            Some(("xrp", _)) => Self::Drop,
            Some(("sol", _)) => Self::Lamport,
            Some(("ada", _)) => Self::Lovelace,
            _ => Self::Gwei,
        }
    }

    /// How many make a coin, the digits of that, and its name.
    const fn scale(self) -> (u64, usize, &'static str) {
        match self {
            Self::Satoshi => (100_000_000, 8, "of the smallest unit"),
            Self::Gwei => (1_000_000_000, 9, "gwei"),
            Self::Drop => (1_000_000, 6, "drops"),
            Self::Lamport => (1_000_000_000, 9, "lamports"),
            Self::Lovelace => (1_000_000, 6, "lovelace"),
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

/// What policy_explain does not say of it.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub coin: Coin<'a>,
    /// A line for each wallet that signs.
    pub wallets: &'a [String],
    /// SHA-256 of the message, in hexadecimal, where it is one: two messages may look alike.
    pub message_sha256: Option<&'a str>,
}

impl Explanation {
    /// For people.
    pub fn text(&self, context: Context<'_>, page: Page) -> String {
        let Context { coin, wallets, message_sha256 } = context;
        let summary = &self.summary;
        let mut last = summary.totals(coin);
        last.extend(summary.detail_rows());
        last.extend(message_sha256.map(|digest| Row::new("SHA-256", digest)));
        let parts =
            [page.rows(&summary.dangers(coin)), page.rows(&self.verdict(wallets)), summary.effects(coin, page), page.rows(&last)];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }

    fn verdict(&self, wallets: &[String]) -> Vec<Row> {
        let decision = match self.decision.as_str() {
            "allow" => Row::new("policy", "allowed").toned(Tone::Good),
            "deny" => Row::new("policy", "DENIED").toned(Tone::Bad),
            "approval" => Row::new("policy", "a second person has to approve it").toned(Tone::Waiting),
            other => Row::new("policy", other).toned(Tone::Waiting),
        };
        let policies = if self.policies.is_empty() { "none".to_owned() } else { self.policies.join(", ") };
        let mut rows = vec![decision, Row::new("by policies", &policies)];
        if self.decision != "allow" {
            rows.push(Row::new("reason", &self.summary.reason));
        }
        rows.push(Row::new("method", &self.summary.method));
        rows.push(Row::new("actions", &self.summary.actions.join(", ")));
        rows.extend(wallets.iter().map(|wallet| Row::new("signs", wallet)));
        rows
    }
}

impl Summary {
    /// Whether a signature may do more than is shown.
    pub fn is_unknown(&self) -> bool {
        self.unknown_parts || self.unknown_amount()
    }

    fn unknown_amount(&self) -> bool {
        self.unknown_amount || self.effects.iter().any(|effect| effect.unknown_amount)
    }

    /// What must not be overlooked, the worst first.
    fn dangers(&self, coin: Coin<'_>) -> Vec<Row> {
        let warnings = self.warnings.iter().map(|warning| danger("WARNING", warning));
        self.grave_dangers(coin).into_iter().map(|(name, text)| danger(name, &text)).chain(warnings).collect()
    }

    fn grave_dangers(&self, coin: Coin<'_>) -> Vec<(&'static str, String)> {
        let mut dangers = Vec::new();
        if self.unknown_parts {
            let text = "something in it could not be read: the signature may allow more than is shown here";
            dangers.push(("UNKNOWN PARTS", text.to_owned()));
        }
        if self.unknown_amount() {
            dangers.push(("UNKNOWN AMOUNT", "how much it moves can't be known: it may be everything".to_owned()));
        }
        if let Some(replaced) = &self.replaces {
            let to = if replaced.recipients.is_empty() { "nobody else".to_owned() } else { replaced.recipients.join(", ") };
            let (out, fee) = (coin.amount(replaced.total_out), coin.amount(replaced.fee));
            dangers.push(("REPLACES", format!("what is signed already: {out}, fee {fee}, to {to}")));
        }
        dangers
    }

    /// What stands directly before the question, whatever scrolled away: the dangers once more, shortened and the worst last, and what it
    /// costs.
    pub fn before_the_question(&self, coin: Coin<'_>, page: Page) -> String {
        let more = self.warnings.len().saturating_sub(MAX_REPEATED);
        let mut rows: Vec<_> =
            (more > 0).then(|| danger("WARNING", &format!("and {more} more, shown above"))).into_iter().collect();
        let warnings = self.warnings.iter().take(MAX_REPEATED).map(|text| ("WARNING", text.clone()));
        let grave = self.grave_dangers(coin).into_iter().rev();
        rows.extend(warnings.chain(grave).map(|(name, text)| danger(name, &shortened(&text))));
        rows.extend(self.costs(coin));
        page.rows(&rows)
    }

    fn effects(&self, coin: Coin<'_>, page: Page) -> String {
        if self.effects.is_empty() {
            return "it moves nothing\n".to_owned();
        }
        let columns: Vec<_> = self.effects.iter().map(|effect| effect.columns(coin)).collect();
        page.table(&["EFFECT", "AMOUNT", "TO", "OF"], &columns)
            .unwrap_or_else(|| page.rows(&self.effects.iter().map(|effect| effect.row(coin)).collect::<Vec<_>>()))
    }

    fn costs(&self, coin: Coin<'_>) -> Vec<Row> {
        // A message has neither.
        if self.total_out == 0 && self.fee == 0 {
            return Vec::new();
        }
        // Where what is signed fixes it, it is what it is.
        let is_fixed = matches!(coin.unit, Unit::Satoshi | Unit::Drop);
        let at_most = if is_fixed { "" } else { "at most " };
        let fee = format!("{at_most}{}", coin.amount(self.fee));
        vec![Row::new("leaves in all", &coin.amount(self.total_out)), Row::new("fee", &fee)]
    }

    fn totals(&self, coin: Coin<'_>) -> Vec<Row> {
        let unit = if coin.unit == Unit::Gwei { "gwei a unit of gas" } else { "of the smallest unit a virtual byte" };
        let rate = self.fee_rate.map(|rate| Row::new("fee rate", &format!("{rate} {unit}")));
        self.costs(coin).into_iter().chain(rate).collect()
    }

    fn detail_rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (name, value) in &self.details {
            match value {
                Value::Array(members) if members.iter().any(Value::is_object) => {
                    rows.extend(members.iter().take(MAX_LISTED).map(|member| detail(name, member)));
                    let more = members.len().saturating_sub(MAX_LISTED);
                    rows.extend((more > 0).then(|| Row::new(name, &format!("and {more} more, which are not shown"))));
                }
                value => rows.push(detail(name, value)),
            }
        }
        rows
    }
}

fn danger(name: &str, text: &str) -> Row {
    Row::new(name, text).toned(Tone::Bad)
}

fn shortened(text: &str) -> String {
    if text.chars().nth(MAX_REPEATED_CHARACTERS).is_none() {
        return text.to_owned();
    }
    text.chars().take(MAX_REPEATED_CHARACTERS).chain("... (see above)".chars()).collect()
}

impl Effect {
    /// In a table.
    fn columns(&self, coin: Coin<'_>) -> Vec<(String, Option<Tone>)> {
        let dash = || "-".to_owned();
        let tone = self.unknown_amount.then_some(Tone::Bad);
        let of = self.of();
        vec![
            (self.kind.clone(), None),
            (self.amount(coin).unwrap_or_else(dash), tone),
            (self.to().unwrap_or_else(dash), None),
            (if of.is_empty() { dash() } else { of.join(", ") }, None),
        ]
    }

    /// Where there is no room for a table.
    fn row(&self, coin: Coin<'_>) -> Row {
        let mut lines = vec![self.amount(coin).unwrap_or_else(|| "-".to_owned())];
        lines.extend(self.to().map(|to| format!("to {to}")));
        lines.extend(self.of());
        let row = Row::of_lines(&self.kind, &lines);
        if self.unknown_amount { row.toned(Tone::Bad) } else { row }
    }

    fn amount(&self, coin: Coin<'_>) -> Option<String> {
        let amount = self.amount.map(|amount| self.counted(amount, coin));
        match (self.unknown_amount, amount) {
            (true, None) => Some("UNKNOWN".to_owned()),
            (true, Some(amount)) => Some(format!("UNKNOWN, counted as {amount}")),
            (false, amount) => amount,
        }
    }

    /// Tokens are counted whole, rounded up.
    fn counted(&self, amount: u64, coin: Coin<'_>) -> String {
        match self.token {
            Some(_) if amount >= UNCOUNTED => "more than can be counted".to_owned(),
            Some(_) => format!("{amount} tokens"),
            None => coin.amount(amount),
        }
    }

    fn to(&self) -> Option<String> {
        let recipient = self.recipient.as_ref()?;
        Some(if self.to_own_wallet { format!("{recipient} (a wallet of ours)") } else { recipient.clone() })
    }

    fn of(&self) -> Vec<String> {
        let of = [("token", &self.token), ("selector", &self.selector), ("program", &self.program)];
        of.into_iter().filter_map(|(name, text)| Some(format!("{name} {}", text.as_ref()?))).collect()
    }
}

/// Texts, lists and objects as JSON: only there a text of others can't look like a further member, or like another text.
fn detail(name: &str, value: &Value) -> Row {
    let cut = |text: &str| {
        let all = text.chars().count();
        let cut = (all > MAX_DETAIL_CHARACTERS).then(|| text.chars().take(MAX_DETAIL_CHARACTERS).collect::<String>());
        cut.map(|cut| (cut, format!("... ({all} characters)")))
    };
    match value {
        Value::String(text) => match cut(text) {
            Some((shown, behind)) => Row::quoted(name, &shown, &behind),
            None => Row::quoted(name, text, ""),
        },
        Value::Array(_) | Value::Object(_) => {
            let json = value.to_string();
            Row::new(name, &cut(&json).map_or(json, |(shown, behind)| shown + &behind))
        }
        value => Row::new(name, &plain(value)),
    }
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

    const PAGE: Page = Page { look: Look { colour: false }, columns: 80 };
    const ETHER: Coin<'_> = Coin { ticker: Some("ETH"), unit: Unit::Gwei };

    fn shown(explanation: &Explanation, wallets: &[String]) -> String {
        explanation.text(Context { coin: ETHER, wallets, message_sha256: None }, PAGE)
    }

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
        let coin = |ticker, method| Coin { ticker: Some(ticker), unit: Unit::of(method) }.amount(1_234_567_890);
        assert_eq!(coin("XRP", "xrp_signTransaction"), "1234.567890 XRP");
        assert_eq!(coin("SOL", "sol_signTransaction"), "1.234567890 SOL");
        assert_eq!(coin("ADA", "ada_signTransaction"), "1234.567890 ADA");
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
        let text = shown(&explanation, &[evil.to_owned()]);
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
        let text = shown(&explanation, &[]);
        assert!(text.contains("and 3 more, which are not shown") && text.contains("x\"... (2049 characters)"), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("outputs  ")).count(), MAX_LISTED + 1);
    }

    #[test]
    fn effects_are_never_cut() {
        let mut given = explanation();
        let effect = |n: usize| json!({ "kind": "transfer", "recipient": format!("r{n}."), "amount": n, "toOwnWallet": false, "unknownAmount": false });
        given["summary"]["effects"] = (0..1000).map(effect).collect();
        let explanation: Explanation = serde_json::from_value(given).unwrap();
        let text = shown(&explanation, &[]);
        assert!((0..1000).all(|n| text.contains(&format!("  r{n}."))));
    }

    #[test]
    fn what_stands_before_the_question_fits_on_a_screen_with_the_worst_at_its_end() {
        let mut given = explanation();
        let summary = &mut given["summary"];
        summary["warnings"] = (0..100).map(|n| json!(format!("warning {n} {}", "x".repeat(1000)))).collect();
        summary["replaces"] =
            json!({ "recipients": (0..100).map(|n| format!("recipient {n}")).collect::<Vec<_>>(), "totalOut": 1, "fee": 2 });
        summary["unknownParts"] = json!(true);
        summary["effects"] = json!([{ "kind": "call", "toOwnWallet": false, "unknownAmount": true }]);
        summary["fee"] = json!(3);
        let explanation: Explanation = serde_json::from_value(given).unwrap();
        assert!(explanation.summary.is_unknown());
        let text = explanation.summary.before_the_question(ETHER, PAGE);
        let begun: Vec<_> =
            text.lines().filter(|line| !line.starts_with("  ")).map(|line| line.split("  ").next().unwrap()).collect();
        let mut expected = vec!["WARNING"; 1 + MAX_REPEATED];
        expected.extend(["REPLACES", "UNKNOWN AMOUNT", "UNKNOWN PARTS", "leaves in all", "fee"]);
        assert_eq!(begun, expected, "{text}");
        assert!(text.contains("and 97 more") && text.contains("0.000000001 ETH, fee 0.000000002 ETH,\n"), "{text}");
        assert!(text.lines().count() < 24, "{text}");
    }

    #[test]
    fn an_unknown_amount_of_one_effect_is_one_of_the_whole() {
        let mut given = explanation();
        given["summary"]["effects"] = json!([{ "kind": "call", "toOwnWallet": false, "unknownAmount": true }]);
        let explanation: Explanation = serde_json::from_value(given).unwrap();
        assert!(explanation.summary.is_unknown() && shown(&explanation, &[]).contains("UNKNOWN AMOUNT"));
    }
}
