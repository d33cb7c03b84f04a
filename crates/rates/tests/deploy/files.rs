//! The deployment files as text: hardened, pinned, and every name in them exists.
//! It must not start a server.

use crate::compose::{compose, environment, root, services, skipped, text, variables, word, words, yaml};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where the engine lays the secret, and what it might hold.
pub const TOKEN_FILE: &str = "/run/secrets/telegram_bot_token";
pub const TOKEN: &str = "4242:CANARY_of_the_token_0123456789";
/// What is built here and not pulled.
const OURS: &str = "rates:local";
const ROLES: [&str; 4] = ["collector", "recorder", "api", "bot"];

fn set(words: Vec<String>) -> BTreeSet<String> {
    words.into_iter().collect()
}

/// Where a volume lies in the container, by what is laid there.
fn mounts(service: &Value) -> BTreeMap<String, String> {
    let split = |mount: String| {
        let mut parts = mount.split(':');
        Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
    };
    words(&service["volumes"]).into_iter().filter_map(split).collect()
}

#[test]
fn every_service_is_pinned_limited_and_locked_up() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let image = word(&service["image"]);
        let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag).trim_start_matches('v');
        let numbers = tag.split('-').next().unwrap().split('.').filter(|part| part.parse::<u32>().is_ok());
        assert!(image == OURS || numbers.count() >= 2, "{name}: {image} is not an exact tag");
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(words(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(words(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        let user = word(&service["user"]);
        let id: u32 = user.split(':').next().unwrap().parse().unwrap_or(0);
        assert!(id > 0, "{name}: runs as {user:?}");
        assert_eq!(word(&service["restart"]), if name == "init" { "no" } else { "unless-stopped" }, "{name}");
        for limit in ["cpus", "memory", "pids"] {
            assert!(
                !service["deploy"]["resources"]["limits"][limit].is_null(),
                "{name}: no limit on {limit}"
            );
        }
        let health = &service["healthcheck"];
        for key in ["test", "interval", "timeout", "retries", "start_period"] {
            assert!(name == "init" || !health[key].is_null(), "{name}: healthcheck.{key}");
        }
        assert_eq!(
            service["ports"].is_array(),
            name == "proxy",
            "{name}: only the proxy is reached from outside"
        );
        for (variable, value) in environment(service) {
            let is_telling = ["PASS", "SECRET", "TOKEN", "COOKIE"].iter().any(|word| variable.contains(word));
            assert!(!is_telling || variable.ends_with("_FILE"), "{name}: {variable} holds a secret");
            assert!(!value.contains('@'), "{name}: {variable} holds an address with a password");
        }
    }
    let replicas = |name: &str| compose["services"][name]["deploy"]["replicas"].as_u64();
    assert_eq!((replicas("collector"), replicas("api")), (Some(2), Some(2)));
    let published = words(&compose["services"]["proxy"]["ports"]);
    assert_eq!(published, ["127.0.0.1:8000:8080"], "nobody else's business until the operator says so");
}

#[test]
fn every_name_in_the_compose_file_exists() {
    let compose = compose();
    let declared = |what: &str| set(compose[what].as_object().unwrap().keys().cloned().collect());
    let (volumes, networks, secrets) = (declared("volumes"), declared("networks"), declared("secrets"));
    let names: BTreeSet<_> = services(&compose).map(|(name, _)| name.clone()).collect();
    let (mut volumes_used, mut networks_used, mut secrets_used) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (name, service) in services(&compose) {
        for on in service["depends_on"].as_object().into_iter().flatten() {
            assert!(names.contains(on.0), "{name} depends on {}", on.0);
        }
        networks_used.extend(words(&service["networks"]));
        secrets_used.extend(words(&service["secrets"]));
        for source in mounts(service).into_keys() {
            match source.strip_prefix("./") {
                Some(path) => assert!(root().join("deploy").join(path).exists(), "{name}: {source}"),
                None => drop(volumes_used.insert(source)),
            }
        }
    }
    assert_eq!((&volumes_used, &networks_used, &secrets_used), (&volumes, &networks, &secrets));
    assert_eq!(compose["networks"]["back"]["internal"], true, "servers have no way out");

    let whole = yaml("compose.yaml");
    assert_eq!(words(&whole["include"]), ["deploy/compose.yaml"]);
    assert_eq!(whole["name"], compose["name"], "the same volumes, wherever it is started");

    let example = text(".env.example");
    let lines = example.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let shown: BTreeMap<_, _> = lines
        .filter(|(name, _)| !name.contains(' '))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut read = variables();
    // An example says more than an empty default.
    read.insert("RATES_SAME_AS".to_owned(), "USDT=USD".to_owned());
    assert_eq!(shown, read, ".env.example names every variable with its default");
}

/// The commands of our own image, with the environment that they get, as far as that can be said without servers.
#[test]
fn our_own_commands_and_variables_are_known() {
    let compose = compose();
    let secrets = tempfile::tempdir().unwrap();
    let inside = |path: &str| crate::stack::inside(&secrets, path);
    std::fs::write(inside(TOKEN_FILE), TOKEN).unwrap();
    assert_eq!(environment(&compose["services"]["bot"])["TELEGRAM_BOT_TOKEN_FILE"], TOKEN_FILE);
    let init = words(&compose["services"]["init"]["command"]);
    let rates = |arguments: &[String]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rates"));
        command.args(arguments).env_clear().current_dir(secrets.path()).stdin(Stdio::null());
        command
    };
    let made = rates(&init.iter().map(|word| inside(word)).collect::<Vec<_>>()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let token = secrets.path().join("telegram_bot_token");
    std::fs::write(token, "4242:CANARY_of_the_token_0123456789").unwrap();

    let mounted: BTreeMap<_, _> = mounts(&compose["services"]["init"]).into_iter().collect();
    for (name, service) in services(&compose).filter(|(name, _)| *name != "init") {
        // Each sees its own secrets and no others', and read-only; every file that is named was made.
        for (source, target) in mounts(service).iter().filter(|(source, _)| source.starts_with("secrets-")) {
            assert_eq!(mounted.get(source), Some(target), "{name}");
            let own = if ROLES.contains(&name.as_str()) { "rates" } else { name };
            assert_eq!(*target, format!("/secrets/{own}"));
        }
        assert!(words(&service["volumes"]).iter().all(|v| !v.starts_with("secrets-") || v.ends_with(":ro")));
        let all = serde_json::to_string(service).unwrap();
        for file in all.split("/secrets/").skip(1) {
            let file =
                file.split(|c: char| !c.is_ascii_alphanumeric() && !"/_.-".contains(c)).next().unwrap();
            if file.contains('/') {
                assert!(secrets.path().join(file).is_file(), "{name}: nobody makes /secrets/{file}");
            }
        }
    }
    for name in ROLES {
        let service = &compose["services"][name];
        assert_eq!(word(&service["image"]), OURS);
        let command = words(&service["command"]);
        assert_eq!(command[0], "run");
        let mut check = vec!["config".to_owned(), "check".to_owned()];
        check.extend_from_slice(&command[1..]);
        let environment = environment(service);
        for variable in environment.keys().filter(|name| !name.starts_with("RATES_")) {
            let key = variable.trim_end_matches("_FILE");
            let is_customary = ["DATABASE_URL", "AMQP_URL", "REDIS_URL", "TELEGRAM_BOT_TOKEN"].contains(&key);
            assert!(is_customary || is_of_a_venue(key), "{name}: who reads {variable}?");
        }
        // Where an engine would lay the token's file.
        let here = |value: &str| inside(&value.replace("/run/secrets/", "/secrets/"));
        let values = environment.iter().map(|(name, value)| (name, here(value)));
        let output = rates(&check).envs(values).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name}: {said}");
        assert!(!said.contains("RATES_"), "{name}: an unknown variable: {said}");
        assert_eq!(words(&service["healthcheck"]["test"]), ["CMD", "/rates", "healthcheck"]);
    }
}

fn is_of_a_venue(key: &str) -> bool {
    let files = std::fs::read_dir(root().join("venues")).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().any(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(key)))
}

