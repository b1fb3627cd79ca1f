//! What every disk must do, what a crash must spare, and that the twin catches a writer which forgets a step.

mod conformance;
mod crash;
mod failpoint;
mod real;
