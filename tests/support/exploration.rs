//! Exhaustive exploration of a model: either it keeps its properties, or a named one is refuted.

use std::{fmt::Debug, hash::Hash};

use stateright::{Checker as _, HasDiscoveries, Model};

/// Explores every reachable state; returns how many there were.
///
/// # Panics
/// With the steps that lead there, if a property that holds always is broken; or if what must sometimes happen never does.
#[track_caller]
pub fn verify<M>(name: &str, model: M) -> usize
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + Debug + 'static,
    M::Action: Clone + PartialEq + Debug,
{
    let checker = model.checker().spawn_bfs().join();
    println!("{name}: {} states, {} steps deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
    checker.unique_state_count()
}

/// Explores until a property is broken; returns the shortest way there, one step an element.
///
/// # Panics
/// If nothing breaks, or something else than `property` does.
#[track_caller]
pub fn refute<M>(name: &str, model: M, property: &'static str) -> Vec<M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + Debug + 'static,
    M::Action: Clone + PartialEq + Debug,
{
    let checker = model.checker().finish_when(HasDiscoveries::AnyOf([property].into())).spawn_bfs().join();
    let steps = checker.discovery(property).map(|path| path.into_actions());
    println!("{name}: {} states, {} steps to the counterexample", checker.unique_state_count(), steps.as_ref().map_or(0, Vec::len));
    steps.unwrap_or_else(|| panic!("{name}: nothing breaks \"{property}\", so the model could not have told"))
}
