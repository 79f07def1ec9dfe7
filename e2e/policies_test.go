package e2e

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// answerer is who answers a request: Vault's policies, with 403 and before the plugin sees it, or the engine.
type answerer int

const (
	served answerer = iota // 200 or 204
	byACL
	byEngine // 400
)

func (a answerer) holds(status int) bool {
	switch a {
	case served:
		return status == http.StatusOK || status == http.StatusNoContent
	case byACL:
		return status == http.StatusForbidden
	default:
		return status == http.StatusBadRequest
	}
}

// policyRow is one request of a token that has a policy of examples/policies and no other.
type policyRow struct {
	method, path string
	body         any      // of a write
	query        []string // of a read: names and values
	by           answerer
	// itemwise reports whether the policy lets it pass only where allowed_parameters match the items of a list and
	// trimmed strings. Else the policy denies it.
	itemwise bool
}

func get(path string, by answerer, query ...string) policyRow {
	return policyRow{method: http.MethodGet, path: path, query: query, by: by}
}

func put(path string, body any, by answerer) policyRow {
	return policyRow{method: http.MethodPut, path: path, body: body, by: by}
}

func do(method, path string, by answerer) policyRow {
	return policyRow{method: method, path: path, by: by}
}

func patch(path string, body any, by answerer) policyRow {
	return policyRow{method: http.MethodPatch, path: path, body: body, by: by}
}

func itemwise(row policyRow) policyRow {
	row.itemwise = true
	return row
}

var canary = regexp.MustCompile(harness.Canary + `\w+`)

// String is the request, without secrets.
func (r policyRow) String() string {
	text := r.method + " " + r.path
	if r.body != nil {
		text += fmt.Sprintf(" %.50v", r.body)
	}
	if r.query != nil {
		text += fmt.Sprintf(" %.50q", r.query)
	}
	return canary.ReplaceAllString(text, "a secret")
}

// Each policy of examples/policies allows what it is for, and nothing else.
func TestExamplePoliciesLimitRequests(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	for _, name := range []string{"main", "other"} {
		m.Write("config/pave/"+name, m.PaveValues())
	}
	for _, name := range []string{"us", "eu"} {
		m.Write("config/avanan/"+name, m.AvananValues())
		m.Write("config/infinity/"+name, m.InfinityValues())
	}
	m.WriteCustom("orders")
	m.WriteCustom("other")
	m.Write("config/custom/main", values{"scheme": credsScheme, "secret": harness.NewSecret(), "base_url": m.URL})
	for policy, rows := range map[string][]policyRow{
		"custom-reader":                   customReaderRows(),
		"custom-signer-orders-read":       customSignerRows(),
		"pave-reader":                     paveReaderRows(),
		"infinity-reader":                 infinityReaderRows(),
		"avanan-token-reader":             avananTokenReaderRows(),
		"avanan-signer-events-only":       avananSignerRows(),
		"avanan-batch-signer-events-only": avananBatchSignerRows(),
		"operator":                        operatorRows(m),
		"proxy":                           proxyRows(),
		"rotator":                         rotatorRows(),
		"sre":                             sreRows(),
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			application := withPolicy(t, m, policy)
			for _, row := range rows {
				t.Run(row.String(), func(t *testing.T) { // in order: an operator's later requests need the earlier ones
					status, _, text := application.In(t).Request(row.method, row.path, row.body, row.query...)
					if row.itemwise && m.Server.Kind.ComparesWholeValues() {
						row.by = byACL
					}
					require.True(t, row.by.holds(status), "%d %s", status, text)
				})
			}
		})
	}
}

// In the middle of a policy's path a * matches nothing, and a + matches one segment.
func TestStarInsidePolicyPathMatchesNothing(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	document, err := os.ReadFile("../docs/policies.md")
	require.NoError(t, err)
	for path, want := range map[string]int{ //nolint:paralleltest // waiting, a Vault would idle
		"apisig/creds/*/main": http.StatusForbidden,
		"apisig/creds/+/main": http.StatusOK,
	} {
		t.Run(path, func(t *testing.T) {
			require.Contains(t, string(document), "`"+path+"`")
			reader := m.WithRules(t, strings.ReplaceAll(path, "/", "-"), `path "`+path+`" { capabilities = ["read"] }`)
			status, _, text := reader.Request(http.MethodGet, "creds/pave/main", nil)
			require.Equal(t, want, status, text)
		})
	}
}

