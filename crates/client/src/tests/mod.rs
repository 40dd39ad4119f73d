//! A client against a scripted broker over memory links.

mod closing;
mod hostile;
mod publishing;
mod receiving;
mod reconnecting;
mod refusals;
mod silence;
mod subscribing;
mod support;
