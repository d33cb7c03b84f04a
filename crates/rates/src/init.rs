//! `rates init`: makes the passwords of a deployment once, and writes for every server and for ourselves the file that
//! is started with. It must not know who starts the servers, and prints no secret.
//!
//! Every server has a folder of its own, so that each can be shown its own secret and no other. The file `password` is
//! the truth and is never replaced; what is derived from it is written anew at every run.

use crate::{
    args::InitArgs,
    exit::{Exit, Failure, Outcome},
    output,
    random::{self, hex},
    secret::Secret,
};
use anyhow::Context;
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// The user on every server, and the name of the database.
const USER: &str = "rates";

/// A server runs as a user of its own, which need not be ours: its folder is what keeps others out.
const FOR_A_SERVER: u32 = 0o444;
const FOR_US: u32 = 0o400;

/// `rates init`
pub fn init(args: &InitArgs) -> Outcome {
    let dir = &args.secrets;
    let [postgres, rabbitmq, redis] =
        [("--postgres", &args.postgres), ("--rabbitmq", &args.rabbitmq), ("--redis", &args.redis)]
            .map(|(flag, place)| checked_place(flag, place));
    let (postgres, rabbitmq, redis) = (postgres?, rabbitmq?, redis?);
    make_dir(dir, 0o700)?;

    let password = kept_password(dir, "postgres")?;
    let password = password.reveal();
    derive(dir, "rates/database_url", FOR_US, &format!("postgres://{USER}:{password}@{postgres}/{USER}\n"))?;

    let password = kept_password(dir, "rabbitmq")?;
    let password = password.reveal();
    derive(dir, "rates/amqp_url", FOR_US, &format!("amqp://{USER}:{password}@{rabbitmq}/%2f\n"))?;
    derive(dir, "rabbitmq/rabbitmq.conf", FOR_A_SERVER, &rabbitmq_conf(password))?;

    let password = kept_password(dir, "redis")?;
    let password = password.reveal();
    derive(dir, "rates/redis_url", FOR_US, &format!("redis://{USER}:{password}@{redis}/0\n"))?;
    derive(dir, "redis/redis.conf", FOR_A_SERVER, &redis_conf(password))?;

    kept_password(dir, "grafana")?;
    Ok(Exit::Ok)
}

/// The user is made when the server's database is, at its first start.
fn rabbitmq_conf(password: &str) -> String {
    format!(
        "# Written by `rates init`.\n\
         default_user = {USER}\n\
         default_pass = {password}\n\
         default_vhost = /\n\
         default_permissions.configure = .*\n\
         default_permissions.read = .*\n\
         default_permissions.write = .*\n\
         heartbeat = 10\n"
    )
}

/// A cache: nothing is kept over a restart, nothing is thrown away for want of memory, and only what we call is allowed.
fn redis_conf(password: &str) -> String {
    let hash = hex(&Sha256::digest(password.as_bytes()));
    format!(
        "# Written by `rates init`.\n\
         port 6379\n\
         bind * -::*\n\
         save \"\"\n\
         appendonly no\n\
         maxmemory 192mb\n\
         maxmemory-policy noeviction\n\
         user default off\n\
         user {USER} on #{hash} ~* resetchannels -@all +@read +@write +@scripting +@connection -@dangerous\n"
    )
}

/// `HOST:PORT`, as it is put into an address.
fn checked_place<'a>(flag: &str, place: &'a str) -> Result<&'a str, Failure> {
    let is_good = place.rsplit_once(':').is_some_and(|(host, port)| {
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        !host.is_empty() && host.chars().all(is_host) && port.parse::<u16>().is_ok()
    });
    if is_good {
        Ok(place)
    } else {
        Err(Failure::say(Exit::Usage, format!("{flag} {place:?}: write HOST:PORT")))
    }
}

/// The password of a server: the one that is there, else a new one. Of two that begin at once, one wins for both.
fn kept_password(dir: &Path, server: &str) -> Result<Secret, Failure> {
    let path = dir.join(server).join("password");
    let mut is_new = false;
    let text = match read(&path)? {
        Some(text) => text,
        None => {
            let made = random::secret("")?;
            is_new = write_unless_there(&path, FOR_A_SERVER, made.reveal().as_bytes())?;
            if is_new { made.reveal().to_owned() } else { read(&path)?.unwrap_or_default() }
        }
    };
    // It goes into addresses and into two servers' own files as it is, where anything else would need three ways of quoting.
    let password = text.trim_end_matches('\n');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    if password.is_empty() || !password.chars().all(is_plain) {
        return Err(Failure::say(
            Exit::Config,
            format!("{}: a password here is letters, digits, '.', '_', '~', '-'", path.display()),
        )
        .hint("write another, or remove the file for a random one"));
    }
    output::say(&format!("{} {}", if is_new { "made" } else { "kept" }, path.display()));
    Ok(Secret::new(password.to_owned()))
}

