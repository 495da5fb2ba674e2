//! This file is where a gateway's configuration and key are made.

use crate::{
    context::{Context, new_passphrase},
    exit::{Exit, Failure},
};
use clap::Args;
use client::{
    Host as _, SystemHost,
    keys::{Lock, Profile, ProfileName, WORK_DEFAULT, save_storage},
    read_genesis,
};
use serde_json::json;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Write a configuration and make the key of the gateway's own files
///
/// The gateway acts as the organisation by a profile of kind `staff`, and for practitioners by the profiles that its clients
/// are registered with. All of them lie in the home directory.
#[derive(Args, Debug)]
pub(crate) struct Init {
    /// The configuration file to write
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub(crate) config: PathBuf,
    /// Profile that acts as the organisation itself, as riverside/registrar
    #[arg(long, value_name = "NAME")]
    pub(crate) system: String,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// The gateway's address as clients see it [default: http:// and the address it listens on]
    #[arg(long, value_name = "URL")]
    pub(crate) public: Option<String>,
}

pub(super) fn run(args: &Init, ctx: &Context) -> Result<(), Failure> {
    let home = ctx.home()?;
    make(args, &home)?;
    if ctx.out.json {
        return ctx.out.json(&json!({ "config": args.config }));
    }
    ctx.out.say(format_args!(
        "`{}` is written. Register a client, then start:\n  horkos gateway client add --help\n  horkos gateway start --config {}",
        args.config.display(),
        args.config.display()
    ));
    Ok(())
}

/// Writes the configuration, and beside it the key.
pub(crate) fn make(args: &Init, home: &Path) -> Result<(), Failure> {
    let name: ProfileName = args.system.parse()?;
    let profile = Profile::load(home, &name)?;
    let genesis = read_genesis(&home.join(&profile.genesis))?;
    let file = |error: std::io::Error| Failure::file(&args.config, &error);
    let folder = match args.config.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    if args.config.exists() {
        return Err(Failure::input(format!("`{}` is there already; move it away", args.config.display())));
    }
    let lock = if genesis.demo {
        Lock::Plain
    } else {
        Lock::Passphrase { passphrase: new_passphrase()?, work: WORK_DEFAULT }
    };
    let mut key = Zeroizing::new([0; 32]);
    SystemHost.fill(key.as_mut_slice());
    fs::create_dir_all(folder).map_err(file)?;
    save_storage(&folder.join("gateway.key"), &key, &lock)?;
    let home = fs::canonicalize(home).map_err(file)?;
    let public = args.public.clone().unwrap_or_else(|| format!("http://{}", args.listen));
    let config = toml::toml! {
        format = 1
        data = "gateway"
        key = "gateway.key"
    };
    let mut config = config;
    let mut put = |key: &str, value: String| drop(config.insert(key.to_owned(), value.into()));
    put("home", home.display().to_string());
    put("system", name.to_string());
    put("listen", args.listen.to_string());
    put("public", public);
    let text = toml::to_string_pretty(&config)
        .map_err(|error| Failure::new(Exit::Fault, format!("the configuration can't be written: {error}")))?;
    fs::write(&args.config, text).map_err(file)
}