// withPolicy is the mount as seen by a token that has one policy, read from its file.
func withPolicy(t *testing.T, m *harness.Mount, name string) *harness.Mount {
	t.Helper()
	rules, err := os.ReadFile("../examples/policies/" + name + ".hcl")
	require.NoError(t, err)
	return m.WithRules(t, name, string(rules))
}

// elsewhere are requests that none of the readers' policies allows.
func elsewhere() []policyRow {
	rows := []policyRow{
		do("LIST", "config/pave", byACL),
		do("LIST", "config/avanan", byACL),
		do("LIST", "config/infinity", byACL),
		do("LIST", "config/custom", byACL),
		do("LIST", "creds/pave", byACL),
		do("LIST", "status/pave", byACL),
		get("metrics", byACL),
		get("status/pave/main", byACL),
		get("status/avanan/us", byACL),
		get("status/infinity/us", byACL),
		get("status/custom/main", byACL),
		put("check/pave/main", nil, byACL),
		put("check/avanan/us", nil, byACL),
		put("check/infinity/us", nil, byACL),
		put("check/custom/main", nil, byACL),
		do("LIST", "schemes", byACL),
		get("schemes/binance", byACL),
	}
	for _, path := range []string{
		"config/pave/main",
		"config/avanan/us",
		"config/infinity/us",
		"config/custom/main",
		"config/custom/orders",
		"creds/pave/other",
		"creds/avanan/eu",
		"creds/infinity/eu",
		"creds/custom/other",
		"sign/avanan/eu",
		"sign/custom/other",
	} {
		rows = append(rows,
			get(path, byACL),
			put(path, values{}, byACL),
			patch(path, values{}, byACL),
			do(http.MethodDelete, path, byACL))
	}
	return rows
}

// readerRows are requests with a policy that allows reads of one path.
func readerRows(path string, more ...policyRow) []policyRow {
	rows := append(elsewhere(),
		get(path, served),
		get(path, served, "unauthorized", "true"),
		put(path, nil, byACL),
		put(path, values{"unauthorized": true}, byACL),
		do(http.MethodDelete, path, byACL),
		do("LIST", path, byACL),
		get(path+"x", byACL),
		get("sign/avanan/us", byACL, "request_string", "/v1.0/event/1"),
		put("sign/avanan/us", values{"request_string": "/v1.0/event/1"}, byACL),
	)
	for _, other := range []string{"creds/pave/main", "creds/avanan/us", "creds/infinity/us", "creds/custom/main"} {
		if other != path {
			rows = append(rows, get(other, byACL))
		}
	}
	return append(rows, more...)
}

func paveReaderRows() []policyRow {
	return readerRows("creds/pave/main",
		// Unknown parameters of a read are ignored.
		get("creds/pave/main", served, "timestamp", "2026-01-02T03:04:05Z"),
		get("creds/pave/main", served, "username", "other"),
	)
}

func infinityReaderRows() []policyRow {
	return readerRows("creds/infinity/us",
		get("creds/infinity/us", served, "min_ttl", "20m"),
		get("creds/infinity/us", served, "request_string", "/v1.0/event/1"),
	)
}

func avananTokenReaderRows() []policyRow {
	return readerRows("creds/avanan/us",
		get("creds/avanan/us", byEngine, "min_ttl", "1h"),
	)
}

