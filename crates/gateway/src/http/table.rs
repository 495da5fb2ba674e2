//! This file is where routes are written down as they are made, so that none goes without its line in the tests.

use axum::{
    Router,
    handler::Handler,
    routing::{get, post},
};

/// A route: method and path, with placeholders as `{id}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: String,
}

/// Routes, and the table of them.
pub struct Routes {
    router: Router,
    table: Vec<Route>,
}

/// Routes of one state, being made.
pub struct Making<S> {
    router: Router<S>,
    table: Vec<Route>,
}

impl Route {
    /// A route.
    #[must_use]
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into() }
    }
}

impl<S: Clone + Send + Sync + 'static> Making<S> {
    /// No route yet.
    #[must_use]
    pub fn new() -> Self {
        Self { router: Router::new(), table: Vec::new() }
    }

    /// One more, for GET; HEAD comes with it.
    #[must_use]
    pub fn get<H: Handler<T, S>, T: 'static>(mut self, path: &str, handler: H) -> Self {
        self.router = self.router.route(path, get(handler));
        self.table.push(Route::new("GET", path));
        self
    }

    /// One more, for POST.
    #[must_use]
    pub fn post<H: Handler<T, S>, T: 'static>(mut self, path: &str, handler: H) -> Self {
        self.router = self.router.route(path, post(handler));
        self.table.push(Route::new("POST", path));
        self
    }

    /// With the state that the handlers share.
    #[must_use]
    pub fn with_state(self, state: S) -> Routes {
        Routes { router: self.router.with_state(state), table: self.table }
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Making<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl Routes {
    /// Routes that a router reads by itself, with its own word for what they are.
    #[must_use]
    pub fn of(router: Router, table: Vec<Route>) -> Self {
        Self { router, table }
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.table.extend(other.table);
        self
    }

    /// All of them, in order.
    #[must_use]
    pub fn table(&self) -> Vec<Route> {
        let mut table = self.table.clone();
        table.sort_by(|one, other| (&one.path, one.method).cmp(&(&other.path, other.method)));
        table
    }

    /// What serves them.
    pub fn into_router(self) -> Router {
        self.router
    }
}
