//! Manifests and chart: rendered by kustomize and Helm themselves, validated, loaded as they are mounted, and compared.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{DOCKERFILE, VERSION, image_user, read, root, said, tool};
use crate::support::binary::{self, Folder, Run};

const OVERLAYS: &str = "deploy/kubernetes/overlays";
const FILES: [&str; 2] = ["retentiond.toml", "rules-accounts.toml"];
/// The overlays, and where the state of each is.
const STATES: [(&str, &str); 2] = [("single", "sqlite:/var/lib/retentiond/"), ("replicated", "secrets/state")];

/// What kustomize makes of an overlay.
fn render(overlay: &str) -> Vec<Value> {
    let rendered = binary::run(tool("kubectl").arg("kustomize").arg(root().join(OVERLAYS).join(overlay))).expect(0);
    assert!(!rendered.stderr.contains("deprecated"), "{rendered:#?}");
    documents(&rendered.stdout)
}

/// The documents of a text in YAML, but empty ones.
fn documents(yaml: &str) -> Vec<Value> {
    let folder = Folder::new("");
    let file = folder.write("rendered.yaml", yaml);
    let script = "import json, sys, yaml; json.dump([d for d in yaml.safe_load_all(open(sys.argv[1])) if d], sys.stdout)";
    let documents = binary::run(tool("python3").args(["-c", script]).arg(file)).expect(0).json();
    documents.as_array().expect("documents").clone()
}

/// What Helm's own engine makes of the chart with these values, after it found nothing to object to.
fn helm(values: &Value) -> Run {
    let script = "
import json, sys
from helm_python import chart
path, values = sys.argv[1], json.loads(sys.argv[2])
report = chart.lint(path, values, strict=True)
assert not report['errors'] and all(message['severity'] < 2 for message in report['messages']), report
rendered = chart.Chart.load(path).render(values, name='retentiond', namespace='retentiond')
print('\\n---\\n'.join(text for name, text in rendered.items() if name.endswith('.yaml')))";
    binary::run(tool("python3").args(["-c", script]).arg(root().join("deploy/helm/retentiond")).arg(values.to_string()))
}

fn one<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    let mut of_kind = documents.iter().filter(|document| document["kind"] == kind);
    let document = of_kind.next().unwrap_or_else(|| panic!("a {kind}"));
    assert!(of_kind.next().is_none(), "one {kind}");
    document
}

/// Checks every document against the schemas of the oldest and the newest Kubernetes that there are any of, but the kinds of
/// Prometheus Operator, whose schemas nobody has offline.
fn validate(documents: &[Value]) {
    let folder = Folder::new("");
    let own =
        documents.iter().filter(|document| !document["apiVersion"].as_str().is_some_and(|of| of.starts_with("monitoring.coreos.com/")));
    // JSON is YAML.
    let files: Vec<PathBuf> = own.enumerate().map(|(n, document)| folder.write(&format!("{n}.yaml"), &document.to_string())).collect();
    for version in ["1.33", "1.37"] {
        let validated = binary::run(tool("kubernetes-validate").args(["--strict", "-k", version]).args(&files)).expect(0);
        let passed = format!("{}{}", validated.stdout, validated.stderr).matches(" passed ").count();
        assert_eq!(passed, files.len(), "{validated:#?}");
    }
    // It would say so.
    let mut wrong = one(documents, "StatefulSet").clone();
    wrong["spec"]["replica"] = Value::from(1);
    let file = folder.write("wrong.yaml", &wrong.to_string());
    assert_ne!(binary::run(tool("kubernetes-validate").args(["--strict", "-k", "1.37"]).arg(file)).status, Some(0));
}

/// Loads a ConfigMap as its volume lays it out: `..data` leads to a folder with a time in its name, and each file there.
fn load(map: &Value, state: &str) {
    let folder = Folder::new("");
    let mounted = folder.path().join("mounted");
    fs::create_dir_all(mounted.join("..2026_01_01")).expect("a folder");
    symlink("..2026_01_01", mounted.join("..data")).expect("a link");
    let secrets = folder.path().join("secrets");
    folder.write("secrets/app", "postgres://retentiond:secret@db.example.com/app\n");
    folder.write("secrets/state", "postgres://retentiond:secret@db.example.com/retentiond\n");
    for (name, text) in map["data"].as_object().expect("files") {
        let text = text.as_str().expect("text").replace("/run/secrets/retentiond", secrets.to_str().expect("UTF-8"));
        assert!(name != "retentiond.toml" || text.contains(state), "{text}");
        fs::write(mounted.join("..data").join(name), text).expect("a file");
        symlink(Path::new("..data").join(name), mounted.join(name)).expect("a link");
    }
    let config = mounted.join("retentiond.toml");
    let checked = folder.run([OsStr::new("check"), "--offline".as_ref(), "--config".as_ref(), config.as_os_str()]).expect(0);
    assert!(checked.stderr.starts_with("1 rules and 1 sources are valid") && !checked.stderr.contains("warning"), "{checked:#?}");
}

#[test]
fn the_manifests_are_valid_and_agree_with_each_other() {
    for (overlay, state) in STATES {
        agree(&render(overlay), overlay, state);
    }
}