func avananSignerRows() []policyRow {
	rows := append(elsewhere(),
		get("creds/pave/main", byACL),
		get("creds/avanan/us", byACL),
		get("creds/infinity/us", byACL),
		do(http.MethodDelete, "sign/avanan/us", byACL),
		do("LIST", "sign/avanan/us", byACL),
		// No parameter, or none with that name.
		get("sign/avanan/us", byACL),
		put("sign/avanan/us", nil, byACL),
		put("sign/avanan/us", values{}, byACL),
		put("sign/avanan/us", values{"Request_String": "/v1.0/event/1"}, byACL),
		put("sign/avanan/us", values{"REQUEST_STRING": "/v1.0/event/1", "request_string": "/v1.0/event/1"}, byEngine),
		// With a report of a 401, whatever its value is.
		get("sign/avanan/us", served, "request_string", "/v1.0/event/1", "unauthorized", "true"),
		get("sign/avanan/us", byACL, "request_string", "/v1.0/action/entity", "unauthorized", "true"),
		get("sign/avanan/us", byACL, "unauthorized", "true"),
		put("sign/avanan/us", values{"request_string": "/v1.0/event/1", "unauthorized": true}, served),
		put("sign/avanan/us", values{"request_string": "/v1.0/event/1", "unauthorized": false}, served),
		put("sign/avanan/us", values{"request_string": "/v1.0/event/1", "unauthorized": "/v1.0/action/entity"}, byEngine),
		put("sign/avanan/us", values{"request_string": "/v1.0/action/entity", "unauthorized": true}, byACL),
		put("sign/avanan/us", values{"unauthorized": true}, byACL),
		// Another parameter as well.
		put("sign/avanan/us", values{
			"request_string":  "/v1.0/event/1",
			"request_strings": []string{"/v1.0/action/entity"},
		}, byACL),
		put("sign/avanan/us", values{"request_string": "/v1.0/event/1", "date": "2026-01-02T03:04:05"}, byACL),
		get("sign/avanan/us", byACL, "request_string", "/v1.0/event/1", "name", "eu"),
		put("sign/avanan/us/batch", values{"request_strings": []string{"/v1.0/event/1"}}, byACL),
		// More than one value, or one that is not a string.
		get("sign/avanan/us", byACL, "request_string", "/v1.0/event/1", "request_string", "/v1.0/action/entity"),
		put("sign/avanan/us", values{"request_string": []string{"/v1.0/action/entity"}}, byACL),
		itemwise(put("sign/avanan/us", values{"request_string": []string{"/v1.0/event/1"}}, byEngine)),
		itemwise(put("sign/avanan/us", values{"request_string": []string{}}, byEngine)),
		put("sign/avanan/us", values{"request_string": values{"a": "/v1.0/event/1"}}, byACL),
		put("sign/avanan/us", values{"request_string": 1}, byACL),
		put("sign/avanan/us", values{"request_string": nil}, byACL),
	)
	for requestString, by := range map[string]answerer{
		"/v1.0/event/1":                     served,
		"/v1.0/event/query":                 served,
		"/v1.0/search/query":                served,
		"/v1.0/search/entity/1?scope=a%3Ab": served,
		"/v1.0/action/entity":               byACL,
		"/v1.0/scopes":                      byACL,
		"/v1.0/event":                       byACL,
		"/v1.0/events/1":                    byACL,
		"/V1.0/event/1":                     byACL,
		"v1.0/event/1":                      byACL,
		"/v1.0//event/1":                    byACL,
		"//v1.0/event/1":                    byACL,
		"/v1.0/./event/1":                   byACL,
		"/v1.0%2Fevent/1":                   byACL,
		"/v1.0/%65vent/1":                   byACL,
		"https://smart-api-production-1-us.avanan.net/v1.0/event/1": byACL,
		// These pass a policy, which splits at commas, trims, and compares prefixes. The engine must reject them.
		" ":                                        byACL,
		",":                                        byACL,
		"/v1.0/event/1 ":                           byEngine,
		"/v1.0/event/1,":                           byEngine,
		"/v1.0/event/1,/v1.0/event/2":              byEngine,
		"/v1.0/event/1,/v1.0/action/entity":        byEngine,
		",/v1.0/event/1":                           byACL,
		"/v1.0/event/../action/entity":             byEngine,
		"/v1.0/event/./1":                          byEngine,
		"/v1.0/event//1":                           byEngine,
		"/v1.0/event/..":                           byEngine,
		"/v1.0/event/%2e%2e/action/entity":         byEngine,
		"/v1.0/event/%2E%2E/action/entity":         byEngine,
		"/v1.0/event/.%2e/action":                  byEngine,
		"/v1.0/event/..%2Faction%2Fentity":         byEngine,
		"/v1.0/event/..%2faction":                  byEngine,
		"/v1.0/event/%252e%252e/action":            byEngine,
		`/v1.0/event/..\action`:                    byEngine,
		"/v1.0/event/..%5Caction":                  byEngine,
		"/v1.0/event/..;/action":                   byEngine,
		"/v1.0/event/1#x":                          byEngine,
		"/v1.0/event/1?":                           byEngine,
		"/v1.0/event/\n":                           byEngine,
		"/v1.0/event/é":                            byEngine,
		"/v1.0/event/" + strings.Repeat("x", 8192): byEngine,
		"/v1.0/event/1?q=US:sandbox2026-01-02T03:04:05.123456/v1.0/action":     byEngine,
		"/v1.0/event/US:sandbox2026-01-02T03:04:05.123456":                     byEngine,
		"/v1.0/event/1?q=us%3Asandbox":                                         byEngine,
		"/v1.0/event/1?q=US%253ASANDBOX2026-01-02T03:04:05.123456/v1.0/action": byEngine,
	} {
		rows = append(rows,
			put("sign/avanan/us", values{"request_string": requestString}, by),
			get("sign/avanan/us", by, "request_string", requestString))
	}
	// As the ones above, but only where the policy trims.
	for _, requestString := range []string{"", " /v1.0/event/1"} {
		rows = append(rows,
			itemwise(put("sign/avanan/us", values{"request_string": requestString}, byEngine)),
			itemwise(get("sign/avanan/us", byEngine, "request_string", requestString)))
	}
	return rows
}

