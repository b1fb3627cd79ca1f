//! strongroom-platform