#[test]
fn one_port_from_the_image_to_the_proxy_and_the_metrics() {
    let compose = compose();
    let dockerfile = text("Dockerfile");
    let line = |begin: &str| {
        dockerfile.lines().find_map(|line| line.strip_prefix(begin)).unwrap_or_else(|| panic!("no {begin}"))
    };
    let listen = line("ENV RATES_LISTEN=").to_owned();
    let port = listen.rsplit_once(':').unwrap().1;
    assert_eq!(line("EXPOSE "), port);
    for role in ROLES {
        assert_eq!(environment(&compose["services"][role])["RATES_LISTEN"], listen);
    }
    let proxy = text("deploy/haproxy.cfg");
    assert!(proxy.contains(&format!(" api:{port}\n")));
    assert!(
        proxy.contains("bind :8080\n") && word(&compose["services"]["proxy"]["ports"][0]).ends_with(":8080")
    );
    let scrape = &yaml("deploy/prometheus/prometheus.yml")["scrape_configs"][0];
    let asked = &scrape["dns_sd_configs"][0];
    assert_eq!(word(&asked["port"]), port);
    assert_eq!(set(words(&asked["names"])), set(ROLES.map(str::to_owned).to_vec()));
    assert_eq!(scrape["job_name"], "rates");
}

#[test]
fn the_image_has_what_the_services_need() {
    let (compose, dockerfile) = (compose(), text("Dockerfile"));
    let user = word(&compose["services"]["init"]["user"]);
    assert!(dockerfile.contains(&format!("USER {user}\n")));
    assert!(dockerfile.contains(&format!("COPY --from=build --chown={user} /image/ /\n")));
    assert!(dockerfile.contains("ENTRYPOINT [\"/rates\"]\n") && dockerfile.contains("/image/rates\n"));
    assert!(dockerfile.contains("CMD [\"/rates\", \"healthcheck\"]"));
    for target in mounts(&compose["services"]["init"]).values() {
        assert!(dockerfile.contains(&format!("/image{target}")), "{target} would belong to root");
    }
    let rust_version = text("Cargo.toml");
    let rust_version = rust_version.lines().find_map(|l| l.strip_prefix("rust-version = ")).unwrap();
    assert!(dockerfile.contains(&format!("FROM rust:{}.", rust_version.trim_matches('"'))));
    // What the build reads outside the crates is let in, and nothing else is.
    let ignore = text(".dockerignore");
    let lines: Vec<_> = ignore.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, ["*", "!Cargo.toml", "!Cargo.lock", "!crates", "!venues"]);
    let dir = &compose["services"]["init"]["build"];
    assert_eq!((word(&dir["context"]), word(&dir["dockerfile"])), ("..".to_owned(), "Dockerfile".to_owned()));
}

