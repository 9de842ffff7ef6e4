//! Strict JSON: UTF-8, the whole grammar, each key once in its object, not nested too deep. Two parsers that read a duplicate key
//! differently would see two different requests. Pure; it proves a text and keeps nothing of it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Of a key that an error names.
const MAX_NAMED_CHARS: usize = 64;

/// Proves that a text is one value and nothing else. `max_depth` counts containers inside one another; at most 127 is honoured.
///
/// # Errors
/// The first fault, with its place.
pub fn check(text: &str, max_depth: usize) -> Result<(), serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    Strict { depth_left: max_depth, max_depth }.deserialize(&mut parser)?;
    parser.end()
}

/// Reads any value and keeps nothing of it.
#[derive(Clone, Copy)]
struct Strict {
    depth_left: usize,
    max_depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left, ..self }),
            None => Err(E::custom(format_args!("it is nested deeper than {} levels", self.max_depth))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Keys by which serde_json passes values to itself: one in a message would have its text read as JSON once more, unchecked.
const PRIVATE: &str = "$serde_json::private::";

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut keys = Keys::default();
        while let Some(key) = map.next_key_seed(Key)? {
            if key.starts_with(PRIVATE) {
                return Err(A::Error::custom("no key may begin with \"$serde_json::private::\""));
            }
            if let Err(twice) = keys.insert(key) {
                let named: String = twice.chars().take(MAX_NAMED_CHARS).collect();
                return Err(A::Error::custom(format_args!("the key {named:?} stands twice in one object")));
            }
            map.next_value_seed(inner)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while elements.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The keys of one object. Few are found faster by looking at each.
#[derive(Default)]
struct Keys<'de> {
    few: Vec<Cow<'de, str>>,
    more: HashSet<Cow<'de, str>>,
}

impl<'de> Keys<'de> {
    const FEW: usize = 8;

    /// Gives the key back if it is there already.
    fn insert(&mut self, key: Cow<'de, str>) -> Result<(), Cow<'de, str>> {
        if self.few.contains(&key) {
            return Err(key);
        }
        if self.few.len() < Self::FEW {
            self.few.push(key);
            return Ok(());
        }
        self.more.replace(key).map_or(Ok(()), Err)
    }
}

/// A key with its escapes resolved, borrowed if it has none.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn check_takes_one_strict_value() {
        for text in ["{}", " [1, \"a\", {\"a\": {\"a\": null}}] ", "\"a\"", "-1.5e3", "{\"a\":1,\"A\":1}"] {
            assert!(check(text, 4).is_ok(), "{text}");
        }
        let twice = check(r#"{"a":1,"\u0061":2}"#, 4).unwrap_err().to_string();
        assert!(twice.contains("the key \"a\" stands twice"), "{twice}");
        let nine: String = (0..9).map(|key| format!("\"{key}\":0,")).collect();
        for text in [
            "",
            "{} {}",
            "{\"a\":1,}",
            "[[[[[]]]]]",
            "01",
            "NaN",
            "{'a':1}",
            "\"\\ud800\"",
            "{\"$serde_json::private::RawValue\":\"1\"}",
            &format!("{{{nine}\"8\":0}}"),
        ] {
            assert!(check(text, 4).is_err(), "{text}");
        }
    }
}
