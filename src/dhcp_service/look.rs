//! Looks at the core between two batches, for whoever shows what is there.

use dhcp::time::Now;
use tokio::sync::oneshot;

use crate::core::Core;

/// What looks at the core, and sends what it sees to whoever wants it. No datagram is answered meanwhile, so it looks at a
/// bounded part and comes again for the next.
pub struct Look(Looking);

type Looking = Box<dyn FnOnce(&Core, Now) + Send>;

impl Look {
    /// A look, and where what it sees comes out; nothing comes out when the service has ended.
    pub fn new<T: Send + 'static>(look: impl FnOnce(&Core, Now) -> T + Send + 'static) -> (Self, oneshot::Receiver<T>) {
        let (to, seen) = oneshot::channel();
        // Whoever wanted to know may have gone.
        (Self(Box::new(move |core, now| drop(to.send(look(core, now))))), seen)
    }

    pub(super) fn at(self, core: &Core, now: Now) {
        (self.0)(core, now);
    }
}

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Look")
    }
}
