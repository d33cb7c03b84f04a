//! The machine: its cores, who may run where, how busy it is.
//! It must not know what is measured.

use std::{fs, process::Command};

/// What there is to run on.
#[derive(Debug, Clone)]
pub struct Machine {
    cores: Vec<u32>,
    can_pin: bool,
}

impl Machine {
    /// Looks around.
    pub fn look() -> Machine {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let cores = allowed.map(|list| cores(list.trim())).unwrap_or_default();
        let has_taskset =
            Command::new("taskset").arg("--version").output().is_ok_and(|out| out.status.success());
        Machine { can_pin: has_taskset && cores.len() > 1, cores }
    }

    /// For the head of the report.
    pub fn describe(&self) -> String {
        let pinned = if self.can_pin {
            "the server on one core, load generator and local venue on another (taskset)"
        } else {
            "NOT pinned, for want of taskset or of a second core: compare with care"
        };
        let busy = load_average();
        let many = self.cores.len();
        let is_busy =
            busy.split(' ').next().and_then(|one| one.parse::<f64>().ok()).is_some_and(|one| one > 0.5);
        let warning = if is_busy {
            "\nother programs are running: absolute figures will be worse than they are"
        } else {
            ""
        };
        format!("{many} cores; {pinned}; load average {busy}{warning}")
    }

    /// The program and first arguments that start a server where servers run.
    pub fn server(&self, program: &str) -> Vec<String> {
        match self.cores.first() {
            Some(core) if self.can_pin => {
                ["taskset", "-c", &core.to_string(), program].map(str::to_owned).into()
            }
            _ => vec![program.to_owned()],
        }
    }

    /// Puts this process where load generators run.
    pub fn pin_ourselves(&self) {
        if let (true, Some(core)) = (self.can_pin, self.cores.last()) {
            self.put_ourselves(&core.to_string());
        }
    }

    /// Lets this process run anywhere again.
    pub fn unpin_ourselves(&self) {
        if self.can_pin {
            let all: Vec<String> = self.cores.iter().map(u32::to_string).collect();
            self.put_ourselves(&all.join(","));
        }
    }

    fn put_ourselves(&self, cores: &str) {
        let ourselves = std::process::id().to_string();
        // What does not work is seen in the figures; there is nothing to do about it.
        let _ = Command::new("taskset").args(["-c", "-p", cores, &ourselves]).output();
    }
}

/// `0-3,8` as numbers.
fn cores(list: &str) -> Vec<u32> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<u32>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// Over 1, 5 and 15 minutes.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".to_owned());
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
