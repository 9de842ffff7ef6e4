//! Tags, aliases, and the tagging API's lookup, which is spoken by hand here.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use aws_sdk_kms::types::{KeySpec, Tag};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::http::request;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{ELSEWHERE, HERE, Kms, refused};

fn tag(key: impl Into<String>, value: impl Into<String>) -> anyhow::Result<Tag> {
    Ok(Tag::builder().tag_key(key).tag_value(value).build()?)
}

async fn tagged(kms: &Kms, tags: &[(&str, &str)]) -> anyhow::Result<String> {
    let tags = tags.iter().map(|(key, value)| tag(*key, *value)).collect::<anyhow::Result<Vec<_>>>()?;
    let created = kms.create(KeySpec::EccSecgP256K1).set_tags(Some(tags)).send().await?;
    super::arn(&created.key_metadata.context("no metadata")?)
}

async fn tags(kms: &Kms, key: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let answer = kms.here.list_resource_tags().key_id(key).send().await?;
    Ok(answer.tags().iter().map(|tag| (tag.tag_key.clone(), tag.tag_value.clone())).collect())
}

fn map(tags: &[(&str, &str)]) -> BTreeMap<String, String> {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub async fn create_key_with_tags_lists_them(kms: &Kms) -> anyhow::Result<()> {
    let wanted = [("kmsignd:wallet-id", "0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60"), ("asset", "BTC"), ("empty", "")];
    let key = tagged(kms, &wanted).await?;
    let got = tags(kms, &key).await?;
    ensure!(got == map(&wanted), "{got:?}");
    Ok(())
}

pub async fn create_key_with_a_tag_key_twice_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let create = kms.create(KeySpec::EccSecgP256K1).tags(tag("a", "1")?).tags(tag("a", "2")?);
    refused(create.send().await, &["TagException"])
}

pub async fn create_key_with_a_reserved_tag_key_is_refused(kms: &Kms) -> anyhow::Result<()> {
    refused(kms.create(KeySpec::EccSecgP256K1).tags(tag("aws:a", "1")?).send().await, &["TagException"])
}

pub async fn tag_resource_adds_and_replaces(kms: &Kms) -> anyhow::Result<()> {
    let key = tagged(kms, &[("a", "1"), ("b", "2")]).await?;
    kms.here.tag_resource().key_id(&key).tags(tag("b", "3")?).tags(tag("c", "4")?).send().await?;
    ensure!(tags(kms, &key).await? == map(&[("a", "1"), ("b", "3"), ("c", "4")]));
    Ok(())
}

pub async fn untag_resource_removes(kms: &Kms) -> anyhow::Result<()> {
    let key = tagged(kms, &[("a", "1"), ("b", "2")]).await?;
    kms.here.untag_resource().key_id(&key).tag_keys("a").tag_keys("unknown").send().await?;
    ensure!(tags(kms, &key).await? == map(&[("b", "2")]));
    Ok(())
}

pub async fn tag_resource_of_key_pending_deletion_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.secp256k1().await?;
    kms.here.schedule_key_deletion().key_id(&key).send().await?;
    refused(kms.here.tag_resource().key_id(&key).tags(tag("a", "1")?).send().await, &["KMSInvalidStateException"])
}

pub async fn list_resource_tags_pages_through_all(kms: &Kms) -> anyhow::Result<()> {
    let wanted = [("a", "1"), ("b", "2"), ("c", "3")];
    let key = tagged(kms, &wanted).await?;
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let page = kms.here.list_resource_tags().key_id(&key).limit(2).set_marker(marker).send().await?;
        ensure!(page.tags().len() <= 2, "a page has more than its limit");
        seen.extend(page.tags().iter().map(|tag| (tag.tag_key.clone(), tag.tag_value.clone())));
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    ensure!(seen.len() == 3 && seen.into_iter().collect::<BTreeMap<_, _>>() == map(&wanted));
    Ok(())
}

pub async fn get_resources_finds_the_key_by_all_its_filters(kms: &Kms) -> anyhow::Result<()> {
    let mark = uuid::Uuid::now_v7().to_string();
    let key = tagged(kms, &[("mark", &mark), ("kind", "one")]).await?;
    tagged(kms, &[("mark", &mark), ("kind", "two")]).await?;
    let by = |key: &str, values: &[&str]| json!({"Key": key, "Values": values});
    let find = async |filters: &[Value]| -> anyhow::Result<usize> {
        Ok(get_resources(kms, HERE, json!({"TagFilters": filters})).await?.len())
    };
    let found = get_resources(kms, HERE, json!({"TagFilters": [by("mark", &[&mark]), by("kind", &["one"])]})).await?;
    ensure!(found == BTreeMap::from([(key, map(&[("mark", &mark), ("kind", "one")]))]), "{found:?}");
    ensure!(find(&[by("mark", &[&mark])]).await? == 2);
    ensure!(find(&[by("mark", &[&mark]), by("kind", &["one", "two"])]).await? == 2, "any of the values");
    ensure!(find(&[by("mark", &[&mark]), by("kind", &[])]).await? == 2, "no value: any");
    ensure!(find(&[by("mark", &[&mark]), by("kind", &["three"])]).await? == 0);
    ensure!(find(&[by("mark", &[&mark]), by("unknown", &[])]).await? == 0);
    Ok(())
}

