//! Options that all client commands have.

use clap::{Args, ValueEnum};
use klamm_client::{Client, ClientOptions};
use klamm_env::Env;

/// How to reach the cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterArgs {
    /// Brokers to begin with, separated by commas
    #[arg(
        short,
        long,
        global = true,
        value_name = "HOST:PORT",
        env = "KLAMM_BOOTSTRAP",
        default_value = "127.0.0.1:9092"
    )]
    pub(crate) bootstrap: String,
}

impl ClusterArgs {
    /// A client of the cluster.
    pub(crate) fn client(&self) -> Client {
        let options = ClientOptions {
            client_id: "klamm-cli".to_owned(),
            ..ClientOptions::new(&self.bootstrap)
        };
        Client::new(&Env::real(), options)
    }
}

/// The form of a command's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people
    Table,
    /// For programs
    Json,
}

/// The form of a command's result, as an option.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// Form of the result
    #[arg(short, long, global = true, value_enum, default_value_t = Form::Table)]
    pub(crate) output: Form,
}

/// Cluster and form together, as the nouns have them.
#[derive(Debug, Clone, Args)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
