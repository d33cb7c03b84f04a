//! The table of paths: what exists, with which methods, by what name it is counted.
//! It must not know which handler answers.

use hyper::Method;

/// One path of the interface.
#[derive(Debug)]
pub(crate) struct Path {
    /// As the OpenAPI document writes it; also the `route` label of metrics.
    pub(crate) template: &'static str,
    /// The methods of the document.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with the document by a test"))]
    pub(crate) methods: &'static [Method],
}

/// A path's place in [`ROUTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Route(pub(crate) usize);

const fn path(template: &'static str, methods: &'static [Method]) -> Path {
    Path { template, methods }
}

const GET: &[Method] = &[Method::GET];

/// Every path. The first is what no path matched.
pub(crate) const ROUTES: [Path; 24] = [
    path("other", &[]),
    path("/api/v1/rates/{pair}", GET),
    path("/api/v1/currency_pair/", GET),
    path("/api/v1/courses", GET),
    path("/api/v1/rates", GET),
    path("/api/v1/convert", GET),
    path("/api/v1/pairs", GET),
    path("/api/v1/venues", &[Method::GET, Method::POST]),
    path("/api/v1/stream", GET),
    path("/api/v1/trade-info", &[Method::GET, Method::POST]),
    path("/api/v1/trade-info/{id}", &[Method::PATCH, Method::DELETE]),
    path("/livez", GET),
    path("/readyz", GET),
    path("/metrics", GET),
    path("/openapi.json", GET),
    path("/", GET),
    path("/app.js", GET),
    path("/app.css", GET),
    path("/favicon.svg", GET),
    path("/robots.txt", GET),
    path("/api/v1/venues/{name}", &[Method::GET, Method::DELETE]),
    path("/api/v1/history/{pair}", GET),
    path("/api/v1/alerts", &[Method::GET, Method::POST]),
    path("/api/v1/alerts/{id}", &[Method::GET, Method::DELETE]),
];

impl Route {
    /// What no path matched.
    pub(crate) const OTHER: Route = Route(0);
    /// One rate: hot.
    pub(crate) const RATE: Route = Route(1);
    /// One rate in the original shape: hot.
    pub(crate) const CURRENCY_PAIR: Route = Route(2);

    /// The route of a path, for labels: never more of them than the table has.
    pub(crate) fn of(path: &str) -> Route {
        if path.starts_with("/api/v1/rates/") {
            return Route::RATE;
        }
        if path.starts_with("/api/v1/trade-info/") {
            return Route(10);
        }
        if path.starts_with("/api/v1/history/") {
            return Route(21);
        }
        if path.starts_with("/api/v1/alerts/") {
            return Route(23);
        }
        if path.starts_with("/api/v1/venues/") {
            return Route(20);
        }
        // The original endpoints are answered with and without a last slash.
        let path = match path {
            "/api/v1/currency_pair" => "/api/v1/currency_pair/",
            "/api/v1/courses/" => "/api/v1/courses",
            other => other,
        };
        ROUTES.iter().position(|route| route.template == path).map_or(Route::OTHER, Route)
    }
}
