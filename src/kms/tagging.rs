//! Keys by their tags: the only file that names `aws_sdk_resourcegroupstagging`. It finds a key whose CreateKey answer was lost,
//! and the keys of this deployment, through filters; the account is never scanned.
//!
//! The tagging API knows only the caller's own account and Region, and lags behind KMS: what it does not show may exist, and
//! the tags it shows may be old. So nothing is adopted on its word alone.
//!
//! Source: <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>

use aws_config::SdkConfig;
use aws_sdk_resourcegroupstagging::Client;
use aws_sdk_resourcegroupstagging::types::TagFilter;

use super::aws::attempted;
use super::{Attempt, TaggedKey, TaggedPage};
use crate::ids::KeyArn;

/// The tagging API's own maximum.
const KEYS_PER_PAGE: i32 = 100;

/// The tagging API of one Region.
pub(super) struct Tagging(Client);

impl Tagging {
    /// Makes no request.
    pub fn new(shared: &SdkConfig, endpoint_url: Option<&str>) -> Self {
        let mut config = aws_sdk_resourcegroupstagging::config::Builder::from(shared);
        if let Some(url) = endpoint_url {
            // As for KMS: an endpoint of its own can't be combined with another kind of endpoint.
            config = config.endpoint_url(url).use_fips(false).use_dual_stack(false);
        }
        Self(Client::from_conf(config.build()))
    }

    /// One page of the keys with this tag.
    pub async fn keys_with_tag(&self, name: &str, value: &str, page: Option<&str>) -> Attempt<TaggedPage> {
        let request = self
            .0
            .get_resources()
            .resource_type_filters("kms:key")
            .tag_filters(TagFilter::builder().key(name).values(value).build())
            .resources_per_page(KEYS_PER_PAGE)
            .set_pagination_token(page.map(ToOwned::to_owned));
        attempted(request.send().await, |output| {
            let mut keys = Vec::new();
            for found in output.resource_tag_mapping_list() {
                // Whatever is not a key's ARN is no key that could be used.
                let Some(arn) = found.resource_arn().and_then(|arn| arn.parse::<KeyArn>().ok()) else { continue };
                let tags = found.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
                keys.push(TaggedKey { arn, tags });
            }
            let next = output.pagination_token().filter(|token| !token.is_empty()).map(ToOwned::to_owned);
            Some(TaggedPage { keys, next })
        })
    }
}