func avananBatchSignerRows() []policyRow {
	batch := func(requestStrings any) values { return values{"request_strings": requestStrings} }
	const path = "sign/avanan/us/batch"
	return append(elsewhere(),
		itemwise(put(path, batch([]string{"/v1.0/event/1", "/v1.0/search/query"}), served)),
		put(path, batch("/v1.0/event/1"), served),
		itemwise(put(path, values{"request_strings": []string{"/v1.0/event/1"}, "unauthorized": true}, served)),
		itemwise(put(path, values{
			"request_strings": []string{"/v1.0/event/1"},
			"unauthorized":    "/v1.0/action/entity",
		}, byEngine)),
		put(path, values{"request_strings": []string{"/v1.0/action/entity"}, "unauthorized": true}, byACL),
		put(path, values{"unauthorized": true}, byACL),
		put("sign/avanan/us", values{"request_string": "/v1.0/event/1"}, byACL),
		get("sign/avanan/us", byACL, "request_string", "/v1.0/event/1"),
		get(path, byACL, "request_strings", "/v1.0/event/1"),
		do(http.MethodDelete, path, byACL),
		do("LIST", path, byACL),
		put("sign/avanan/eu/batch", batch([]string{"/v1.0/event/1"}), byACL),
		put(path, nil, byACL),
		put(path, values{}, byACL),
		put(path, batch(nil), byACL),
		put(path, batch([]string{"/v1.0/event/1", "/v1.0/action/entity"}), byACL),
		put(path, batch([]string{"/v1.0/action/entity", "/v1.0/event/1"}), byACL),
		put(path, values{"request_strings": []string{"/v1.0/event/1"}, "request_string": "/v1.0/event/1"}, byACL),
		itemwise(put(path, values{
			"request_strings": []string{"/v1.0/event/1"},
			"Request_Strings": []string{"/v1.0/event/1"},
		}, byEngine)),
		put(path, batch([]any{"/v1.0/event/1", 1}), byACL),
		put(path, batch([]any{[]string{"/v1.0/event/1"}}), byACL),
		put(path, batch([]any{"/v1.0/event/1", nil}), byACL),
		put(path, batch(values{"a": "/v1.0/event/1"}), byACL),
		// These pass the policy. The engine must reject them.
		itemwise(put(path, batch([]string{}), byEngine)),
		itemwise(put(path, batch(""), byEngine)),
		itemwise(put(path, batch([]string{"/v1.0/event/1", "/v1.0/event/../action/entity"}), byEngine)),
		itemwise(put(path, batch([]string{"/v1.0/event/1,/v1.0/action/entity"}), byEngine)),
		put(path, batch("/v1.0/event/1,/v1.0/event/2"), byEngine),
		itemwise(put(path, batch(" /v1.0/event/1"), byEngine)),
		itemwise(put(path, batch([]string{"/v1.0/event/1?q=US:sandbox2026-01-02T03:04:05.123456/v1.0/action"}), byEngine)),
	)
}

