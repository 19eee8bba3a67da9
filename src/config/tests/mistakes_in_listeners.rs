//! What is said of `[http] socket` and `tls`.

use super::mistakes::{Case::Added, assert_mistakes};

#[test]
fn mistakes_in_listeners() {
    let long = format!("[http]\nsocket = \"/run/{}.sock\"\n", "a".repeat(100));
    assert_mistakes(
        "mistakes_in_listeners",
        &[
            Added("[http]\nsocket = \"\"\nsocket_mode = \"0770\"\n"),
            Added("[http]\nsocket_mode = \"0600\"\n"),
            Added(long.leak()),
            Added("[http]\nsocket = \"api.sock\"\ntls = { certificate_file = \"api.crt\", key_file = \"api.key\" }\n"),
            Added("[http]\ntls = true\n"),
            Added("[http.tls]\ncertificate = \"api.crt\"\nkey_file = \"api.key\"\n"),
            // What is there, and holds no certificate.
            Added("[http.tls]\ncertificate_file = \"retentiond.toml\"\nkey_file = \"nowhere/api.key\"\n"),
        ],
    );
}
