//! One file of TOML to a checked configuration, with every fault at once: line, column and the mend.