func proxyRows() []policyRow {
	return append(elsewhere(),
		get("creds/pave/main", served),
		get("creds/pave/main", served, "unauthorized", "true"),
		put("creds/pave/main", nil, byACL),
		get("creds/pave/main", served, "timestamp", "2026-01-02T03:04:05Z"),
		get("creds/avanan/us", byACL),
		put("creds/avanan/us", nil, byACL),
		put("sign/avanan/us", values{"request_string": "/v1.0/event/1"}, served),
		put("sign/avanan/us", values{"request_string": "/v1.0/search/query", "unauthorized": true}, served),
		put("sign/avanan/us", values{"request_string": "/v1.0/action/entity"}, byACL),
		put("sign/avanan/us", values{"request_string": "/v1.0/event/../action/entity"}, byEngine),
		put("sign/avanan/us", values{"unauthorized": true}, byACL),
		put("sign/avanan/us", values{"request_string": "/v1.0/event/1", "method": "GET"}, byACL),
		put("sign/avanan/us", nil, byACL),
		do(http.MethodDelete, "sign/avanan/us", byACL),
		// The proxy writes: Vault's audit log has a read's query.
		get("sign/avanan/us", byACL, "request_string", "/v1.0/event/1"),
		put("sign/avanan/us/batch", values{"request_strings": []string{"/v1.0/event/1"}}, byACL),
	)
}

// credsScheme has no request.
const credsScheme = `secrets: {secret: {}}
headers: {X-Time: now.unix(), X-Signature: 'hex(hmac_sha256(secret, now.unix()))'}
ttl: 60s
examples:
  # printf 1767323045 | openssl dgst -sha256 -hmac made-up
  - secrets: {secret: made-up}
    now: 2026-01-02T03:04:05Z
    want: {X-Signature: de6af3cdbd886418bd03ce7e6e8f6aec826502e3a940e663690161c9b3defae8}
`

func customReaderRows() []policyRow {
	return readerRows("creds/custom/main",
		get("creds/custom/main", served, "now", "2026-01-02T03:04:05Z"),
		get("creds/custom/main", served, "secret", "x"),
		get("creds/custom/orders", byACL),
		get("sign/custom/main", byACL),
		get("sign/custom/orders", byACL),
	)
}

