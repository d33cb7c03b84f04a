//! Schemas: a first start that is killed at any moment (D06), and a schema from the future (D07), on SQLite and on
//! PostgreSQL. It must not know any step of a migration.

use crate::{fleet::say, harness::PATIENCE};
use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};
use testkit::{counts, servers::Postgres};
use tokio::time::Instant;

fn rates(folder: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rates"));
    command.args(arguments).current_dir(folder).env_clear().env("DATABASE_URL", url);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
async fn run(folder: &Path, url: &str, arguments: &[&str]) -> Output {
    let output = tokio::process::Command::from(rates(folder, url, arguments)).kill_on_drop(true).output();
    tokio::time::timeout(PATIENCE, output).await.expect("it ends in time").unwrap()
}

/// A kind of store: how to have an empty one, and its schema and seed in words.
enum Kind {
    Sqlite,
    Postgres(Postgres),
}

impl Kind {
    fn empty(&self, folder: &Path, number: usize) -> String {
        match self {
            Kind::Sqlite => format!("sqlite://{}", folder.join(format!("{number}.db")).display()),
            Kind::Postgres(server) => server.database().unwrap(),
        }
    }

    fn sql(&self, url: &str, statements: &str) -> String {
        match self {
            Kind::Postgres(server) => server.sql(url, statements).unwrap(),
            Kind::Sqlite => {
                let file = url.strip_prefix("sqlite://").unwrap();
                let output = Command::new("sqlite3").args([file, statements]).output().unwrap();
                assert!(output.status.success(), "{output:?}");
                String::from_utf8(output.stdout).unwrap()
            }
        }
    }

    fn schema(&self, url: &str) -> String {
        let of_both = "SELECT version, success FROM _sqlx_migrations ORDER BY version;
                       SELECT id, venue, currency_pair FROM trade_info ORDER BY id;";
        let own = match self {
            Kind::Sqlite => "SELECT type, name, sql FROM sqlite_master ORDER BY type, name;",
            Kind::Postgres(_) => {
                "SELECT table_name, column_name, data_type, is_nullable, column_default
                     FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2;
                 SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;
                 SELECT tgname, tgenabled, tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 3;
                 SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1;"
            }
        };
        [of_both, own].map(|statements| self.sql(url, statements)).concat()
    }

    /// D06.
    async fn is_killed_at_any_moment(&self, name: &str) {
        let folder = tempfile::tempdir().unwrap();
        let (mut whole, mut fresh) = (Duration::MAX, String::new());
        for number in 0..3 {
            let url = self.empty(folder.path(), number);
            let began = Instant::now();
            let output = run(folder.path(), &url, &["migrate"]).await;
            assert!(output.status.success(), "{output:?}");
            (whole, fresh) = (whole.min(began.elapsed()), self.schema(&url));
        }
        let kills = counts::count(5, 50);
        let mut unfinished = 0;
        for number in 3..3 + kills {
            let url = self.empty(folder.path(), number);
            let mut child = rates(folder.path(), &url, &["migrate"]).spawn().unwrap();
            // Any moment from its start to its end; the later half is where it writes.
            let moment = whole * fastrand::u32(300..1_000) / 1_000;
            tokio::time::sleep(moment).await;
            unfinished += usize::from(child.try_wait().unwrap().is_none());
            let _ = child.kill();
            let _ = child.wait();
            let output = run(folder.path(), &url, &["migrate"]).await;
            assert!(output.status.success(), "killed after {moment:?}: {output:?}");
            assert_eq!(self.schema(&url), fresh, "killed after {moment:?}");
        }
        assert!(unfinished > 0, "every one of {kills} was killed too late, after {whole:?}");
        say(&format!("D06: {name}: {unfinished} of {kills} were killed before their end, within {whole:?}"));
    }

    /// D07.
    async fn is_of_the_future(&self) {
        let folder = tempfile::tempdir().unwrap();
        let url = self.empty(folder.path(), 0);
        assert!(run(folder.path(), &url, &["migrate"]).await.status.success());
        let newest = self.sql(&url, "SELECT max(version) FROM _sqlx_migrations").trim().to_owned();
        let success = if matches!(self, Kind::Sqlite) { "1" } else { "TRUE" };
        self.sql(
            &url,
            &format!(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (999, 'tomorrow', {success}, '', 0)"
            ),
        );
        for arguments in [&["run", "--listen", "127.0.0.1:0"][..], &["migrate"], &["pairs", "list"]] {
            let output = run(folder.path(), &url, arguments).await;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{said}");
            for part in ["is version 999", &format!("knows {newest}"), "use a newer program"] {
                assert!(said.contains(part), "{part}: {said}");
            }
            assert!(!said.contains("secret"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_first_start_killed_at_any_moment_is_finished_by_the_next() {
    Kind::Sqlite.is_killed_at_any_moment("SQLite").await;
    Kind::Postgres(Postgres::start().unwrap()).is_killed_at_any_moment("PostgreSQL").await;
}

#[tokio::test]
async fn a_schema_of_the_future_is_refused_with_both_versions_and_the_remedy() {
    Kind::Sqlite.is_of_the_future().await;
    Kind::Postgres(Postgres::start().unwrap()).is_of_the_future().await;
}
