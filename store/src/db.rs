//! Check, compact, repair, dump: what the operator does to a store.
