//! `[buckets.NAME]`: how the buckets are reached that archives are in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use ::url::Url;

use super::{
    address::{access_key_id, secret_access_key},
    tls,
};
use crate::{diagnostic::fields::Fields, secret::Key};

/// The region of a store that has none, and Amazon's first.
const REGION: &str = "us-east-1";

/// The buckets of the configuration, by name.
pub type Buckets = BTreeMap<String, BucketSettings>;

/// How a bucket is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSettings {
    pub name: String,
    pub endpoint: Url,
    pub region: String,
    /// The bucket's name stands in the path of an address, and not in its host.
    pub path_style: bool,
    pub access_key_id: String,
    pub secret_access_key: Key,
    /// Authorities that are trusted besides the system's (PEM).
    pub ca_file: Option<PathBuf>,
}

/// `[buckets.NAME]`; `None` only if a mistake was reported.
pub(super) fn bucket(name: &str, fields: &Fields<'_>, base_dir: &Path) -> Option<BucketSettings> {
    let written = fields.parsed("endpoint", endpoint);
    let region = fields.words("region").map_or_else(|| REGION.to_owned(), |region| region.value);
    // Whoever names an endpoint runs a store in which buckets seldom have hosts of their own.
    let path_style = fields.boolean("path_style").map_or(written.is_some(), |flag| flag.value);
    let ca_file = fields.words("ca_file");
    let ca = ca_file.as_ref().map(|path| base_dir.join(&path.value));
    if let (Some(at), Some(path)) = (&ca_file, &ca)
        && let Err(why) = tls::certificates_of(path)
    {
        fields.reader.report(fields.reader.error("unusable-certificate", &at.span, format!("can't use {}: {why}", path.display())));
    }
    let (access_key_id, secret_access_key) = (access_key_id(fields, base_dir), secret_access_key(fields, base_dir));
    fields.finish();
    let endpoint = written.map(|at| at.value).or_else(|| Url::parse(&format!("https://s3.{region}.amazonaws.com")).ok());
    Some(BucketSettings {
        name: name.to_owned(),
        endpoint: endpoint?,
        region,
        path_style,
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
        ca_file: ca,
    })
}

fn endpoint(text: &str) -> Result<Url, String> {
    let like = "write it like \"https://s3.example.com\"";
    let url = Url::parse(text).map_err(|error| format!("not an address ({error}); {like}"))?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "https" | "http") || !is_plain || url.host_str().is_none() {
        return Err(format!("an endpoint is an https address without user, question mark and `#`; {like}"));
    }
    Ok(url)
}
