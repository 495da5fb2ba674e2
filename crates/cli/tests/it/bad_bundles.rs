//! This file is where every kind of file that can't be imported has its words; and where nothing comes of it.

use crate::{
    nodes::{ADAMS, Network, told},
    run::run,
};
use std::fs::{self, File};

/// What stands in a file, and what is said of it.
const BUNDLES: &[(&str, &str, &str)] = &[
    ("cut-off", r#"{"resourceType":"Bundle","type":"collection","entry":["#, "was the file cut off?"),
    ("empty", "", "malformed JSON at line 1, column 1"),
    ("text", "Dear colleague,", "malformed JSON at line 1, column 1"),
    ("xml", "<Bundle xmlns=\"http://hl7.org/fhir\"/>", "only FHIR JSON is read, convert the file"),
    (
        "no-type",
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"id":"1"}}]}"#,
        "entry[0].resource has no `resourceType`",
    ),
    (
        "unknown-type",
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Pateint"}}]}"#,
        "`Pateint` is not a FHIR R4 resource type",
    ),
    (
        "r5",
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"NutritionIntake"}}]}"#,
        "only R4 (4.0) is read, convert the file",
    ),
    (
        "twice",
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"1","id":"2"}}]}"#,
        "`id` stands twice in one object at line 1 in entry[0].resource; remove one",
    ),
    ("list", "[]", "the top level must be a Bundle or a resource"),
    ("no-bundle-type", r#"{"resourceType":"Bundle"}"#, "the Bundle has no `type`; use `collection`"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_bad_bundles_are_named_and_nothing_comes_of_them() {
    let network = Network::of(1);
    let home = network.home.path();
    let node = network.start(0);
    let patients = network.import(&["fionnuala-o-dalaigh.json"]);
    let charts = || told(home, &format!("--profile {ADAMS} chart list"));
    let before = charts();

    for (name, text, _) in BUNDLES {
        fs::write(home.join(format!("{name}.json")), text).unwrap();
    }
    fs::write(home.join("latin1.json"), b"{\"resourceType\":\"Patient\",\"id\":\"\xe9\"}").unwrap();
    let deep =
        format!("{{\"resourceType\":\"Patient\",\"extension\":{}{}}}", "[".repeat(200), "]".repeat(200));
    fs::write(home.join("deep.json"), deep).unwrap();
    File::create(home.join("huge.json")).unwrap().set_len(3 << 30).unwrap();
    let note = "x".repeat(20 << 20);
    let text = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{{"resourceType":"Binary","data":"{note}"}}}}]}}"#
    );
    fs::write(home.join("long.json"), text).unwrap();
    fs::create_dir(home.join("folder")).unwrap();
    let cases = BUNDLES.iter().map(|(name, _, words)| (format!("{name}.json"), *words));
    let further = [
        ("latin1.json", "FHIR JSON must be UTF-8, convert the file"),
        ("deep.json", "nested deeper than"),
        ("huge.json", "split the bundle"),
        ("long.json", "allowed for one resource"),
        ("folder", "there are no `.json` files"),
        ("missing.json", "No such file"),
    ]
    .map(|(name, words)| (name.to_owned(), words));
    for (name, words) in cases.chain(further) {
        let refused = run(home, &format!("--profile {ADAMS} import ~/{name}"));
        assert_eq!(refused.status, 3, "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains(words), "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains("nothing was imported"), "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains(&name), "{name}: {}", refused.stderr);
        assert!(refused.stdout.is_empty(), "{name}: {}", refused.stdout);
    }
    // A good file beside a bad one isn't imported either.
    let good = crate::nodes::shipped("yusuf-al-masri.json");
    let refused = run(home, &format!("--profile {ADAMS} import {} ~/twice.json", good.display()));
    assert_eq!(refused.status, 3, "{}", refused.stderr);
    assert_eq!(charts(), before);

    // Nor is any for whoever may not import.
    let by = |profile: &str, status: i32, words: &str| {
        let refused = run(home, &format!("--profile {profile} import {}", good.display()));
        assert_eq!(refused.status, status, "{profile}: {}", refused.stderr);
        assert!(refused.stderr.contains(words), "{profile}: {}", refused.stderr);
    };
    by("riverside/nobody", 9, "there are: ");
    by(&patients[0].1, 3, "a patient's profile can't import");
    network.make_profile("riverside/temp", "Tess");
    by("riverside/temp", 10, "staff");
    assert_eq!(charts(), before);
    assert!(node.terminate().0.success());
}
