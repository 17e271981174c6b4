//! `leasehold devices`, `approve` and `deny`.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use web::model::Device;

use super::NOT_FOUND;
use crate::control::{self, Request, local_time};

/// Show devices that nobody knew: who waits for approval, and what was decided.
#[derive(Args, Debug)]
pub struct Devices {
    /// Only those that wait.
    #[arg(long)]
    pub waiting: bool,
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
}

/// Decide about a device that nobody knew.
#[derive(Args, Debug)]
pub struct Decide {
    /// Its hardware address.
    #[arg(value_name = "MAC")]
    pub hardware: String,
    /// Forget what was decided.
    #[arg(long)]
    pub forget: bool,
    /// Only while this is how it stands: it is refused where somebody else has decided meanwhile.
    #[arg(long = "if", value_name = "STATE", value_parser = ["waiting", "approved", "denied"])]
    pub state: Option<String>,
    /// The daemon's control socket.
    #[arg(long, value_name = "PATH", default_value = control::DEFAULT_SOCKET)]
    pub socket: std::path::PathBuf,
}

/// Runs `leasehold devices`: 3 when there is none.
///
/// # Errors
/// When no daemon answers at the socket.
pub fn run(devices: &Devices) -> anyhow::Result<ExitCode> {
    let mut found: Vec<Device> = devices.daemon.ask(&Request::Devices)?;
    found.retain(|device| !devices.waiting || device.state == "waiting");
    if devices.daemon.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["HARDWARE", "STATE", "CALLS ITSELF", "KIND", "LAST SEEN", "WHERE"]);
        for device in &found {
            let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
            let place = device.place.clone().or_else(|| device.interface.clone()).unwrap_or_default();
            table.add_row([
                device.hardware.clone(),
                device.state.clone(),
                or_none(&device.hostname),
                or_none(&device.vendor_class),
                device.last_seen.map_or_else(|| "-".to_owned(), local_time),
                or_none(&place),
            ]);
        }
        println!("{table}\n{} devices", found.len());
    }
    Ok(if found.is_empty() { ExitCode::from(NOT_FOUND) } else { ExitCode::SUCCESS })
}

/// Runs `leasehold approve` and `leasehold deny`.
///
/// # Errors
/// When no daemon answers, or it cannot keep the decision.
pub fn decide(decide: &Decide, verdict: &str) -> anyhow::Result<ExitCode> {
    let verdict = if decide.forget { "forget" } else { verdict }.to_owned();
    let (hardware, state) = (decide.hardware.clone(), decide.state.clone());
    let words: String = control::ask(&decide.socket, &Request::DecideDevice { hardware, verdict, state })?;
    println!("{words}");
    Ok(ExitCode::SUCCESS)
}
