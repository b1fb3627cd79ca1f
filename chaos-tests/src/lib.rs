//! strongroom-chaos-tests
