//! strongroom-coordinator
