//! The bytes of an esker repository.
