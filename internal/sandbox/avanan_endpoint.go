package sandbox

const (
	avananAuth = "/v1.0/auth"
	// avananScope is the one tenant that the app sees: farm:customer.
	avananScope = "mt-prod-3:acme"

	avananEnvelope = `{"responseEnvelope":{"requestId":"sandbox","responseCode":200,"responseText":"Success"},"responseData":`
	avananNoData   = avananEnvelope + `[]}`
)

// avananEndpoints are those of Avanan's pages and public clients, except the handshake.
var avananEndpoints = []endpoint{
	{"GET", "/v1.0/scopes", avananNoData},
	{"GET", "/v1.0/event/*", avananNoData},
	{"POST", "/v1.0/event|search/query", avananNoData},
	{"GET", "/v1.0/search/entity/*", avananNoData},
	{"GET", "/v1.0/task/*", avananNoData},
	{"POST", "/v1.0/action/event|entity", avananNoData},
	{"GET", "/v1.0/exceptions/*", avananNoData},
	{"GET", "/v1.0/exceptions/*/*", avananNoData},
	{"GET", "/v1.0/msp/tenants|usage|licenses", avananNoData},
}
