//! One member alone, driven by hand: what it does with its folder, its disk and its neighbours.

mod folder;
mod neighbours;
mod snapshots;
mod space;
mod world;
