//! This file is where a patient's own organisation falls silent, and she goes on by way of a second one.

use crate::{
    nodes::{Network, done, told},
    run::run,
};

/// Staff of the second organisation, who may take patients on.
const REGISTRAR: &str = "lakeside/registrar";

fn hire_registrar(network: &Network) {
    let home = network.home.path();
    let rpc = network.members[1].rpc;
    let made = told(
        home,
        &format!(
            "--profile {REGISTRAR} profile new --display Rex --org lakeside --node {rpc} --genesis ~/net/genesis.json"
        ),
    );
    let key = made["key"].as_str().unwrap();
    let config = network.config(1);
    let config = config.display();
    done(home, &format!("node staff --config {config} --key {key} --role registrar --order identity.carry"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_second_organisation_carries_a_patient_whose_own_is_silent() {
    let network = Network::of(4);
    hire_registrar(&network);
    let mut nodes = network.start_all();
    let home = network.home.path();
    let (chart, patient) = network.import(&["fionnuala-o-dalaigh.json"]).remove(0);
    done(home, &format!("--profile {patient} consent grant {chart} --to lakeside --purpose TREAT"));

    let rpc = network.members[1].rpc;
    let ask = format!("--profile {patient} patient ask-carriage --to lakeside --node {rpc}");
    let told_her = told(home, &ask);
    let (asked, second) = (told_her["asked"].as_str().unwrap(), told_her["profile"].as_str().unwrap());
    let carry = |asked: &str| run(home, &format!("--profile {REGISTRAR} patient carry {asked}"));
    assert_eq!(carry("00").status, 3, "that's nothing that she printed");
    let forged = format!("{}{}", &asked[..190], if asked.ends_with("00") { "01" } else { "00" });
    assert_eq!(carry(&forged).status, 5, "she didn't ask for that");
    assert_eq!(carry(asked).status, 0);
    assert_eq!(carry(asked).status, 5, "once is enough");
    let by_staff = run(home, &format!("--profile {REGISTRAR} patient ask-carriage --to lakeside"));
    assert_eq!(by_staff.status, 9, "{}", by_staff.stderr);

    // A fresh key, for both of her profiles; what she is to the ledger stays.
    let renewed = told(home, &format!("--profile {patient} patient rotate-key"));
    assert_eq!(renewed["profiles"].as_array().unwrap().len(), 2, "{renewed}");
    let mine = told(home, &format!("--profile {patient} chart list"));
    assert_eq!(mine[0]["chart"], chart, "{mine}");
    assert_eq!(carry(asked).status, 5, "what the old key signed is void");

    nodes.remove(0).kill();
    done(home, &format!("--profile {second} consent revoke {chart} --to lakeside"));
    let left = told(home, &format!("--profile {second} consent list {chart}"));
    let consents = left["consents"].as_array().unwrap();
    assert!(consents.iter().any(|one| !one["revoked"].is_null()), "{left}");
    assert!(consents.iter().all(|one| one["grantee"] != "lakeside" || one["live"] == false), "{left}");
}
