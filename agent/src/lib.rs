//! strongroom-agent
