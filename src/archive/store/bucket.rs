//! A bucket of an S3-compatible object store.
//!
//! What is relied on: whatever was answered with success is durable and seen by every later request (Amazon S3 promises so since
//! December 2020, and so do MinIO, Ceph and Cloudflare R2), and a PUT is there whole or not at all. `If-None-Match: *` keeps a
//! new object from replacing another where the store knows that header; the names are nobody else's anyway.
//!
//! **No request is repeated.** One that got no answer may have been carried out: its batch ends, and the next sweep finds out what is
//! there and begins anew, under another name.
//!
//! **What is removed is gone** in a bucket with versions too: each version is removed by its id, where a plain DELETE would hide the
//! object and keep it. A store that refuses that (a lock on the object, a permission that is missing) refuses the removal, and says so.

use std::{io::Read, sync::Arc, time::Duration};

use rusty_s3::{Credentials, S3Action as _, UrlStyle};
use ureq::{
    Agent, Body,
    http::Response,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{super::Error, Files};
use crate::{
    config::{self, BucketSettings},
    fault,
    policy::ArchivePlace,
};

/// How long a request is good for once it is signed; clocks may differ by some minutes.
const SIGNED_FOR: Duration = Duration::from_mins(15);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A request and its answer, some megabytes of rows among them.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);
/// What is read of an answer that says what is wrong.
const LONGEST_COMPLAINT: u64 = 1 << 16;
/// The largest object that is read: S3's own limit for one PUT.
const LARGEST: u64 = 5 << 30;

/// The bucket, the prefix of the archive in it, and how it is spoken to.
pub(super) struct Bucket {
    place: ArchivePlace,
    /// Ends with a slash, or is empty.
    prefix: String,
    bucket: rusty_s3::Bucket,
    credentials: Credentials,
    agent: Agent,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bucket({})", self.place)
    }
}

impl Bucket {
    pub(super) fn new(place: &ArchivePlace, prefix: &str, settings: &BucketSettings) -> Result<Self, Error> {
        let unusable = |message: String| Error::Unusable { place: place.to_string(), message };
        let style = if settings.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let bucket = rusty_s3::Bucket::new(settings.endpoint.clone(), style, settings.name.clone(), settings.region.clone())
            .map_err(|error| unusable(format!("its endpoint {}: {error}", settings.endpoint)))?;
        let secret = std::str::from_utf8(settings.secret_access_key.expose())
            .map_err(|_| unusable("its `secret_access_key` is not text".to_owned()))?;
        Ok(Self {
            place: place.clone(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            bucket,
            credentials: Credentials::new(settings.access_key_id.clone(), secret),
            agent: agent(settings).map_err(unusable)?,
        })
    }

    fn key(&self, file: &str) -> String {
        format!("{}{file}", self.prefix)
    }

    fn name(&self, file: &str) -> String {
        format!("{}/{file}", self.place.as_str().trim_end_matches('/'))
    }

    fn put(&self, file: &str, bytes: &[u8], is_new: bool) -> Result<(), Error> {
        let key = self.key(file);
        let mut action = self.bucket.put_object(Some(&self.credentials), &key);
        if is_new {
            action.headers_mut().insert("if-none-match", "*");
        }
        let mut request = self.agent.put(action.sign(SIGNED_FOR).as_str());
        if is_new {
            request = request.header("if-none-match", "*");
        }
        self.answered("write", file, request.send(bytes)).map(drop)
    }

    /// `None`: there is no such object. Else the version that is removed to remove it; an empty one where there are no versions.
    fn version(&self, file: &str) -> Result<Option<String>, Error> {
        let key = self.key(file);
        let action = self.bucket.head_object(Some(&self.credentials), &key);
        match self.answered("look at", file, self.agent.head(action.sign(SIGNED_FOR).as_str()).call()) {
            Ok(answer) => {
                let version = answer.headers().get("x-amz-version-id").and_then(|id| id.to_str().ok());
                Ok(Some(version.unwrap_or_default().to_owned()))
            }
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The keys below a prefix, or the folders if `folders`; without the prefix.
    fn list(&self, below: &str, folders: bool) -> Result<Vec<String>, Error> {
        let prefix = self.key(below);
        let (mut names, mut next): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
            action.with_prefix(prefix.clone());
            if folders {
                action.with_delimiter("/");
            }
            if let Some(next) = &next {
                action.with_continuation_token(next.clone());
            }
            let mut answer = self.answered("list", below, self.agent.get(action.sign(SIGNED_FOR).as_str()).call())?;
            let unread = |why: String| Error::Unusable { place: self.place.to_string(), message: format!("its list can't be read: {why}") };
            let text = answer.body_mut().read_to_string().map_err(|error| unread(error.to_string()))?;
            let listed = rusty_s3::actions::ListObjectsV2::parse_response(&text).map_err(|error| unread(error.to_string()))?;
            let found = match folders {
                true => listed.common_prefixes.into_iter().map(|folder| folder.prefix).collect::<Vec<_>>(),
                false => listed.contents.into_iter().map(|object| object.key).collect(),
            };
            names.extend(found.iter().filter_map(|key| Some(key.strip_prefix(&prefix)?.trim_end_matches('/').to_owned())));
            next = listed.next_continuation_token;
            if next.is_none() {
                return Ok(names.into_iter().filter(|name| !name.is_empty()).collect());
            }
        }
    }

    /// An answer of success; else what the store or the network says. Nothing that was sent is in it.
    fn answered(&self, what: &'static str, file: &str, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Error> {
        let unusable = |message: String| Error::Unusable { place: self.place.to_string(), message };
        let mut answer = answer.map_err(|error| unusable(format!("can't {what} {}: {error}", self.name(file))))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.body_mut().with_config().limit(LONGEST_COMPLAINT).read_to_string().unwrap_or_default();
        let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code.to_owned());
        if status.as_u16() == 404 && code.as_deref() != Some("NoSuchBucket") {
            return Err(Error::Missing { path: self.name(file).into() });
        }
        let said = code.map_or_else(String::new, |code| format!(" ({code})"));
        Err(unusable(format!("can't {what} {}: the store answers {status}{said}{}", self.name(file), way_out(status.as_u16()))))
    }
}

/// What helps.
fn way_out(status: u16) -> &'static str {
    match status {
        301 | 307 | 400 => "; see to `region` and `endpoint`",
        401 | 403 => "; see to the access key and to what it may do (docs/archive.md has the policy)",
        404 => "; make the bucket, or mend its name",
        _ => "",
    }
}

