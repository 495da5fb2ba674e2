//! Keys in files, and the profiles that say who a user is and where the node is.

mod file;
mod private;
mod profile;
mod session;

pub use file::{
    KeyFileError, KeyKind, Lock, WORK_DEFAULT, load_box, load_signing, load_storage, save_box, save_signing,
    save_storage,
};
pub(crate) use file::{decrypt as decrypt_bytes, encrypt as encrypt_bytes};
pub use private::{FileError, read_private, write_private};
pub use profile::{Profile, ProfileError, ProfileKind, ProfileName};
pub use session::{CachedSession, load_session, save_session};
