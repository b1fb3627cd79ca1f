//! strongroom-core
