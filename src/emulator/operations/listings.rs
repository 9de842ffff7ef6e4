//! ListKeys, ListAliases, ListResourceTags and the tagging API's GetResources: whatever comes in pages.

use serde::{Deserialize, Serialize};

use super::super::errors::KmsError;
use super::super::keys::{Key, Tags, arn_prefix};
use super::tags::Tag;
use super::{Done, Request, check_range};
use crate::ids::KeyArn;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PageInput {
    key_id: Option<String>,
    limit: Option<u64>,
    marker: Option<String>,
}

impl PageInput {
    fn limit(&self, default: usize, max: u64) -> Result<usize, KmsError> {
        let Some(limit) = self.limit else { return Ok(default) };
        check_range("Limit", limit, 1..=max)?;
        Ok(usize::try_from(limit).unwrap_or(usize::MAX))
    }
}

/// Cuts `items` to `limit` and says where the next page starts, which is behind the last item's name.
fn page<T>(mut items: Vec<T>, limit: usize, name: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let more = items.len() > limit;
    items.truncate(limit);
    let marker = items.last().filter(|_| more).map(name);
    (items, marker)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListKeysAnswer {
    keys: Vec<KeyListEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyListEntry {
    key_id: String,
    key_arn: KeyArn,
}

pub(super) fn list_keys(request: &Request) -> Result<Done, KmsError> {
    let input: PageInput = request.input()?;
    let limit = input.limit(100, 1000)?;
    let entry = |key: &Key| Some(KeyListEntry { key_id: key.id().to_owned(), key_arn: key.arn.clone() });
    let after = input.marker.as_deref();
    let keys = request.keys.select(request.region, after, limit.saturating_add(1), request.moment(), entry);
    let (keys, next_marker) = page(keys, limit, |entry| entry.key_id.clone());
    Done::answer(None, &ListKeysAnswer { keys, truncated: next_marker.is_some(), next_marker })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListAliasesAnswer {
    aliases: Vec<AliasListEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AliasListEntry {
    alias_name: String,
    alias_arn: String,
    target_key_id: String,
}

pub(super) fn list_aliases(request: &Request) -> Result<Done, KmsError> {
    let input: PageInput = request.input()?;
    let limit = input.limit(50, 100)?;
    let key = input.key_id.as_deref().map(|reference| request.key(reference)).transpose()?;
    let wanted = |name: &String, arn: &KeyArn| {
        input.marker.as_ref().is_none_or(|marker| name > marker) && key.as_ref().is_none_or(|key| key.arn == *arn)
    };
    let aliases = request.keys.aliases(request.region).into_iter().filter(|(name, arn)| wanted(name, arn));
    let prefix = arn_prefix(request.region);
    let entries = aliases.map(|(alias_name, arn)| AliasListEntry {
        alias_arn: format!("{prefix}{alias_name}"),
        alias_name,
        target_key_id: arn.key_id().to_owned(),
    });
    let (aliases, next_marker) = page(entries.collect(), limit, |entry| entry.alias_name.clone());
    Done::answer(key, &ListAliasesAnswer { aliases, truncated: next_marker.is_some(), next_marker })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListResourceTagsAnswer {
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

pub(super) fn list_resource_tags(request: &Request) -> Result<Done, KmsError> {
    let input: PageInput = request.input()?;
    let limit = input.limit(50, 50)?;
    let key = request.key(input.key_id.as_deref().ok_or_else(|| KmsError::validation("KeyId is missing"))?)?;
    let tags = Tag::list(&key.tags).into_iter().filter(|tag| input.marker.as_ref().is_none_or(|marker| tag.tag_key > *marker));
    let (tags, next_marker) = page(tags.collect(), limit, |tag| tag.tag_key.clone());
    Done::answer(Some(key), &ListResourceTagsAnswer { tags, truncated: next_marker.is_some(), next_marker })
}

/// Source: <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetResourcesInput {
    #[serde(default)]
    pagination_token: String,
    #[serde(default)]
    tag_filters: Vec<TagFilter>,
    resources_per_page: Option<u64>,
    #[serde(default)]
    resource_type_filters: Vec<String>,
    #[serde(default, rename = "ResourceARNList")]
    resource_arn_list: Vec<String>,
}

/// Matches a key that has the tag with one of the values; with any value if there are none.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagFilter {
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

impl TagFilter {
    fn matches(&self, tags: &Tags) -> bool {
        tags.get(&self.key).is_some_and(|value| self.values.is_empty() || self.values.contains(value))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetResourcesAnswer {
    /// Empty on the last page.
    pagination_token: String,
    resource_tag_mapping_list: Vec<ResourceTagMapping>,
}

#[derive(Serialize)]
struct ResourceTagMapping {
    #[serde(rename = "ResourceARN")]
    resource_arn: KeyArn,
    #[serde(rename = "Tags")]
    tags: Vec<TaggingTag>,
}

/// A tag as the tagging API writes it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaggingTag {
    key: String,
    value: String,
}

pub(super) fn get_resources(request: &Request) -> Result<Done, KmsError> {
    let input: GetResourcesInput = request.input()?;
    let per_page = input.resources_per_page.unwrap_or(50);
    if !(1..=100).contains(&per_page) || input.tag_filters.len() > 50 {
        return Err(KmsError::new("InvalidParameterException", "ResourcesPerPage is 1 to 100, and TagFilters has at most 50"));
    }
    let limit = usize::try_from(per_page).unwrap_or(usize::MAX);
    let types = &input.resource_type_filters;
    let keys_wanted = types.is_empty() || types.iter().any(|filter| filter == "kms" || filter == "kms:key");
    let mapping = |key: &Key| {
        let tags = key.indexed_tags(request.now, request.lags);
        let arns = &input.resource_arn_list;
        let matches = !tags.is_empty()
            && input.tag_filters.iter().all(|filter| filter.matches(tags))
            && (arns.is_empty() || arns.iter().any(|arn| arn == key.arn.as_str()));
        matches.then(|| ResourceTagMapping {
            resource_arn: key.arn.clone(),
            tags: tags.iter().map(|(key, value)| TaggingTag { key: key.clone(), value: value.clone() }).collect(),
        })
    };
    let after = Some(input.pagination_token.as_str()).filter(|token| !token.is_empty());
    let found = if keys_wanted {
        request.keys.select(request.region, after, limit.saturating_add(1), request.moment(), mapping)
    } else {
        Vec::new()
    };
    let (list, token) = page(found, limit, |mapping| mapping.resource_arn.key_id().to_owned());
    Done::answer(None, &GetResourcesAnswer { pagination_token: token.unwrap_or_default(), resource_tag_mapping_list: list })
}
