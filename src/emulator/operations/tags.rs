//! TagResource, UntagResource, CreateAlias, DeleteAlias.

use serde::{Deserialize, Serialize};

use super::super::errors::KmsError;
use super::super::keys::{Key, Tags};
use super::{Done, Request};

/// A tag as KMS writes it. (The tagging API has other member names.)
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub tag_key: String,
    pub tag_value: String,
}

impl Tag {
    pub fn list(tags: &Tags) -> Vec<Self> {
        tags.iter().map(|(key, value)| Self { tag_key: key.clone(), tag_value: value.clone() }).collect()
    }
}

/// Tags of one request: each key once.
///
/// Source: <https://docs.aws.amazon.com/kms/latest/developerguide/tagging-keys.html>
pub(super) fn checked_tags(list: Vec<Tag>) -> Result<Tags, KmsError> {
    let refused = |message: String| Err(KmsError::new("TagException", message));
    let mut tags = Tags::new();
    for Tag { tag_key, tag_value } in list {
        if !(1..=128).contains(&tag_key.chars().count()) || tag_value.chars().count() > 256 {
            return Err(KmsError::validation("TagKey must have 1 to 128 characters and TagValue at most 256"));
        }
        if !tag_key.chars().chain(tag_value.chars()).all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)) {
            return refused(format!("the tag {tag_key} has a character that tags can't have"));
        }
        if tag_key.to_ascii_lowercase().starts_with("aws:") {
            return refused("tag keys that begin with aws: are reserved".to_owned());
        }
        if tags.insert(tag_key, tag_value).is_some() {
            return refused("a tag key is given twice".to_owned());
        }
    }
    checked_count(tags)
}

fn checked_count(tags: Tags) -> Result<Tags, KmsError> {
    if tags.len() > 50 {
        return Err(KmsError::new("LimitExceededException", "a key has at most 50 tags"));
    }
    Ok(tags)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagResourceInput {
    key_id: String,
    tags: Vec<Tag>,
}

pub(super) fn tag_resource(request: &Request) -> Result<Done, KmsError> {
    let input: TagResourceInput = request.input()?;
    let added = checked_tags(input.tags)?;
    change_tags(request, &input.key_id, |tags| tags.extend(added))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UntagResourceInput {
    key_id: String,
    tag_keys: Vec<String>,
}

pub(super) fn untag_resource(request: &Request) -> Result<Done, KmsError> {
    let input: UntagResourceInput = request.input()?;
    change_tags(request, &input.key_id, |tags| tags.retain(|key, _| !input.tag_keys.contains(key)))
}

fn change_tags(request: &Request, reference: &str, change: impl FnOnce(&mut Tags)) -> Result<Done, KmsError> {
    let mut changes = request.keys.changes();
    let mut key = Key::clone(&*request.living_key(reference)?);
    let mut tags = key.tags.clone();
    change(&mut tags);
    key.set_tags(request.now, checked_count(tags)?);
    changes.put(key).map(Done::nothing)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateAliasInput {
    alias_name: String,
    target_key_id: String,
}

pub(super) fn create_alias(request: &Request) -> Result<Done, KmsError> {
    let CreateAliasInput { alias_name, target_key_id } = request.input()?;
    let name = alias_name.strip_prefix("alias/").unwrap_or_default();
    let valid = !name.is_empty() && alias_name.len() <= 256 && !name.starts_with("aws/");
    if !valid || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte)) {
        return Err(KmsError::new("InvalidAliasNameException", "an alias is alias/ and then A-Z a-z 0-9 / _ -"));
    }
    let mut changes = request.keys.changes();
    if request.keys.aliases(request.region).contains_key(&alias_name) {
        return Err(KmsError::new("AlreadyExistsException", format!("{alias_name} already exists.")));
    }
    let mut key = Key::clone(&*request.living_key(&target_key_id)?);
    key.aliases.insert(alias_name);
    changes.put(key).map(Done::nothing)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteAliasInput {
    alias_name: String,
}

pub(super) fn delete_alias(request: &Request) -> Result<Done, KmsError> {
    let DeleteAliasInput { alias_name } = request.input()?;
    if !alias_name.starts_with("alias/") {
        return Err(KmsError::validation("AliasName must begin with alias/"));
    }
    let mut changes = request.keys.changes();
    let mut key = Key::clone(&*request.key(&alias_name)?);
    key.aliases.remove(&alias_name);
    changes.put(key).map(Done::nothing)
}
