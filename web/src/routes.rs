//! Routes with the role that each needs. A route gets into the router by [`Routes::may`] alone, so that none is without one,
//! and what is checked is what the description says.

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Router, http};
use utoipa::openapi::path::{Operation, Paths};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response as Described, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::access::{Caller, Need, Role};
use crate::ask::Refusal;
use crate::problem::KIND;

/// The names of the ways to be known, in the description.
pub(crate) const BY_TOKEN: &str = "token";
pub(crate) const BY_COOKIE: &str = "session";

/// A route, for whoever wants to know what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `GET`, `PUT` and so on.
    pub method: &'static str,
    /// With names in braces for what varies.
    pub path: String,
    /// Who may.
    pub need: Need,
}

/// See the module.
pub(crate) struct Routes<S> {
    router: OpenApiRouter<S>,
    table: Vec<Route>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(crate) fn new(description: OpenApi) -> Self {
        Self { router: OpenApiRouter::with_openapi(description), table: Vec::new() }
    }

    /// Adds routes that whoever fulfils `need` may ask.
    pub(crate) fn may(mut self, need: Need, (schemas, mut paths, methods): UtoipaMethodRouter<S>) -> Self {
        self.table.extend(describe(need, &mut paths));
        let methods = methods.route_layer(from_fn_with_state(need, gate));
        self.router = self.router.routes((schemas, paths, methods));
        self
    }

    pub(crate) fn done(self) -> (Router<S>, OpenApi, Vec<Route>) {
        let (router, description) = self.router.split_for_parts();
        (router, description, self.table)
    }
}

/// Lets through who may, and whose change is meant.
async fn gate(State(need): State<Need>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else {
        // Nobody was asked who they are: that is our fault, and no reason to let them in.
        return Refusal::Unknown("it is not known who asks".to_owned()).into_response();
    };
    match judge(need, caller, request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn judge(need: Need, caller: &Caller, method: &http::Method, headers: &http::HeaderMap) -> Result<(), Refusal> {
    if let Need::Role(needed) = need {
        let Some(role) = caller.role else {
            return Err(Refusal::Unknown("sign in first, or come with `Authorization: Bearer TOKEN`".to_owned()));
        };
        if role < needed {
            return Err(Refusal::Forbidden(format!("this needs the role `{needed}`; yours is `{role}`")));
        }
    }
    caller.check_change(method, headers)
}

/// Says of each operation who may and how it can be refused; lists them.
fn describe(need: Need, paths: &mut Paths) -> Vec<Route> {
    let mut table = Vec::new();
    for (path, item) in &mut paths.paths {
        let operations = [
            ("GET", &mut item.get),
            ("PUT", &mut item.put),
            ("POST", &mut item.post),
            ("DELETE", &mut item.delete),
            ("PATCH", &mut item.patch),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                add_refusals(need, method, operation);
                table.push(Route { method, path: path.clone(), need });
            }
        }
    }
    table
}

fn add_refusals(need: Need, method: &str, operation: &mut Operation) {
    let mut refusals = Vec::new();
    if let Need::Role(role) = need {
        let none: [&str; 0] = [];
        operation.security =
            Some(vec![SecurityRequirement::new(BY_TOKEN, none), SecurityRequirement::new(BY_COOKIE, none)]);
        let words = role_words(role);
        operation.description = Some(match operation.description.take() {
            Some(told) if !told.is_empty() => format!("{told}\n\n{words}"),
            _ => words,
        });
        refusals.extend([
            (401, "Nobody has signed in, or the token is wrong"),
            (403, "The role may not, or another site's page asks"),
        ]);
    }
    refusals.extend([
        (400, "The question is wrong"),
        (421, "By a name that is not this server's"),
        (429, "Too many wrong attempts"),
        (503, "So many questions wait, or the daemon is ending"),
    ]);
    if method != "GET" {
        refusals.extend([
            (403, "The role may not, or another site's page asks"),
            (408, "The body did not come in time"),
            (409, "It does not go with what is there"),
            (412, "Somebody else has changed it meanwhile"),
            (413, "The body is too large"),
            (415, "The body is not said to be JSON"),
            (422, "The body is not what it has to be"),
        ]);
    }
    for (code, words) in refusals {
        operation.responses.responses.entry(code.to_string()).or_insert_with(|| RefOr::T(refusal(words)));
    }
    for (code, response) in &mut operation.responses.responses {
        if code.starts_with(['4', '5'])
            && let RefOr::T(response) = response
            && let Some(content) = response.content.swap_remove("application/json")
        {
            response.content.insert(KIND.to_owned(), content);
        }
    }
}

fn role_words(role: Role) -> String {
    format!("Needs the role `{role}`.")
}

fn refusal(words: &str) -> Described {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(words).content(KIND, content).build()
}
