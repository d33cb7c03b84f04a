//! Private servers from installed programs: what all of them can be made to suffer.
//! It must not know how any of them is started.

pub use crate::postgres::Postgres;
pub use crate::rabbitmq::RabbitMq;
pub use crate::redis::Redis;
pub use crate::server::ServerError;
pub use crate::tls::TestCa;

/// The methods that every private server has; `$stop` is the signal that ends it in good order.
macro_rules! steer {
    ($server:ident, $stop:expr) => {
        impl $server {
            /// SIGKILL, for all its processes; returns when none is left.
            pub fn kill(&self) {
                self.server.kill();
            }

            /// Ends it in good order, as a system that shuts down would.
            pub fn stop(&self) {
                self.server.stop($stop);
            }

            /// SIGSTOP, for all its processes: connections stay open, and nothing answers.
            pub fn freeze(&self) {
                self.server.freeze();
            }

            /// SIGCONT, for all its processes.
            pub fn resume(&self) {
                self.server.resume();
            }

            /// Starts it again on the same port and folder, and waits until it answers.
            pub fn restart(&self) -> Result<(), $crate::server::ServerError> {
                self.server.restart()
            }

            /// The same beside the test: other tasks of its runtime go on, and paused time stands still.
            pub fn restart_beside(&self) -> tokio::task::JoinHandle<Result<(), $crate::server::ServerError>> {
                let server = self.server.clone();
                tokio::task::spawn_blocking(move || server.restart())
            }

            /// What it wrote so far.
            pub fn log(&self) -> String {
                String::from_utf8_lossy(&std::fs::read(self.server.log()).unwrap_or_default()).into_owned()
            }

            /// Its folder, which is gone when it is dropped.
            pub fn folder(&self) -> &std::path::Path {
                &self.server.place.folder
            }
        }
    };
}
pub(crate) use steer;
