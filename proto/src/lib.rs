//! strongroom-proto
