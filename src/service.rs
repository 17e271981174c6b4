//! The daemon as a service of the machine: what it tells systemd, and what it gives up before it opens anything.
//!
//! Reading order: [`notify`] (words to the service manager), [`watchdog`] (it is fed only while leases can be given),
//! [`confinement`] (what is given up, in which order, and what is in force), and of that [`privileges`] (user and
//! capabilities), [`files`] (landlock) and [`calls`] (seccomp).
//!
//! Architecture Invariant: everything is given up on the first thread before there is a second one, since the kernel
//! takes users, capabilities and filters thread by thread, and a new thread has what its maker has.

pub mod calls;
pub mod confinement;
pub mod files;
pub mod notify;
pub mod privileges;
pub mod watchdog;
