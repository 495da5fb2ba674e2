//! This file is where `cargo xtask` begins: the project's own checks and chores, by name.

mod goldens;
mod tidy;
mod tree;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask tidy [--fix]    checks the rules of the house; --fix lowers the list of long files
cargo xtask goldens [NAME]  writes the golden files anew, of tests with NAME in their name if it is given";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["tidy"] => tidy::run(false),
        ["tidy", "--fix"] => tidy::run(true),
        ["goldens"] => goldens::run(None),
        ["goldens", name] => goldens::run(Some(name)),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