/// Writes what follows from a password, unless it stands there already.
fn derive(dir: &Path, name: &str, mode: u32, text: &str) -> Result<(), Failure> {
    let path = dir.join(name);
    // One that cannot be read was not written by us, or for us: it is replaced, or that fails with its own words.
    if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    let draft = draft(&path, mode, text.as_bytes())?;
    fs::rename(&draft, &path).with_context(|| format!("cannot write {}", path.display())).map_err(unable)?;
    output::say(&format!("wrote {}", path.display()));
    Ok(())
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(unable(anyhow::Error::new(error).context(format!("cannot read {}", path.display()))))
        }
    }
}

/// Whether it was written: a whole file appears under the name, or the one that is there stays.
fn write_unless_there(path: &Path, mode: u32, bytes: &[u8]) -> Result<bool, Failure> {
    let draft = draft(path, mode, bytes)?;
    let linked = fs::hard_link(&draft, path);
    let _ = fs::remove_file(&draft);
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => {
            Err(unable(anyhow::Error::new(error).context(format!("cannot write {}", path.display()))))
        }
    }
}

/// The whole file under a name of its own, on the disk; its folder is made where it is missing.
fn draft(path: &Path, mode: u32, bytes: &[u8]) -> Result<std::path::PathBuf, Failure> {
    if let Some(folder) = path.parent() {
        make_dir(folder, 0o755)?;
    }
    let draft = path.with_extension(format!("{:016x}.new", fastrand::u64(..)));
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        file.write_all(bytes)?;
        // Whatever the mask of the process says.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display())).map_err(unable)?;
    Ok(draft)
}

fn make_dir(dir: &Path, mode: u32) -> Result<(), Failure> {
    let mut make = fs::DirBuilder::new();
    make.recursive(true).mode(mode);
    make.create(dir).with_context(|| format!("cannot make {}", dir.display())).map_err(unable)
}

fn unable(error: anyhow::Error) -> Failure {
    Failure::from(error).hint("the folder must belong to the user that runs this")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(dir: &Path) -> InitArgs {
        InitArgs {
            secrets: dir.to_owned(),
            postgres: "postgres:5432".to_owned(),
            rabbitmq: "rabbitmq:5672".to_owned(),
            redis: "redis:6379".to_owned(),
        }
    }

    fn all(dir: &Path) -> Vec<(String, String, u32)> {
        let mut all = Vec::new();
        for folder in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
                let name = file.strip_prefix(dir).unwrap().display().to_string();
                let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
                all.push((name, fs::read_to_string(&file).unwrap(), mode));
            }
        }
        all.sort();
        all
    }

    #[test]
    fn everything_is_made_once_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("secrets");
        init(&args(&dir)).unwrap();
        let made = all(&dir);
        let names: Vec<_> = made.iter().map(|(name, _, mode)| format!("{name} {mode:o}")).collect();
        assert_eq!(
            names,
            [
                "grafana/password 444",
                "postgres/password 444",
                "rabbitmq/password 444",
                "rabbitmq/rabbitmq.conf 444",
                "rates/amqp_url 400",
                "rates/database_url 400",
                "rates/redis_url 400",
                "redis/password 444",
                "redis/redis.conf 444",
            ]
        );
        let passwords: std::collections::BTreeSet<_> =
            made.iter().filter(|(name, ..)| name.ends_with("password")).map(|(_, text, _)| text).collect();
        assert_eq!(passwords.len(), 4, "no two are alike");
        assert!(passwords.iter().all(|password| password.len() == 2 * random::BYTES));
        init(&args(&dir)).unwrap();
        assert_eq!(all(&dir), made);
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn an_operator_s_own_password_is_kept_and_what_follows_from_it_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        init(&args(dir.path())).unwrap();
        let password = dir.path().join("postgres/password");
        fs::remove_file(&password).unwrap();
        fs::write(&password, "My-0wn\n").unwrap();
        init(&args(dir.path())).unwrap();
        let url = fs::read_to_string(dir.path().join("rates/database_url")).unwrap();
        assert_eq!(url, "postgres://rates:My-0wn@postgres:5432/rates\n");
        for bad in ["", "\n", "a b", "a#b", "p@ss"] {
            fs::remove_file(&password).unwrap();
            fs::write(&password, bad).unwrap();
            let failure = init(&args(dir.path())).unwrap_err();
            assert_eq!(failure.exit, Exit::Config, "{bad:?}");
            assert!(bad.len() < 2 || !failure.to_string().contains(bad.trim()), "{failure}");
        }
    }

    #[test]
    fn a_place_is_a_host_and_a_port() {
        for (place, good) in [
            ("db:5432", true),
            ("[::1]:5432", true),
            ("db", false),
            (":1", false),
            ("a/b:1", false),
            ("db:x", false),
        ] {
            assert_eq!(checked_place("--postgres", place).is_ok(), good, "{place}");
        }
    }
}
