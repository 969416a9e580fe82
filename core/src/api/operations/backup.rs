//! Backups of what an instance keeps on disk, and the way back.

use super::fields::{ASKED, GUESTS_DO_NOT_OPERATE, field};
use crate::api::call::Begun;
use crate::api::operation::{Door, Doors, Operation, Reply, Right, Type};
use crate::api::shapes::{BACKUP as BACKED, RESTORED};
use crate::path::Path;

pub(super) static BACKUP: Operation = Operation {
    name: "backup",
    about: "Everything that the instance keeps on disk, with all that was acknowledged before, in one file with a checksum.",
    more: "Secrets that are sealed on disk stay sealed; all else is in it as it is. The key of the instance is not in it.",
    right: Right::Operate,
    reply: Reply::Record(&BACKED),
    doors: Doors {
        rust: Door::Open(&["Mesh::call", "backup_bytes", "backup_directory"]),
        http: Door::Open(&["GET /backup"]),
        command: Door::Open(&["backup"]),
        python: Door::Open(&["Mesh.backup"]),
        node: Door::Open(&["Mesh.backup"]),
        ..ASKED.doors
    },
    begin: Some(|at, _| {
        // It is the whole document, with its secrets.
        at.check_read(&Path::root())?;
        if let Some(grant) = &at.who
            && !grant.reads_secrets()
        {
            grant.check_at(crate::guard::Verb::ReadSecrets, at.document, &Path::root())?;
        }
        Ok(Begun::Asking)
    }),
    ..ASKED
};

pub(super) static RESTORE: Operation = Operation {
    name: "restore",
    about: "Puts a backup into a data directory: the instance comes back as another one, and takes from its peers what is newer.",
    more: "It writes nothing under its old names. A store that is there is kept aside; a damaged backup changes nothing.",
    right: Right::Operate,
    request: &[
        field("data_dir", Type::Text, "the directory of the store"),
        field("file", Type::Text, "the backup"),
        field("force", Type::Flag, "whether also a store that holds a document is set aside; no").optional(),
    ],
    reply: Reply::Record(&RESTORED),
    doors: Doors {
        rust: Door::Open(&["restore", "read_backed_up"]),
        http: Door::Shut("its instance cannot run meanwhile"),
        command: Door::Open(&["restore"]),
        python: Door::Open(&["restore"]),
        node: Door::Open(&["restore"]),
        browser: Door::Shut("a browser keeps no store"),
        guest: GUESTS_DO_NOT_OPERATE,
    },
    ..ASKED
};