pub async fn get_resources_finds_nothing_of_another_type_or_region(kms: &Kms) -> anyhow::Result<()> {
    let mark = uuid::Uuid::now_v7().to_string();
    tagged(kms, &[("mark", &mark)]).await?;
    let filters = json!([{"Key": "mark", "Values": [mark]}]);
    let of_type = |kind: &str| json!({"TagFilters": filters, "ResourceTypeFilters": [kind]});
    ensure!(get_resources(kms, HERE, of_type("kms:key")).await?.len() == 1);
    ensure!(get_resources(kms, HERE, of_type("kms")).await?.len() == 1);
    ensure!(get_resources(kms, HERE, of_type("s3:bucket")).await?.is_empty());
    ensure!(get_resources(kms, ELSEWHERE, of_type("kms:key")).await?.is_empty());
    Ok(())
}

pub async fn get_resources_pages_through_all(kms: &Kms) -> anyhow::Result<()> {
    let mark = uuid::Uuid::now_v7().to_string();
    let mut wanted = BTreeSet::new();
    for _ in 0..3 {
        wanted.insert(tagged(kms, &[("mark", &mark)]).await?);
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let input = json!({"TagFilters": [{"Key": "mark"}], "ResourcesPerPage": 1, "PaginationToken": token});
        let (status, page) = post(&kms.url, GET_RESOURCES, Some(HERE), &input).await?;
        let list = page["ResourceTagMappingList"].as_array().with_context(|| format!("{status} {page}"))?;
        ensure!(list.len() <= 1, "a page has more than its limit");
        seen.extend(list.iter().filter_map(|mapping| mapping["ResourceARN"].as_str().map(str::to_owned)));
        token = page["PaginationToken"].as_str().unwrap_or_default().to_owned();
        if token.is_empty() {
            break;
        }
    }
    let distinct: BTreeSet<_> = seen.iter().cloned().collect();
    ensure!(distinct.len() == seen.len() && wanted.is_subset(&distinct), "{seen:?}");
    Ok(())
}

pub async fn list_aliases_names_the_key_until_deleted(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.key(KeySpec::EccSecgP256K1).await?.key_id;
    let alias = format!("alias/list-{key}");
    kms.here.create_alias().alias_name(&alias).target_key_id(&key).send().await?;
    let listed = kms.here.list_aliases().key_id(&key).send().await?;
    let [entry] = listed.aliases() else { bail!("{listed:?}") };
    ensure!(entry.alias_name.as_ref() == Some(&alias) && entry.target_key_id.as_ref() == Some(&key), "{entry:?}");
    kms.here.delete_alias().alias_name(&alias).send().await?;
    ensure!(kms.here.list_aliases().key_id(&key).send().await?.aliases().is_empty());
    refused(kms.here.describe_key().key_id(&alias).send().await, &["NotFoundException"])
}

pub async fn create_alias_twice_is_refused(kms: &Kms) -> anyhow::Result<()> {
    let key = kms.key(KeySpec::EccSecgP256K1).await?.key_id;
    let alias = format!("alias/twice-{key}");
    kms.here.create_alias().alias_name(&alias).target_key_id(&key).send().await?;
    refused(kms.here.create_alias().alias_name(&alias).target_key_id(&key).send().await, &["AlreadyExistsException"])
}

const GET_RESOURCES: &str = "ResourceGroupsTaggingAPI_20170126.GetResources";

/// What GetResources finds: ARNs with their tags.
pub async fn get_resources(kms: &Kms, region: &str, input: Value) -> anyhow::Result<BTreeMap<String, BTreeMap<String, String>>> {
    let (status, answer) = post(&kms.url, GET_RESOURCES, Some(region), &input).await?;
    ensure!(status == 200, "{status} {answer}");
    let list = answer["ResourceTagMappingList"].as_array().context("no list")?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("not a text");
    let mapping = |mapping: &Value| {
        let tags = mapping["Tags"].as_array().context("no Tags")?;
        let tags = tags.iter().map(|tag| Ok((text(&tag["Key"])?, text(&tag["Value"])?)));
        Ok((text(&mapping["ResourceARN"])?, tags.collect::<anyhow::Result<_>>()?))
    };
    list.iter().map(mapping).collect()
}

/// One AWS JSON request without the SDK: status and body. Neither server checks signatures; `region` goes into the scope.
pub async fn post(url: &str, target: &str, region: Option<&str>, input: &Value) -> anyhow::Result<(u16, Value)> {
    let mut request = Request::post("/").header("x-amz-target", target).header("content-type", "application/x-amz-json-1.1");
    if let Some(region) = region {
        let service = if target == GET_RESOURCES { "tagging" } else { "kms" };
        let scope = format!("test/20260101/{region}/{service}/aws4_request");
        let value = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00");
        request = request.header("authorization", value);
    }
    send(url, request, input.to_string()).await
}

/// One HTTP request on a connection of its own. A body that is not JSON comes back as null.
pub async fn send(url: &str, request: request::Builder, body: String) -> anyhow::Result<(u16, Value)> {
    let address = url.strip_prefix("http://").context("not an http URL")?.trim_end_matches('/');
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let request = request.header("host", address).body(Full::<Bytes>::from(body))?;
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}