/// The client: it follows no redirect and repeats nothing.
fn agent(settings: &BucketSettings) -> Result<Agent, String> {
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    if settings.endpoint.scheme() == "https" {
        let found = rustls_native_certs::load_native_certs();
        roots.extend(found.certs.iter().map(|der| Certificate::from_der(der).to_owned()));
        if let Some(path) = &settings.ca_file {
            let own = config::certificates_of(path).map_err(|why| format!("its `ca_file`: {why}"))?;
            roots.extend(own.iter().map(|der| Certificate::from_der(der).to_owned()));
        }
    }
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Ok(Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT_WITHIN))
        .timeout_global(Some(ANSWER_WITHIN))
        .user_agent(concat!("retentiond/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build()
        .into())
}

impl Files for Bucket {
    fn examine(&self) -> Result<(), Error> {
        let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
        action.with_prefix(self.prefix.clone());
        action.with_max_keys(1);
        self.answered("list", "", self.agent.get(action.sign(SIGNED_FOR).as_str()).call()).map(drop)
    }

    fn caution(&self) -> Option<String> {
        (self.bucket.base_url().scheme() == "http")
            .then(|| format!("rows travel to the archive {} in plain text: `endpoint` is no https address", self.place))
    }

    fn create(&self, file: &str, bytes: &[u8]) -> Result<(), Error> {
        self.put(file, bytes, true)
    }

    fn open(&self, file: &str) -> Result<Box<dyn Read>, Error> {
        let key = self.key(file);
        let action = self.bucket.get_object(Some(&self.credentials), &key);
        let answer = self.answered("read", file, self.agent.get(action.sign(SIGNED_FOR).as_str()).call())?;
        Ok(Box::new(answer.into_body().into_with_config().limit(LARGEST).reader()))
    }

    fn exists(&self, file: &str) -> Result<bool, Error> {
        Ok(self.version(file)?.is_some())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        let mut bytes = Vec::new();
        self.open(from)?.read_to_end(&mut bytes).map_err(Error::io("read", self.name(from)))?;
        self.put(to, &bytes, false)?;
        fault::point("archive.twice");
        self.remove(from)
    }

    fn remove(&self, file: &str) -> Result<(), Error> {
        let key = self.key(file);
        // Below a version that is removed by its id the one before comes to light.
        while let Some(version) = self.version(file)? {
            let mut action = self.bucket.delete_object(Some(&self.credentials), &key);
            if !version.is_empty() {
                action.query_mut().insert("versionId", version);
            }
            self.answered("remove", file, self.agent.delete(action.sign(SIGNED_FOR).as_str()).call())?;
        }
        Ok(())
    }

    fn files_of(&self, rule: &str) -> Result<Vec<String>, Error> {
        self.list(&format!("{rule}/"), false)
    }

    fn rules(&self) -> Result<Vec<String>, Error> {
        let mut rules = Vec::new();
        for policy in self.list("", true)? {
            rules.extend(self.list(&format!("{policy}/"), true)?.into_iter().map(|rule| format!("{policy}/{rule}")));
        }
        Ok(rules)
    }
}
