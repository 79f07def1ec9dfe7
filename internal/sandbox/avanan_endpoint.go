package sandbox

const (
	avananAuth      = "/v1.0/auth"
	avananPublicKey = "/v1.0/public_key"
	// avananScope is the one tenant that the app sees: farm:customer.
	avananScope = "mt-prod-3:acme"

	avananEnvelope = `{"responseEnvelope":{"requestId":"sandbox","responseCode":200,"responseText":"Success"},` +
		`"responseData":`
	avananNoData = avananEnvelope + `[]}`
)

// avananEndpoints are those of Avanan's pages and public clients, except the handshake and the public key. Where
// sources name two methods for a path with or without an id, both take both.
var avananEndpoints = []endpoint{
	{"GET", "/v1.0/scopes", avananEnvelope + `["` + avananScope + `"]}`},
	{"GET", "/v1.0/event/*", avananNoData},
	{"POST", "/v1.0/event/query", avananNoData},
	{"GET", "/v1.0/search/entity/*", avananNoData},
	{"POST", "/v1.0/search/query", avananNoData},
	{"GET", "/v1.0/task/*", avananNoData},
	{"POST", "/v1.0/action/event|entity", avananNoData},
	{"GET", "/v1.0/download|download_large_email/entity/*", avananNoData},
	// Clients post reports; the pages list the path without a method.
	{"GET POST", "/v1.0/report/mis-classification", avananNoData},

	{"GET POST PUT", "/v1.0/exceptions/whitelist|blacklist", avananNoData},
	{"GET POST PUT", "/v1.0/exceptions/whitelist|blacklist/*", avananNoData},
	{"POST", "/v1.0/exceptions/whitelist|blacklist/delete/*", avananNoData},

	{"GET", "/v1.0/sectool-exceptions/...", avananNoData},
	{"POST PUT DELETE", "/v1.0/sectool-exceptions/*", avananNoData},
	{"DELETE", "/v1.0/sectool-exceptions/*/exceptions", avananNoData},
	{"GET", "/v1.0/sectools/...", avananNoData},
	{"POST DELETE", "/v1.0/sectools/anomaly/exceptions", avananNoData},
	{"DELETE", "/v1.0/sectools/click_time_protection/exceptions", avananNoData},
	{"POST DELETE", "/v1.0/sectools/click_time_protection/exceptions/items", avananNoData},
	{"PUT DELETE", "/v1.0/sectools/click_time_protection/exceptions/items/*", avananNoData},
	{"GET", "/v1.0/soar/...", avananNoData},
	{"POST", "/v1.0/soar/notify", avananNoData},

	{"GET POST DELETE", "/v1.0/msp/tenants", avananNoData},
	{"GET POST DELETE", "/v1.0/msp/tenants/*", avananNoData},
	{"GET", "/v1.0/msp/users|addons|usage|licenses|msp-partners|msp-partners-extended", avananNoData},
	{"GET", "/v1.0/msp/usage/daily", avananNoData},
}
