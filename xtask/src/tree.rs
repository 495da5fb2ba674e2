//! This file is where the tree is read: which files the project has, and what cargo says of its packages.

use serde_json::Value;
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

pub(crate) type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// The project's files: what git tracks, and new code, or everything where there is no git.
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    /// Relative to the root, with `/`, sorted.
    pub(crate) files: Vec<String>,
}

impl Tree {
    pub(crate) fn read(root: &Path) -> Fallible<Self> {
        let root = root.canonicalize()?;
        let mut files = match tracked(&root) {
            Some(files) => files,
            None => walk(&root, &root)?,
        };
        files.retain(|file| root.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(Self { root, files })
    }

    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str).filter(|file| file.ends_with(".rs"))
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.files.binary_search_by(|other| other.as_str().cmp(file)).is_ok()
    }

    pub(crate) fn text(&self, file: &str) -> Fallible<String> {
        fs::read_to_string(self.root.join(file)).map_err(|error| format!("{file}: {error}").into())
    }

    /// The text, or nothing where the file isn't text.
    pub(crate) fn text_if_any(&self, file: &str) -> Fallible<Option<String>> {
        match fs::read_to_string(self.root.join(file)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(format!("{file}: {error}").into()),
        }
    }

    /// The path relative to the root, as findings name it.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }
}

/// One of the workspace's packages.
pub(crate) struct Package {
    /// Without the `horkos-` that every package begins with.
    pub(crate) name: String,
    /// Where its `Cargo.toml` lies, relative to the root.
    pub(crate) manifest: String,
    /// The first files of its targets, relative to the root.
    pub(crate) roots: Vec<String>,
    /// Names of the workspace's packages that it uses, and whether only its tests do.
    pub(crate) uses: Vec<(String, bool)>,
}

/// The workspace's packages, as cargo sees them. Asks nothing of the network.
pub(crate) fn packages(tree: &Tree) -> Fallible<Vec<Package>> {
    let output = Command::new(cargo())
        .current_dir(&tree.root)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = list(&metadata, "packages");
    let names: Vec<&str> = packages.iter().map(|package| text(package, "name")).collect();
    Ok(packages
        .iter()
        .map(|package| Package {
            name: short(text(package, "name")),
            manifest: tree.relative(Path::new(text(package, "manifest_path"))),
            roots: list(package, "targets")
                .iter()
                .map(|target| tree.relative(Path::new(text(target, "src_path"))))
                .collect(),
            uses: list(package, "dependencies")
                .iter()
                .filter(|dependency| names.contains(&text(dependency, "name")))
                .map(|dependency| (short(text(dependency, "name")), text(dependency, "kind") == "dev"))
                .collect(),
        })
        .collect())
}

/// The folder of the workspace, wherever in it cargo was called.
pub(crate) fn root() -> Fallible<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_path_buf).ok_or_else(|| "xtask lies in no workspace".into())
}

pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn short(package: &str) -> String {
    package.strip_prefix("horkos-").unwrap_or(package).to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let git = |args: &[&str]| {
        let output = Command::new("git").current_dir(root).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(top.trim_end()).canonicalize().ok()? != root {
        return None;
    }
    let files = git(&["ls-files", "-z"])?;
    // Code that is about to be tracked counts; a log or a note that lies about doesn't.
    let new = git(&["ls-files", "-z", "--others", "--exclude-standard", "--", "*.rs"])?;
    Some(files.split_terminator('\0').chain(new.split_terminator('\0')).map(str::to_owned).collect())
}

fn walk(root: &Path, folder: &Path) -> Fallible<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name == ".git" || name == "target");
        if path.is_dir() && !hidden {
            files.extend(walk(root, &path)?);
        } else if path.is_file() {
            files.push(path.strip_prefix(root)?.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(files)
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::{Tree, fs};

    /// A small tree on disk, gone when dropped.
    pub(crate) struct Fixture {
        pub(crate) tree: Tree,
        _folder: tempfile::TempDir,
    }

    pub(crate) fn tree(files: &[(&str, &str)]) -> Fixture {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folder made");
            fs::write(path, content).expect("file written");
        }
        let tree = Tree::read(folder.path()).expect("tree read");
        Fixture { tree, _folder: folder }
    }
}

#[cfg(test)]
mod tests {
    use super::{Tree, fixture, packages};
    use std::process::Command;

    #[test]
    fn git_decides_which_files_count() {
        let fixture = fixture::tree(&[
            (".gitignore", "ignored\n"),
            ("kept.rs", ""),
            ("ignored/a.rs", ""),
            ("new.rs", ""),
            ("new.log", ""),
            ("gone.rs", ""),
        ]);
        let root = &fixture.tree.root;
        let git = |args: &[&str]| {
            assert!(Command::new("git").current_dir(root).args(args).status().expect("git runs").success());
        };
        git(&["init", "--quiet"]);
        git(&["add", ".gitignore", "kept.rs", "gone.rs"]);
        std::fs::remove_file(root.join("gone.rs")).expect("removed");
        assert_eq!(Tree::read(root).expect("read").files, [".gitignore", "kept.rs", "new.rs"]);
    }

    #[test]
    fn cargo_tells_packages_and_their_uses() {
        let fixture = fixture::tree(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"3\"\n"),
            ("a/Cargo.toml", "[package]\nname = \"horkos-a\"\nversion = \"0.1.0\"\n"),
            ("a/src/lib.rs", ""),
            (
                "b/Cargo.toml",
                "[package]\nname = \"b\"\nversion = \"0.1.0\"\n[dependencies]\nserde = \"1\"\n\
                 [dev-dependencies]\nx = { package = \"horkos-a\", path = \"../a\" }\n",
            ),
            ("b/src/main.rs", "fn main() {}"),
        ]);
        let packages = packages(&fixture.tree).expect("metadata");
        let seen: Vec<_> =
            packages.iter().map(|p| (p.name.as_str(), p.roots.clone(), p.uses.clone())).collect();
        assert_eq!(
            seen,
            [
                ("a", vec!["a/src/lib.rs".to_owned()], vec![]),
                ("b", vec!["b/src/main.rs".to_owned()], vec![("a".to_owned(), true)]),
            ]
        );
    }
}
