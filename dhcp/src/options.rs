//! Option codes of DHCPv4 by name (RFC 2132 and the IANA registry).
