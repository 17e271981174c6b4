//! Zones that are copies of other servers': this server as a secondary.
//!
//! Reading order: [`follower`] (when which primary is asked what, and what its answers lead to), [`reading`] (the messages
//! of a transfer, one after the other, to what they bring), [`taken`] (that, to the next zone and what is to be stored).
//!
//! Nothing of a transfer is used before all of it has come, fits together and fits the limits: a primary that lies, breaks
//! off or never ends costs what the limits say, and the zone stays as it was.

pub mod follower;
pub mod reading;
pub mod taken;

pub use follower::{Action, Failure, Fetched, Follower, Standing};
pub use reading::{Incoming, Limits, Progress, Reading, Step, TransferFault, Wanted};
pub use taken::{Taken, take};