/// The chart makes the same choices as the manifests: what differs are labels, and how a change of the configuration shows.
#[test]
fn the_chart_makes_what_the_overlays_make() {
    let of_replicated: Value = FILES.iter().map(|name| (*name, read(&format!("{OVERLAYS}/replicated/{name}")))).collect();
    let values = [json!({}), json!({ "replicas": 2, "files": of_replicated })];
    for ((overlay, state), values) in STATES.into_iter().zip(values) {
        let ours = documents(&helm(&values).expect(0).stdout);
        agree(&ours, overlay, state);
        let theirs = render(overlay);
        assert_eq!(ours.len() + 1, theirs.len(), "all but the namespace");
        for document in &ours {
            let kind = document["kind"].as_str().expect("a kind");
            let alike = |documents: &[Value]| comparable(one(documents, kind), &one(documents, "ConfigMap")["metadata"]["name"]);
            assert_eq!(alike(&ours), alike(&theirs), "{kind} of {overlay}");
        }
    }
    // What can't be right is refused, with the reason.
    for (values, reason) in [
        (json!({ "replicas": 2 }), "several replicas can't share a SQLite file"),
        (json!({ "replicas": 0 }), "replicas"),
        (json!({ "replica": 2 }), "replica"),
    ] {
        let refused = helm(&values);
        assert!(refused.status != Some(0) && refused.stderr.contains(reason), "{values}: {refused:#?}");
    }
    let chart = read("deploy/helm/retentiond/Chart.yaml");
    assert_eq!((said(&chart, "version: "), said(&chart, "appVersion: ")), (VERSION, format!("\"{VERSION}\"").as_str()));
}

/// What a document asks for, without labels of one way only and the name that the configuration has.
fn comparable(document: &Value, configuration: &Value) -> Value {
    let named = document["spec"].to_string().replace(&format!("\"configMap\":{{\"name\":{configuration}}}"), "\"configMap\":{}");
    let mut spec: Value = serde_json::from_str(&named).expect("JSON");
    if let Some(metadata) = spec.pointer_mut("/template/metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("annotations");
    }
    without_instance(&mut spec);
    json!({ "spec": spec, "data": document["data"], "token": document["automountServiceAccountToken"] })
}

fn without_instance(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.shift_remove("app.kubernetes.io/instance");
        map.values_mut().for_each(without_instance);
    }
    value.as_array_mut().into_iter().flatten().for_each(without_instance);
}

/// Documents are valid, load, and say the same of what each of them names.
fn agree(documents: &[Value], overlay: &str, state: &str) {
    validate(documents);
    let map = one(documents, "ConfigMap");
    load(map, state);

    let set = one(documents, "StatefulSet");
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["image"], format!("retentiond:{VERSION}"));
    let user = Value::from(image_user());
    let security = &pod["securityContext"];
    assert_eq!([&security["runAsUser"], &security["runAsGroup"], &security["fsGroup"]], [&user; 3]);
    let confined = &container["securityContext"];
    assert!(security["runAsNonRoot"] == true && security["seccompProfile"]["type"] == "RuntimeDefault");
    assert!(confined["readOnlyRootFilesystem"] == true && confined["allowPrivilegeEscalation"] == false);
    assert_eq!(confined["capabilities"]["drop"][0], "ALL");
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["serviceAccountName"], one(documents, "ServiceAccount")["metadata"]["name"]);
    // The names of what is mounted, and where the configuration looks for it.
    let volume = |name: &str| pod["volumes"].as_array().into_iter().flatten().find(|volume| volume["name"] == name).expect("a volume");
    assert_eq!(volume("configuration")["configMap"]["name"], map["metadata"]["name"]);
    assert_eq!(volume("secrets")["secret"]["secretName"], "retentiond");
    let mounts = container["volumeMounts"].to_string();
    for place in ["/etc/retentiond", "/run/secrets/retentiond"] {
        assert!(mounts.contains(&format!("\"{place}\"")), "{mounts}");
    }

    // One port, from the configuration to whoever scrapes.
    let config = map["data"]["retentiond.toml"].as_str().expect("text");
    let listen = said(config, "listen = ").split('"').nth(1).expect("an address");
    let port = &container["ports"][0];
    assert_eq!(listen, format!("0.0.0.0:{}", port["containerPort"]));
    assert_eq!(said(&read(DOCKERFILE), "EXPOSE "), port["containerPort"].to_string());
    let service = &one(documents, "Service")["spec"];
    assert!(service["ports"][0]["port"] == port["containerPort"] && service["ports"][0]["targetPort"] == port["name"]);
    let monitor = one(documents, "ServiceMonitor");
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["ports"][0]["name"]);
    let policy = &one(documents, "NetworkPolicy")["spec"];
    assert_eq!(policy["ingress"][0]["ports"][0]["port"], port["name"]);
    for (probe, path) in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert!(get["path"] == path && get["port"] == port["name"], "{probe}: {get}");
    }
    // Each choice of pods is of these.
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    let matched = &set["spec"]["selector"]["matchLabels"];
    assert_eq!(labels, matched);
    assert_eq!(&service["selector"], matched);
    assert_eq!(&policy["podSelector"]["matchLabels"], matched);
    assert_eq!(&monitor["spec"]["selector"]["matchLabels"], &one(documents, "Service")["metadata"]["labels"]);
    if overlay == "replicated" {
        let budget = &one(documents, "PodDisruptionBudget")["spec"];
        assert_eq!(&budget["selector"]["matchLabels"], matched);
        assert!(budget["minAvailable"].as_i64() < set["spec"]["replicas"].as_i64(), "else no node could be drained");
        assert_eq!(&pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"], matched);
    } else {
        let claim = &set["spec"]["volumeClaimTemplates"][0];
        assert_eq!(claim["metadata"]["name"], container["volumeMounts"][0]["name"]);
        assert_eq!(container["volumeMounts"][0]["mountPath"], "/var/lib/retentiond");
        assert_eq!(set["spec"]["replicas"], 1);
    }
}
