//! Which roles may run in one process, and on which broker they may run apart.
//! It must not know how a role is run.

use crate::{
    config::Config,
    exit::{Exit, Failure},
    values::Role,
};

/// Refuses a role alone on a broker that lives in the process: nobody would hear it, or it would hear nobody.
pub fn check(config: &Config) -> Result<(), Failure> {
    // A recorder only keeps, and a bot only tells: without them nothing is missed now.
    let needed = [Role::Collector, Role::Api].into_iter();
    let missing: Vec<&str> = needed.filter(|role| !config.roles.contains(role)).map(Role::name).collect();
    if missing.is_empty() || !config.broker.has_scheme("memory") {
        return Ok(());
    }
    let named: Vec<&str> = config.roles.iter().map(|role| role.name()).collect();
    Err(Failure::say(
        Exit::Config,
        format!(
            "role {} cannot run without {} on broker {}, which carries ticks only within one process",
            named.join(","),
            missing.join(","),
            config.broker
        ),
    )
    .hint("set `broker` (or AMQP_URL) to amqp://… for roles in separate processes, or run all roles here: --roles all"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Flags, layers::Value};

    fn load(roles: &str, broker: &str) -> Config {
        let file = tempfile::NamedTempFile::new().unwrap();
        let values = [("roles", "--roles", roles), ("broker", "--broker", broker)];
        let values = values.map(|(key, flag, value)| (key, flag, Value::Text(value.to_owned()))).to_vec();
        Config::load(&Flags { config: Some(file.path().to_owned()), values }, &Default::default()).unwrap()
    }

    #[test]
    fn a_lone_role_needs_a_broker_that_others_can_reach() {
        for (roles, broker, good) in [
            ("all", "memory://", true),
            ("collector,api", "memory://", true),
            ("api", "memory://", false),
            ("bot", "memory://", false),
            ("collector", "MEMORY://", false),
            ("api", "amqp://u:hunter2@host", true),
        ] {
            let checked = check(&load(roles, broker));
            assert_eq!(checked.is_ok(), good, "{roles} {broker}");
            if let Err(failure) = checked {
                assert_eq!(failure.exit, Exit::Config);
                assert!(failure.to_string().contains("amqp://"), "{failure}");
            }
        }
    }
}