func customSignerRows() []policyRow {
	const path = "sign/custom/orders"
	call := func(method, requestString any) values {
		return values{"method": method, "request_string": requestString}
	}
	hash := strings.Repeat("0", 64)
	rows := append(elsewhere(),
		put(path, call("GET", "/custom/v1/orders/1"), served),
		put(path, values{"method": "GET", "request_string": "/custom/v1/orders/1", "unauthorized": true}, served),
		get(path, served, "method", "GET", "request_string", "/custom/v1/orders/1"),
		// Another method, none, or two.
		put(path, call("DELETE", "/custom/v1/orders/1"), byACL),
		put(path, call("get", "/custom/v1/orders/1"), byACL),
		itemwise(put(path, call("", "/custom/v1/orders/1"), byEngine)),
		put(path, call(nil, "/custom/v1/orders/1"), byACL),
		put(path, call("GET,DELETE", "/custom/v1/orders/1"), byACL),
		put(path, call([]string{"GET", "DELETE"}, "/custom/v1/orders/1"), byACL),
		put(path, call([]string{"DELETE"}, "/custom/v1/orders/1"), byACL),
		itemwise(put(path, call([]string{"GET"}, "/custom/v1/orders/1"), byEngine)),
		get(path, byACL, "method", "GET", "method", "DELETE", "request_string", "/custom/v1/orders/1"),
		put(path, values{"request_string": "/custom/v1/orders/1"}, byACL),
		put(path, values{"Method": "DELETE", "request_string": "/custom/v1/orders/1"}, byACL),
		put(path, values{"METHOD": "DELETE", "method": "GET", "request_string": "/custom/v1/orders/1"}, byACL),
		put(path, values{"METHOD": "GET", "method": "GET", "request_string": "/custom/v1/orders/1"}, byEngine),
		// Another path, none, or one that leads out of the prefix.
		put(path, values{"method": "GET"}, byACL),
		put(path, nil, byACL),
		put(path, values{}, byACL),
		put(path, call("GET", "/custom/v1/orders"), byACL),
		put(path, call("GET", "/custom/v1/users/1"), byACL),
		put(path, call("GET", "/custom/v1/orders/../users/1"), byEngine),
		put(path, call("GET", "/custom/v1/orders/%2e%2e/users"), byEngine),
		put(path, call("GET", "/custom/v1/orders/1,/custom/v1/orders/2"), byEngine),
		itemwise(put(path, call("GET", " /custom/v1/orders/1"), byEngine)),
		// A body, which is not allowed, or another time.
		put(path, values{"method": "GET", "request_string": "/custom/v1/orders/1", "body_sha256": hash}, byACL),
		put(path, values{"method": "GET", "request_string": "/custom/v1/orders/1", "now": "2026-01-02T03:04:05Z"}, byACL),
		do(http.MethodDelete, path, byACL),
		do("LIST", path, byACL),
		put(path+"/batch", values{"request_strings": []string{"/a"}}, byACL),
		get("creds/custom/main", byACL),
		get("creds/custom/orders", byACL),
		put("sign/custom/main", call("GET", "/custom/v1/orders/1"), byACL),
		put("sign/avanan/us", values{"request_string": "/v1.0/event/1"}, byACL),
		get("creds/pave/main", byACL),
	)
	return rows
}

func operatorRows(m *harness.Mount) []policyRow {
	return []policyRow{
		put("config/pave/new", m.PaveValues(), served),
		put("config/pave/new", values{"ttl": 20}, served),
		patch("config/pave/new", values{"ttl": 30}, served),
		get("config/pave/new", served),
		do("LIST", "config/pave", served),
		do(http.MethodDelete, "config/pave/new", served),
		put("config/avanan/new", m.AvananValues(), served),
		get("config/avanan/new", served),
		do("LIST", "config/avanan", served),
		do(http.MethodDelete, "config/avanan/new", served),
		put("config/infinity/new", m.InfinityValues(), served),
		get("config/infinity/new", served),
		do("LIST", "config/infinity", served),
		put("config/infinity/new", values{"access_key": harness.NewSecret()}, byEngine), // for the stored address
		do(http.MethodDelete, "config/infinity/new", served),
		do("LIST", "config", served),
		put("config/custom/new", m.CustomValues(), served),
		get("config/custom/new", served),
		do("LIST", "config/custom", served),
		put("config/custom/new", values{"base_url": "https://other.example"}, byEngine),
		do(http.MethodDelete, "config/custom/new", served),
		do("LIST", "schemes", served),
		get("schemes/binance", served),
		get("creds/custom/main", byACL),
		put("sign/custom/orders", values{"method": "GET", "request_string": "/"}, byACL),
		put("config/pave/main", values{"tll": 20}, byEngine),
		put("sign/avanan/us/batch", values{"request_strings": []string{"/v1.0/event/1"}}, byACL),
		get("creds/pave/main", byACL),
		put("creds/pave/main", nil, byACL),
		get("creds/avanan/us", byACL),
		put("creds/avanan/us", nil, byACL),
		get("creds/infinity/us", byACL),
		put("creds/infinity/us", nil, byACL),
		get("sign/avanan/us", byACL, "request_string", "/v1.0/scopes"),
		put("sign/avanan/us", values{"request_string": "/v1.0/scopes"}, byACL),
	}
}