#[test]
fn what_is_shown_is_provided() {
    let compose = compose();
    let source = &yaml("deploy/grafana/provisioning/datasources/prometheus.yaml")["datasources"][0];
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/dashboards/rates.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert_eq!(panel["datasource"]["uid"], source["uid"], "{}", panel["title"]);
    }
    assert_eq!(source["url"], "http://prometheus:9090");
    let provider = &yaml("deploy/grafana/provisioning/dashboards/rates.yaml")["providers"][0];
    let mounted = mounts(&compose["services"]["grafana"]);
    assert_eq!(word(&provider["options"]["path"]), mounted["./grafana/dashboards"]);
    for file in words(&yaml("deploy/prometheus/prometheus.yml")["rule_files"]) {
        assert!(Path::new(&root()).join("deploy/prometheus").join(file).is_file());
    }
    for words in [&["check", "config", "prometheus.yml"][..], &["test", "rules", "alerts_test.yml"]] {
        let promtool =
            Command::new("promtool").args(words).current_dir(root().join("deploy/prometheus")).output();
        match promtool {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(_) => skipped("promtool is not installed"),
        }
    }
}

/// Compose's own reading of the files, where the client is at hand.
#[test]
fn compose_itself_reads_the_files() {
    for file in ["compose.yaml", "deploy/compose.yaml"] {
        let docker = |arguments: &[&str]| {
            Command::new("docker").args(arguments).current_dir(root()).stdin(Stdio::null()).output()
        };
        if !docker(&["compose", "version"]).is_ok_and(|output| output.status.success()) {
            return skipped("there is no docker compose here");
        }
        let output = docker(&["compose", "-f", file, "config", "--quiet"]).unwrap();
        assert!(output.status.success(), "{file}: {output:?}");
    }
}
