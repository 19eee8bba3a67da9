//! Alerts, dashboards, runbooks and what they name: each is there, and nothing else.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::{DASHBOARDS, RULES, RUNBOOKS, dashboard, panels, place, read};
use crate::support::prometheus::promtool;

const TESTS: &str = "deploy/alerts/tests.yaml";
const FOR_KUBERNETES: &str = "deploy/alerts/prometheusrule.yaml";

/// The names of alerts, in the order of the file.
fn alerts() -> Vec<String> {
    read(RULES).lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

#[test]
fn each_alert_fires_and_is_silent_as_its_tests_say() {
    let checked = promtool(&["check", "rules", RULES]);
    assert!(checked.status.success(), "{checked:?}");
    let tested = promtool(&["test", "rules", TESTS]);
    assert!(tested.status.success(), "{}{}", String::from_utf8_lossy(&tested.stdout), String::from_utf8_lossy(&tested.stderr));
    let tests = read(TESTS);
    let cases: Vec<(&str, bool)> = tests
        .split("alertname: ")
        .skip(1)
        .filter_map(|case| case.split_once('\n'))
        .map(|(name, rest)| (name, rest.lines().next().is_some_and(|line| line.trim() == "exp_alerts:")))
        .collect();
    for alert in alerts() {
        for (fires, word) in [(true, "firing"), (false, "silent")] {
            assert!(cases.contains(&(&alert, fires)), "{TESTS} does not have {alert} {word}");
        }
    }
}

/// `RETENTIOND_WRITE=1` writes it anew.
#[test]
fn the_rules_for_kubernetes_are_the_same() {
    let rules = read(RULES);
    let at = rules.find("groups:").expect("groups");
    let indented: String = rules[at..].lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect();
    let head = "# Made from retentiond.rules.yaml, which says why each is as it is; README.md says how. Change it there.\n\
                apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: retentiond\n  labels:\n    \
                app.kubernetes.io/name: retentiond\nspec:\n";
    let made = format!("{head}{indented}");
    if std::env::var_os("RETENTIOND_WRITE").is_some() {
        fs::write(place(FOR_KUBERNETES), &made).expect("a file");
    }
    assert_eq!(read(FOR_KUBERNETES), made, "{FOR_KUBERNETES} is behind: run this test with RETENTIOND_WRITE=1");
}

#[test]
fn each_alert_has_a_page_that_a_panel_leads_to() {
    let pages: BTreeSet<String> = fs::read_dir(place("docs/runbooks"))
        .expect("the runbooks")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().replace(".md", ""))
        .filter(|name| name != "README")
        .collect();
    assert_eq!(alerts().into_iter().collect::<BTreeSet<_>>(), pages, "alerts, and pages in docs/runbooks");
    let (index, rules) = (read("docs/runbooks/README.md"), read(RULES));
    let dashboards: String = DASHBOARDS.map(|uid| read(&format!("deploy/grafana/dashboards/{uid}.json"))).concat();
    for alert in &pages {
        let page = read(&format!("docs/runbooks/{alert}.md"));
        for heading in ["## What it means", "## What is at stake", "## What to look at", "## What to do", "## When it goes away"] {
            assert!(page.contains(heading), "{alert} has no {heading}");
        }
        assert!(index.contains(&format!("({alert}.md)")), "the index lacks {alert}");
        assert!(rules.contains(&format!("runbook_url: {RUNBOOKS}/{alert}.md\n")), "{alert} has no runbook_url");
        assert!(dashboards.contains(&format!("${{runbooks}}/{alert}.md\"")), "no panel leads to {alert}");
    }
    for link in dashboards.split("${runbooks}/").skip(1).filter_map(|rest| rest.split_once('"')) {
        assert!(place("docs/runbooks").join(link.0).is_file(), "a panel leads to {}", link.0);
    }
}

#[test]
fn dashboards_can_be_provisioned_and_say_what_they_show() {
    let (mut uids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        assert_eq!(dashboard["uid"], name);
        assert!(uids.insert(dashboard["uid"].to_string()) && titles.insert(dashboard["title"].to_string()), "{name}");
        assert!(dashboard["schemaVersion"].as_i64() >= Some(39) && dashboard.get("id").is_none(), "{name}");
        let variables: Vec<&Value> = dashboard["templating"]["list"].as_array().into_iter().flatten().collect();
        assert_eq!(
            (&variables[0]["name"], &variables[0]["type"], &variables[0]["query"]),
            (&"datasource".into(), &"datasource".into(), &"prometheus".into())
        );
        assert_eq!(variables.last().expect("variables")["query"], RUNBOOKS, "{name}");
        for variable in variables.iter().filter(|variable| variable["type"] == "query") {
            assert_eq!(variable["datasource"]["uid"], "${datasource}", "{name}: {variable}");
            assert!(variable["query"].as_str().is_some_and(|query| query.starts_with("label_values(retentiond_")), "{name}: {variable}");
        }
        let ids: BTreeSet<i64> = dashboard["panels"].as_array().into_iter().flatten().filter_map(|panel| panel["id"].as_i64()).collect();
        assert_eq!(ids.len(), dashboard["panels"].as_array().map_or(0, Vec::len), "{name}: ids of panels");
        let mut seen = BTreeSet::new();
        for panel in panels(&dashboard) {
            let title = panel["title"].as_str().expect("a title");
            assert!(seen.insert(title), "{name}: two panels are called {title}");
            assert!(
                panel["description"].as_str().is_some_and(|text| text.ends_with('.') && text.len() > 20),
                "{name}: {title} is not explained"
            );
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{name}: {title} has no unit");
            let targets: Vec<&Value> = panel["targets"].as_array().into_iter().flatten().collect();
            assert!(targets.iter().chain([&panel]).all(|one| one["datasource"]["uid"] == "${datasource}"), "{name}: {title}");
            let position = |key: &str| panel["gridPos"][key].as_i64().expect("a place");
            assert!(position("x") + position("w") <= 24, "{name}: {title} is beyond the edge");
        }
        // A flag is a word, and its colour only repeats it.
        for panel in panels(&dashboard).filter(|panel| panel["type"] == "stat") {
            let is_flag = ["_sound{", "_up{", "_successful{", "_enforcing{", "_running{"].iter().any(|end| {
                panel["targets"][0]["expr"]
                    .as_str()
                    .is_some_and(|query| query.contains(end) && !query.starts_with("count") && !query.starts_with("sum"))
            });
            let has_words =
                panel["fieldConfig"]["defaults"]["mappings"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "value"));
            assert!(!is_flag || has_words, "{name}: {} is a number or a colour alone", panel["title"]);
        }
    }
}