func rotatorRows() []policyRow {
	const elsewhere = "http://127.0.0.1:22"
	rows := []policyRow{
		do("LIST", "config", served),
		do("LIST", "config/pave", served),
		get("config/pave/main", served),
		put("check/pave/other", nil, served),
		put("config/pave/rotated", values{"username": "acme", "api_key": "key", "api_secret": harness.NewSecret()}, served),
		put("config/pave/rotated", values{"api_secret": harness.NewSecret(), "ttl": 20}, served),
		patch("config/pave/rotated", values{"ttl": 30}, served),
		do(http.MethodDelete, "config/pave/rotated", byACL),
		get("creds/pave/main", byACL),
		get("status/pave/main", byACL),
		get("config/custom/orders", served),
		put("config/custom/orders", values{"secret": harness.NewSecret()}, byACL),
		put("config/custom/rotated", values{"scheme": "ovhcloud"}, byACL),
	}
	for _, path := range []string{
		"config/pave/main",
		"config/avanan/us",
		"config/infinity/us",
		"config/custom/orders",
		"config/pave/rotated2",
	} {
		for _, body := range []values{
			{"base_url": elsewhere, "verify": true},
			{"base_url": elsewhere, "api_secret": harness.NewSecret()},
			{"base_url": ""},
			{"base_url": nil},
			{"base_url": []string{}},
			{"BASE_URL": elsewhere},
			{"ca_cert": ""},
		} {
			rows = append(rows, put(path, body, byACL), patch(path, body, byACL))
		}
	}
	return rows
}

func sreRows() []policyRow {
	return []policyRow{
		get("metrics", served),
		get("status/pave/main", served),
		get("status/avanan/us", served),
		get("status/infinity/us", served),
		do("LIST", "status/pave", served),
		do("LIST", "status/avanan", served),
		do("LIST", "status/infinity", served),
		put("check/pave/main", nil, served),
		put("check/avanan/us", nil, served),
		put("check/infinity/us", nil, served),
		get("status/custom/main", served),
		do("LIST", "status/custom", served),
		put("check/custom/main", nil, served),
		get("config/custom/main", byACL),
		get("creds/custom/main", byACL),
		put("metrics", nil, byACL),
		do("LIST", "metrics", byACL),
		do(http.MethodDelete, "metrics", byACL),
		get("metrics/x", byACL),
		put("status/pave/main", nil, byACL),
		do(http.MethodDelete, "status/pave/main", byACL),
		get("check/pave/main", byACL),
		do("LIST", "check/pave", byACL),
		do(http.MethodDelete, "check/pave/main", byACL),
		get("config/pave/main", byACL),
		put("config/pave/main", values{"ttl": 20}, byACL),
		do("LIST", "config/pave", byACL),
		get("config/avanan/us", byACL),
		do(http.MethodDelete, "config/avanan/us", byACL),
		get("config/infinity/us", byACL),
		get("creds/infinity/us", byACL),
		put("creds/infinity/us", nil, byACL),
		get("creds/pave/main", byACL),
		put("creds/pave/main", nil, byACL),
		get("creds/avanan/us", byACL),
		put("creds/avanan/us", nil, byACL),
		get("sign/avanan/us", byACL, "request_string", "/v1.0/scopes"),
		put("sign/avanan/us", values{"request_string": "/v1.0/scopes"}, byACL),
		put("sign/avanan/us/batch", values{"request_strings": []string{"/v1.0/scopes"}}, byACL),
	}
}
