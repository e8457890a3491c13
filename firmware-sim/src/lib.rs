//! Simulated terminals, responders and a simulated 120 centre.
