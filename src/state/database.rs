#[derive(Clone)]
pub(super) struct Database;
