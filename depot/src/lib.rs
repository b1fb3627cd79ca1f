//! strongroom-depot
