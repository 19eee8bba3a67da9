//! `retentiond.toml` as a JSON Schema: `retentiond schema config`.
//!
//! That no key is missing here, and none too many, is tested against the reader. A new key is a line here.

use serde_json::Value;

use super::{
    file::{ACTS, MOST_WORKERS},
    http::ROLES,
    listener::SOCKET_MODES,
    tls::MODES,
};
use crate::{
    diagnostic::schema::{Key, any, boolean, document, duration, integer, key, list, named, pattern, table, text, word},
    policy::schema::{guards, limits},
};

/// The schema of the configuration.
pub fn schema() -> Value {
    document("retentiond configuration", table(&["rules"], top()))
}

fn top() -> Vec<Key> {
    vec![
        key("rules", "Rule files, relative to this file", list(text())),
        key("timezone", "IANA name of the zone of periods and schedules, unless a rule says otherwise", text()),
        key("state", "retentiond's own database: holds, ledger, history, leases", table(&[], address())),
        key("http", "Where the daemon listens, and who may ask it", table(&[], http())),
        key(
            "access",
            "Who may act",
            table(&[], vec![key("acts", "Where acts may come from: everywhere, or the API alone", word(ACTS.map(|(word, _)| word)))]),
        ),
        key("keys", "Secrets that rules name; never sent to a server", named(table(&[], secret()))),
        key("buckets", "How the buckets are reached that archives are in, by their names", named(table(&[], bucket()))),
        key("sources", "The connected databases", named(table(&[], source()))),
        key("defaults", "For rules that don't say", table(&[], defaults())),
    ]
}

fn http() -> Vec<Key> {
    let token = vec![
        key("name", "Who acts with it, in the ledger", text()),
        key("roles", "What it is good for", list(word(ROLES.map(|(role, _)| role)))),
        key("hash", "What `retentiond token new` printed: not the token itself", pattern("^sha256:[0-9a-f]{64}$")),
        key("expires", "When it ends: RFC 3339", text()),
    ];
    let pair = vec![
        key("certificate_file", "The listener's certificate, and those between it and its authority (PEM)", text()),
        key("key_file", "Its private key (PEM)", text()),
    ];
    vec![
        key("listen", "Address and port: \"127.0.0.1:9464\"", text()),
        key("socket", "A Unix socket, beside `listen` or instead of it", text()),
        key("socket_mode", "Who may connect to it", word(SOCKET_MODES.map(|(mode, _)| mode))),
        key("tls", "What protects the way to `listen`", table(&["certificate_file", "key_file"], pair)),
        key("tokens", "Who may ask", list(table(&["name", "roles", "hash"], token))),
    ]
}

fn address() -> Vec<Key> {
    vec![
        key("url", "The address; one with a password belongs in a file", text()),
        key("url_file", "A file that holds the address", text()),
        key("url_env", "An environment variable that holds the address", text()),
        key("url_credential", "A credential of systemd that holds the address", text()),
        key("tls", "What protects the way to the server", table(&[], tls())),
    ]
}

fn tls() -> Vec<Key> {
    vec![
        key(
            "mode",
            "What less to ask for than that the server is verified, as it is on another machine",
            word(MODES.map(|(mode, _)| mode)),
        ),
        key("ca_file", "Authorities that are trusted besides the system's (PEM)", text()),
        key("certificate_file", "A certificate for the server to verify (PEM)", text()),
        key("key_file", "Its private key (PEM)", text()),
    ]
}

fn secret() -> Vec<Key> {
    vec![
        key("file", "A file that holds the secret", text()),
        key("env", "An environment variable that holds the secret", text()),
        key("credential", "A credential of systemd that holds the secret", text()),
    ]
}

fn bucket() -> Vec<Key> {
    vec![
        key("endpoint", "The object store's address; left out: Amazon's of the region", text()),
        key("region", "The bucket's region: \"us-east-1\"", text()),
        key("path_style", "The bucket's name is in the path of addresses, and not in their host", boolean()),
        key("ca_file", "Authorities that are trusted besides the system's (PEM)", text()),
        key("access_key_id", "The access key's name", text()),
        key("access_key_id_file", "A file that holds it", text()),
        key("access_key_id_env", "An environment variable that holds it", text()),
        key("access_key_id_credential", "A credential of systemd that holds it", text()),
        key("secret_access_key_file", "A file that holds the secret key", text()),
        key("secret_access_key_env", "An environment variable that holds the secret key", text()),
        key("secret_access_key_credential", "A credential of systemd that holds the secret key", text()),
    ]
}

fn source() -> Vec<Key> {
    let mut keys = address();
    keys.extend([
        key("workspace", "Schema (PostgreSQL), database (MariaDB) or table prefix (SQLite) of retentiond's own tables", text()),
        key("naive_timestamps", "Zone of dates, and of timestamps that carry none", text()),
        key("window", "When sweeps may run: \"01:00-05:30\"", pattern("^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$")),
        key(
            "replicas",
            "Whose lag a sweep waits for: \"auto\", \"none\", or the replicas' addresses",
            any(vec![word(["auto", "none"]), list(table(&[], address()))]),
        ),
        key("limits", "How gently it is treated", table(&[], source_limits())),
    ]);
    keys
}

fn source_limits() -> Vec<Key> {
    let mut keys = limits();
    keys.extend([
        key("lock_timeout", "The longest wait for a lock", duration()),
        key("statement_timeout", "The longest statement", duration()),
        key("max_replica_lag", "A sweep waits while a replica is further behind", duration()),
        key("workers", "So many processes may sweep one table at once", integer(1, MOST_WORKERS)),
    ]);
    keys
}

fn defaults() -> Vec<Key> {
    let mut keys = vec![
        key("schedule", "When rules are swept: cron, five fields, or six with seconds", text()),
        key("hold_cool_down", "After the release of a hold, before its rows can go", text()),
    ];
    keys.extend(guards());
    keys
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, path::Path};

    use super::*;
    use crate::{
        config::file::File,
        diagnostic::{
            SourceFile,
            fields::{Fields, Reader, assert_said},
        },
    };

    #[test]
    fn it_has_exactly_the_keys_that_are_read() {
        let text = "[state]\n[access]\n[http]\n[[http.tokens]]\n[keys.k]\n[buckets.b]\n[sources.s]\nreplicas = [{}]\n[sources.s.tls]\n[sources.s.limits]\n[defaults]\n";
        let (file, found) = (SourceFile::new("retentiond.toml", text), RefCell::default());
        let (reader, document) = Reader::parse(&file, text, &found);
        File::read(&Fields::new(reader, "the configuration", 0..0, document.get_ref()), Path::new("."));
        let source = "/properties/sources/additionalProperties";
        assert_said(
            &schema(),
            &[
                ("the configuration", ""),
                ("`state`", "/properties/state"),
                ("`http`", "/properties/http"),
                ("the token", "/properties/http/properties/tokens/items"),
                ("`access`", "/properties/access"),
                ("the key `k`", "/properties/keys/additionalProperties"),
                ("the bucket `b`", "/properties/buckets/additionalProperties"),
                ("the source `s`", source),
                ("the replica", &format!("{source}/properties/replicas/anyOf/1/items")),
                ("`tls`", &format!("{source}/properties/tls")),
                ("`limits`", &format!("{source}/properties/limits")),
                ("`defaults`", "/properties/defaults"),
            ],
        );
    }
}
