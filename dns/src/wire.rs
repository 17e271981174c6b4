//! The wire edge to hickory-proto.
