//! What is kept in files is kept for its owner alone, whatever the folder was before.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use rustix::fs::Mode;

/// What is ours at the top of a data folder.
const OURS: [&str; 10] = [
    "bootstrap.json",
    "devchain",
    "keystore",
    "migration.lock",
    "quittance.db",
    "quittance.db-journal",
    "quittance.db-shm",
    "quittance.db-wal",
    "secrets.json",
    "uploads",
];

/// Permissions of anybody but the owner.
const OTHERS: u32 = 0o077;

/// From now on every file and folder that this process makes is its owner's alone, whichever library makes it.
pub(crate) fn keep_private() {
    rustix::process::umask(Mode::from_raw_mode(OTHERS));
}

/// The data folder as an absolute path, made if need be, for its owner alone.
pub(crate) fn private_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("the data folder {} cannot be made", folder.display()))?;
    let folder =
        folder.canonicalize().with_context(|| format!("the data folder {} cannot be used", folder.display()))?;
    tighten(&folder)?;
    Ok(folder)
}

/// Takes everybody else's permissions away. A folder that is not ours, or that holds what is not ours, is left as it is
/// and refused: it may be a home, or `/tmp`.
fn tighten(folder: &Path) -> anyhow::Result<()> {
    let mode = metadata(folder)?.permissions().mode();
    if mode & OTHERS != 0 {
        let foreign = foreigner(folder)?;
        let is_shared = mode & 0o1000 != 0;
        if !is_mine(folder)? || is_shared || foreign.is_some() {
            let because = foreign.map_or_else(String::new, |name| format!(" and holds {name}, which is not ours"));
            bail!(
                "others can read the data folder {}{because}; run `chmod 700` on it, or name a folder of its own with \
                 --data-dir, such as {}",
                folder.display(),
                folder.join("quittance").display(),
            );
        }
        restrict(folder, 0o700)?;
    }
    for name in OURS {
        let path = folder.join(name);
        // A link leads to what somebody has put elsewhere on purpose.
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if !found.is_symlink() && found.permissions().mode() & OTHERS != 0 && is_mine(&path)? {
            restrict(&path, if found.is_dir() { 0o700 } else { 0o600 })?;
        }
    }
    Ok(())
}

/// A folder in the folder that is not ours: then it is a home, `/var/lib` or the like. Files are no such sign, for whoever
/// starts us may write our logs there.
fn foreigner(folder: &Path) -> anyhow::Result<Option<String>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("the data folder {} cannot be read", folder.display()))?;
    let folders = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    // The last is what a fresh file system brings along.
    let ours = |name: &String| OURS.contains(&name.as_str()) || name == "lost+found";
    Ok(names.filter(|name| !ours(name)).min())
}

fn restrict(path: &Path, mode: u32) -> anyhow::Result<()> {
    fs::set_permissions(path, PermissionsExt::from_mode(mode))
        .with_context(|| format!("{} cannot be made private", path.display()))
}

fn metadata(path: &Path) -> anyhow::Result<fs::Metadata> {
    fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn is_mine(path: &Path) -> anyhow::Result<bool> {
    Ok(metadata(path)?.uid() == rustix::process::geteuid().as_raw())
}

/// Whether others than its owner can read it; what is not there, nobody can.
pub(crate) fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS != 0)
}

/// The URL of a SQLite file. A path is no URL: what would mean something in one is written as numbers.
pub(crate) fn sqlite_url(file: &Path) -> anyhow::Result<String> {
    let Some(path) = file.to_str() else { bail!("the data folder's name {} must be UTF-8", file.display()) };
    let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Ok(format!("sqlite://{path}?mode=rwc"))
}

/// Writes a file that only its owner can read, whole or not at all, whoever else writes it at the same time.
pub(crate) fn write_private(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let draft = draft(file, bytes).with_context(|| format!("{} cannot be written", file.display()))?;
    fs::rename(&draft, file).with_context(|| format!("{} cannot be written", file.display()))
}

/// The same, unless there is one: then that one stays.
pub(crate) fn write_once(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let draft = draft(file, bytes).with_context(|| format!("{} cannot be written", file.display()))?;
    // A link, unlike a rename, never replaces what another process has just made.
    let linked = fs::hard_link(&draft, file);
    let removed = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("{} cannot be written", file.display()))
        }
        _ => removed.with_context(|| format!("{} cannot be removed", draft.display())),
    }
}

/// A file beside it that nobody else writes: in containers every process has the same number, so chance names it.
fn draft(file: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.draft", uuid::Uuid::new_v4().simple()));
    let draft = file.with_file_name(name);
    let mut writer = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writer.write_all(bytes)?;
    writer.sync_all()?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_that_others_can_read_is_made_private_unless_it_is_something_else() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data");
        fs::create_dir(&folder).unwrap();
        restrict(&folder, 0o755).unwrap();
        fs::write(folder.join("quittance.db"), "").unwrap();
        restrict(&folder.join("quittance.db"), 0o644).unwrap();
        private_folder(&folder).unwrap();
        assert_eq!((mode(&folder), mode(&folder.join("quittance.db"))), (0o700, 0o600));

        restrict(&folder, 0o755).unwrap();
        fs::write(folder.join("quittance.log"), "").unwrap();
        private_folder(&folder).unwrap();

        restrict(&folder, 0o755).unwrap();
        fs::create_dir(folder.join("photos")).unwrap();
        let refused = format!("{:#}", private_folder(&folder).unwrap_err());
        assert!(refused.contains("photos") && refused.contains("chmod 700"), "{refused}");
        assert_eq!(mode(&folder), 0o755, "it is left as it is");
        restrict(&folder, 0o700).unwrap();
        private_folder(&folder).unwrap();

        let shared = place.path().join("shared");
        fs::create_dir(&shared).unwrap();
        restrict(&shared, 0o1777).unwrap();
        assert!(private_folder(&shared).is_err(), "everybody's folder is nobody's data folder");
    }

    #[test]
    fn the_path_of_a_database_is_a_path() {
        let url = sqlite_url(Path::new("/a?b/%41#c/quittance.db")).unwrap();
        assert_eq!(url, "sqlite:///a%3Fb/%2541%23c/quittance.db?mode=rwc");
    }
}
