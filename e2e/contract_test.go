package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
	"github.com/apisig/vault-plugin-apisig/internal/sandbox"
)

func TestVendorAcceptsPaveHeaders(t *testing.T) {
	t.Parallel()
	shared := harness.NewMount(t)
	for _, format := range []string{"rfc3339", "rfc3339-ms", "http-date", "unix"} {
		config := values{"timestamp_format": format, "ttl": "100s"}
		shared.Write("config/pave/"+format, harness.With(shared.PaveValues(), config))
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			t.Run(format+" by "+method, func(t *testing.T) {
				t.Parallel()
				m := shared.In(t)
				_, secret, text := m.Request(method, "creds/pave/"+format, nil)
				require.Empty(t, text)
				require.Equal(t, http.StatusOK, m.Call(m.URL+"/v1/sessions", secret.Data["headers"]))
				requirePaveAnswer(t, secret, m.URL)
			})
		}
	}
}

// requirePaveAnswer requires every field of an answer of creds/pave. There is no lease. Vault Agent and the Secrets
// Operator use ttl and the fields like it instead, and want these types.
func requirePaveAnswer(t *testing.T, secret *api.Secret, url string) {
	t.Helper()
	require.Empty(t, secret.LeaseID)
	require.Zero(t, secret.LeaseDuration)
	require.Equal(t, json.Number("100"), secret.Data["ttl"])
	require.Equal(t, json.Number("100"), secret.Data["rotation_period"])
	signed, err := time.Parse(time.RFC3339Nano, secret.Data["last_vault_rotation"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), signed, time.Minute)
	expires, err := time.Parse(time.RFC3339, secret.Data["expires_at"].(string))
	require.NoError(t, err)
	require.Equal(t, 5*time.Minute, expires.Sub(signed.Truncate(time.Second)))
	require.Equal(t, url, secret.Data["base_url"])
	key, token, at := secret.Data["api_key"], secret.Data["api_token"], secret.Data["api_timestamp"]
	require.Equal(t, values{"API-Key": key, "API-Token": token, "API-Timestamp": at}, secret.Data["headers"])
	lines := fmt.Sprintf("API-Key: %s\nAPI-Timestamp: %s\nAPI-Token: %s\n", key, at, token)
	require.Equal(t, lines, secret.Data["header_lines"])
	require.Equal(t, []any{}, secret.Data["per_call_headers"])
	require.Len(t, secret.Data, 11)
}

func TestVendorAcceptsSignedAvananCalls(t *testing.T) {
	t.Parallel()
	for _, dates := range []sandbox.Dates{sandbox.Zoneless, sandbox.Zulu} {
		for _, format := range []string{"auto", string(dates)} {
			shared := harness.NewMount(t)
			shared.Vendor.Change(func(b *sandbox.Behaviour) { b.AvananDates = dates })
			shared.Write("config/avanan/us", harness.With(shared.AvananValues(), values{"date_format": format}))
			for _, target := range []string{
				"/v1.0/scopes",
				"/v1.0/msp/usage?year=2026&month=8",
				"/v1.0/task/1?scope=mt-prod-3%3Aacme",
			} {
				t.Run(fmt.Sprintf("dates %s, date_format %s, %s", dates, format, target), func(t *testing.T) {
					t.Parallel()
					m := shared.In(t)
					got := m.Read("sign/avanan/us", "request_string", target)
					_, put, text := m.Request(http.MethodPut, "sign/avanan/us", values{"request_string": target})
					require.Empty(t, text)
					for _, secret := range []*api.Secret{got, put} {
						require.Equal(t, m.URL+target, secret.Data["url"])
						require.Empty(t, secret.LeaseID)
						require.Len(t, secret.Data["headers"], 5)
						require.Equal(t, 5, strings.Count(secret.Data["header_lines"].(string), "\n"))
						require.Len(t, secret.Data, 4)
						require.Equal(t, http.StatusOK, m.Call(m.URL+target, secret.Data["headers"]))
						require.Equal(t, http.StatusForbidden, m.Call(m.URL+target, secret.Data["headers"]), "a replay")
					}
				})
			}
		}
	}
}

func TestVendorAcceptsAvananBatch(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/avanan/us", m.AvananValues())
	most, refusal := m.Server.Kind.BatchLimit()
	requestStrings := make([]string, most)
	for i := range requestStrings {
		requestStrings[i] = fmt.Sprintf("/v1.0/event/%d", i)
	}
	status, secret, text := m.Request(http.MethodPut, "sign/avanan/us/batch", values{"request_strings": requestStrings})
	require.Equal(t, http.StatusOK, status, text)
	require.Empty(t, secret.LeaseID)
	require.Len(t, secret.Data, 2)
	expires, err := time.Parse(time.RFC3339, secret.Data["expires_at"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), expires, time.Minute)
	results := secret.Data["results"].([]any)
	require.Len(t, results, len(requestStrings))
	for i, result := range results {
		signed := result.(values)
		require.Len(t, signed, 3)
		require.Equal(t, m.URL+requestStrings[i], signed["url"])
		if i%100 == 99 {
			require.Equal(t, http.StatusOK, m.Call(signed["url"].(string), signed["headers"]))
		}
	}
	tooMany := values{"request_strings": append(requestStrings, "/v1.0/scopes")}
	status, _, text = m.Request(http.MethodPut, "sign/avanan/us/batch", tooMany)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, refusal)
	status, _, _ = m.Request(http.MethodGet, "sign/avanan/us/batch", nil)
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestAvananTokenIsLeased(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/avanan/us", m.AvananValues())
	for _, method := range []string{http.MethodGet, http.MethodPut} { //nolint:paralleltest // waiting, the token ages
		t.Run(method, func(t *testing.T) {
			m := m.In(t)
			_, secret, text := m.Request(method, "creds/avanan/us", nil)
			require.Empty(t, text)
			requireLease(m, secret, "creds/avanan/us", time.Hour)
			require.Equal(t, "US:sandbox", secret.Data["app_id"])
			require.Equal(t, "us", secret.Data["region"])
			require.Equal(t, m.URL, secret.Data["base_url"])
			require.NotEmpty(t, secret.Data["token"])
			require.Len(t, secret.Data, 5)
		})
	}
	require.Equal(t, 1, m.Vendor.Handshakes(), "all readers share the JWT that the write was tried with")
}

// requireLease requires the lease of a token that lives so long, and no warning. The lease cannot be renewed.
func requireLease(m *harness.Mount, secret *api.Secret, creds string, life time.Duration) {
	m.T.Helper()
	require.True(m.T, strings.HasPrefix(secret.LeaseID, m.Path+"/"+creds+"/"))
	require.False(m.T, secret.Renewable)
	require.InDelta(m.T, (life - time.Minute).Seconds(), secret.LeaseDuration, 30)
	require.Empty(m.T, secret.Warnings)
	expires, err := time.Parse(time.RFC3339, secret.Data["expires_at"].(string))
	require.NoError(m.T, err)
	require.WithinDuration(m.T, time.Now().Add(life), expires, time.Minute)
	_, err = m.Client.Sys().RenewWithContext(m.T.Context(), secret.LeaseID, 60)
	require.ErrorContains(m.T, err, "not renewable")
}

// The portal accepts the headers that are read, for any call. The token is leased and shared; each answer has a request
// id of its own, which the portal accepts once.
func TestPortalAcceptsInfinityHeaders(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/infinity/us", m.InfinityValues())
	token := m.Read("creds/infinity/us").Data["token"]
	for _, method := range []string{http.MethodGet, http.MethodPut} { //nolint:paralleltest // waiting, the token ages
		for _, target := range []string{"/v1.0/scopes", "/v1.0/event/1?scope=a%3Ab"} {
			t.Run(method+" for "+target, func(t *testing.T) {
				m := m.In(t)
				_, secret, text := m.Request(method, "creds/infinity/us", nil)
				require.Empty(t, text)
				require.Equal(t, m.URL+"/app/hec-api", secret.Data["base_url"])
				url, headers := m.URL+"/app/hec-api"+target, secret.Data["headers"].(values)
				require.Equal(t, http.StatusOK, m.Call(url, headers))
				require.Equal(t, http.StatusBadRequest, m.Call(url, headers), "the id was used")

				requireLease(m, secret, "creds/infinity/us", 30*time.Minute)
				require.Equal(t, "us", secret.Data["region"])
				require.Equal(t, m.URL, secret.Data["gateway"])
				bearer, id := fmt.Sprint("Bearer ", secret.Data["token"]), headers["x-av-req-id"]
				require.Equal(t, values{"Authorization": bearer, "x-av-req-id": id}, headers)
				lines := fmt.Sprintf("Authorization: %s\nx-av-req-id: %s\n", bearer, id)
				require.Equal(t, lines, secret.Data["header_lines"])
				require.Equal(t, []any{"x-av-req-id"}, secret.Data["per_call_headers"])
				require.Len(t, secret.Data, 8)
				require.Equal(t, token, secret.Data["token"])
			})
		}
	}
	require.Equal(t, 1, m.Vendor.Logins(), "all readers share the token that the write was tried with")
}

func TestConfigReadOmitsSecret(t *testing.T) {
	t.Parallel()
	shared := harness.NewMount(t)
	for path, test := range map[string]struct{ written, read values }{
		"config/pave/main": {shared.PaveValues(), values{
			"username":                  "acme",
			"api_key":                   sandbox.Default().PAVEAPIKey,
			"timestamp_format":          "auto",
			"detected_timestamp_format": "",
			"ttl":                       json.Number("150"),
			"base_url":                  shared.URL,
			"request_timeout":           json.Number("10"),
			"ca_cert":                   "",
		}},
		"config/avanan/us": {shared.AvananValues(), values{
			"region":               "us",
			"app_id":               "US:sandbox",
			"base_url":             shared.URL,
			"date_format":          "auto",
			"detected_date_format": "zoneless",
			"min_ttl":              json.Number("600"),
			"request_timeout":      json.Number("10"),
			"ca_cert":              "",
		}},
		"config/infinity/us": {shared.InfinityValues(), values{
			"region":          "us",
			"client_id":       "sandbox-client",
			"base_url":        shared.URL,
			"min_ttl":         json.Number("600"),
			"request_timeout": json.Number("10"),
			"ca_cert":         "",
		}},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			m := shared.In(t)
			m.Write(path, test.written)
			read := m.Read(path).Data
			written, err := time.Parse(time.RFC3339, read["secret_written_at"].(string))
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), written, time.Minute)
			delete(read, "secret_written_at")
			require.Equal(t, test.read, read)
		})
	}
}

// configKind is a kind of config: one that can be written, its field of a duration with the default, the field that
// says whose it is, and the field of the secret.
type configKind struct {
	config              values
	duration, byDefault string
	account, secret     string
}

func TestConfigLifecycle(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	for path, kind := range map[string]configKind{
		"config/pave":     {m.PaveValues(), "ttl", "150", "username", "api_secret"},
		"config/avanan":   {m.AvananValues(), "min_ttl", "600", "app_id", "secret_key"},
		"config/infinity": {m.InfinityValues(), "min_ttl", "600", "client_id", "access_key"},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			requireLifecycle(t, m.In(t), path, kind)
		})
	}
}

// requireLifecycle writes, lists, changes and deletes configs of a vendor.
func requireLifecycle(t *testing.T, m *harness.Mount, path string, kind configKind) {
	t.Helper()
	status, _, _ := m.Request("LIST", path, nil)
	require.Equal(t, http.StatusNotFound, status)
	for _, name := range []string{"main", "other"} {
		status, _, _ = m.Request(http.MethodGet, path+"/"+name, nil)
		require.Equal(t, http.StatusNotFound, status)
		m.Write(path+"/"+name, harness.With(kind.config, values{kind.duration: 100}))
	}
	_, listed, text := m.Request("LIST", path, nil)
	require.Empty(t, text)
	require.Equal(t, []any{"main", "other"}, listed.Data["keys"])
	_, listed, text = m.Request(http.MethodGet, path, nil, "list", "true")
	require.Empty(t, text)
	require.Equal(t, []any{"main", "other"}, listed.Data["keys"])

	// A partial update, by PUT and by PATCH. A null sets the default.
	before := m.Read(path + "/main").Data
	m.Write(path+"/main", values{kind.duration: 200})
	before[kind.duration] = json.Number("200")
	require.Equal(t, before, m.Read(path+"/main").Data)
	status, _, text = m.Request(http.MethodPatch, path+"/main", `{"`+kind.duration+`":null}`)
	require.Equal(t, http.StatusNoContent, status, text)
	require.Equal(t, json.Number(kind.byDefault), m.Read(path + "/main").Data[kind.duration])
	status, _, text = m.Request(http.MethodPatch, path+"/none", `{"`+kind.duration+`":20}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "there is no config at "+m.Path+"/"+path+"/none")

	// The stored secret cannot be sent to another host or used for another account.
	before = m.Read(path + "/main").Data
	for field, moved := range map[string]string{"base_url": "https://elsewhere.example", kind.account: "other"} {
		status, _, text = m.Request(http.MethodPut, path+"/main", values{field: moved})
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, text, "changing "+field+" needs "+kind.secret+" in the same write")
	}
	require.Equal(t, before, m.Read(path+"/main").Data)

	for range 2 {
		status, _, text = m.Request(http.MethodDelete, path+"/main", nil)
		require.Equal(t, http.StatusNoContent, status, text)
	}
	status, _, _ = m.Request(http.MethodGet, path+"/main", nil)
	require.Equal(t, http.StatusNotFound, status)
}

// Each kind of error has the status and message that the contract gives it, and shows no secret.
func TestErrorStatusAndMessage(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", harness.With(m.AvananValues(), values{"date_format": "zoneless"}))
	nobody, err := harness.FreeAddress()
	require.NoError(t, err)
	said := harness.NewSecret()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>" + said + "</html>"))
	}))
	t.Cleanup(page.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	for name, url := range map[string]string{"down": "http://" + nobody, "page": page.URL, "tls": secure.URL} {
		unverified := values{"base_url": url, "verify": false, "request_timeout": 1}
		m.Write("config/avanan/"+name, harness.With(m.AvananValues(), unverified))
		m.Write("config/infinity/"+name, harness.With(m.InfinityValues(), unverified))
	}
	m.Write("config/infinity/us", m.InfinityValues())
	wrong := values{"access_key": harness.NewSecret(), "verify": false}
	m.Write("config/infinity/wrong", harness.With(m.InfinityValues(), wrong))
	for name, test := range map[string]struct { //nolint:paralleltest // a fault is of the stand-in that they share
		method, path string
		body         any
		fault        sandbox.Fault
		status       int
		text         string
	}{
		"a parameter is missing": {
			method: http.MethodPut,
			path:   "config/pave/new",
			body:   values{"username": "acme"},
			status: 400,
			text:   "api_key, api_secret are required",
		},
		"a parameter is unknown": {
			method: http.MethodPut,
			path:   "config/pave/main",
			body:   values{"tll": 1},
			status: 400,
			text: `unknown parameter "tll"; this takes api_key, api_secret, base_url, ca_cert, request_timeout, ` +
				"secret_expires_at, timestamp_format, ttl, username, verify",
		},
		"a parameter is wrong": {
			method: http.MethodPut,
			path:   "config/pave/main",
			body:   values{"ttl": "5m"},
			status: 400,
			text:   "ttl must be from 1s to 240s",
		},
		"a parameter is of no type": {
			method: http.MethodPut,
			path:   "config/pave/main",
			body:   values{"api_secret": values{"a": harness.NewSecret()}},
			status: 400,
			text:   "api_secret must be a string, given once",
		},
		"a request string is wrong": {
			method: http.MethodPut,
			path:   "sign/avanan/us",
			body:   values{"request_string": "/v1.0/../x"},
			status: 400,
			text:   "request_string has a . or .. segment",
		},
		"a request string is none": {
			method: http.MethodPut,
			path:   "sign/avanan/us",
			status: 400,
			text:   "request_string is required",
		},
		"no such config for PAVE": {
			method: http.MethodGet,
			path:   "creds/pave/none",
			status: 400,
			text:   "write one first: vault write " + m.Path + "/config/pave/none username=",
		},
		"no such config for Avanan": {
			method: http.MethodGet,
			path:   "creds/avanan/none",
			status: 400,
			text:   "write one first: vault write " + m.Path + "/config/avanan/none region=",
		},
		"no such config for portal": {
			method: http.MethodGet,
			path:   "creds/infinity/none",
			status: 400,
			text:   "write one first: vault write " + m.Path + "/config/infinity/none region=",
		},
		"no such config for signing": {
			method: http.MethodPut,
			path:   "sign/avanan/none",
			body:   values{"request_string": "/v1.0/scopes"},
			status: 400,
			text:   "write one first",
		},
		"the vendor refuses": {
			method: http.MethodPut,
			path:   "config/avanan/us",
			body:   values{"secret_key": harness.NewSecret()},
			status: 400,
			text:   "config/avanan/us was not stored",
		},
		"the portal refuses": {
			method: http.MethodPut,
			path:   "config/infinity/us",
			body:   values{"access_key": harness.NewSecret(), "base_url": m.URL},
			status: 400,
			text:   "config/infinity/us was not stored",
		},
		"the portal refuses readers": {
			method: http.MethodGet,
			path:   "creds/infinity/wrong",
			status: 400,
			text:   "answered with status 200: it rejects the credentials",
		},
		"a key for a stored host": {
			method: http.MethodPut,
			path:   "config/infinity/us",
			body:   values{"access_key": harness.NewSecret()},
			status: 400,
			text:   "relies on the stored base_url",
		},
		"the vendor limits": {
			method: http.MethodPut,
			path:   "config/avanan/us",
			body:   values{"secret_key": harness.NewSecret()},
			fault:  sandbox.Limit,
			status: 429,
			text:   "status 429",
		},
		"the vendor is out of order": {
			method: http.MethodPut,
			path:   "config/avanan/us",
			body:   values{"secret_key": harness.NewSecret()},
			fault:  sandbox.Break,
			status: 502,
			text:   "status 500",
		},
		"nobody listens": {
			method: http.MethodGet,
			path:   "creds/avanan/down",
			status: 502,
			text:   "no answer from " + nobody + ": on loopback no cause is given",
		},
		"a web page": {
			method: http.MethodGet,
			path:   "creds/avanan/page",
			status: 502,
			text:   "status 200: the body is not a token (content type text/html)",
		},
		"nobody listens for keys": {
			method: http.MethodGet,
			path:   "creds/infinity/down",
			status: 502,
			text:   "no answer from " + nobody + ": on loopback no cause is given",
		},
		"a web page, to a key": {
			method: http.MethodGet,
			path:   "creds/infinity/page",
			status: 502,
			text:   "status 200: the body is not the JSON of a login (content type text/html)",
		},
		"a certificate, to a key": {
			method: http.MethodGet,
			path:   "creds/infinity/tls",
			status: 502,
			text:   "on loopback no cause is given",
		},
		"a certificate of nobody's": {
			method: http.MethodGet,
			path:   "creds/avanan/tls",
			status: 502,
			text:   "on loopback no cause is given",
		},
		"a path that is none": {
			method: http.MethodGet,
			path:   "creds/other/main",
			status: 404,
			text:   "unsupported path",
		},
		"an operation that is none": {
			method: http.MethodDelete,
			path:   "creds/pave/main",
			status: 405,
			text:   "unsupported operation",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := m.In(t)
			m.Fault(test.fault)
			status, _, text := m.Request(test.method, test.path, test.body)
			require.Equal(t, test.status, status, text)
			require.Contains(t, text, test.text)
			require.NotContains(t, text, harness.Canary)
		})
	}
	m.Fault(sandbox.None)
	m.Read("creds/pave/main")
	m.Read("creds/avanan/us")
	m.Read("creds/infinity/us")

	// After repeated failures the engine does not call the vendor for a moment.
	for status := 0; status != http.StatusServiceUnavailable; {
		var text string
		status, _, text = m.Request(http.MethodGet, "creds/avanan/down", nil)
		require.Contains(t, []int{http.StatusBadGateway, http.StatusServiceUnavailable}, status, text)
		require.Contains(t, text, "no cause is given")
	}
}

// Whatever JSON a body contains, a wrong one is rejected without quoting it, nothing stored changes, and the plugin
// keeps running. No secret is the key of a map here: an audit log shows those.
func TestMalformedBodiesAreRejected(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.Write("config/infinity/us", m.InfinityValues())
	before := map[string]values{}
	for _, path := range []string{"config/pave/main", "config/avanan/us", "config/infinity/us"} {
		before[path] = m.Read(path).Data
	}
	stray := harness.NewSecret()
	wrong := map[string]string{
		"null":              `null`,
		"an empty list":     `[]`,
		"an empty object":   `{}`,
		"a list":            `["` + stray + `"]`,
		"an object":         `{"a":"` + stray + `"}`,
		"a null character":  `"` + stray + `\u0000"`,
		"a newline":         `"\n"`,
		"a large number":    `1e300`,
		"a negative number": `-1`,
		"a long text":       `"` + strings.Repeat("x", 100_000) + `"`,
	}
	for path, parameters := range map[string]string{
		"config/pave/main":     "username api_key api_secret timestamp_format ttl base_url secret_expires_at",
		"config/avanan/us":     "region app_id secret_key base_url date_format min_ttl request_timeout ca_cert verify",
		"config/infinity/us":   "region client_id access_key base_url min_ttl request_timeout ca_cert verify",
		"creds/infinity/us":    "unauthorized min_ttl",
		"sign/avanan/us":       "request_string",
		"sign/avanan/us/batch": "request_strings",
	} {
		for parameter := range strings.FieldsSeq(parameters) {
			for name, value := range wrong {
				t.Run(path+" "+parameter+" "+name, func(t *testing.T) {
					status, _, text := m.In(t).Request(http.MethodPut, path, `{"`+parameter+`":`+value+`}`)
					require.Equal(t, http.StatusBadRequest, status, text)
					require.NotContains(t, text, harness.Canary)
				})
			}
		}
	}
	for _, path := range []string{
		"config/pave/main",
		"config/infinity/us",
		"creds/pave/main",
		"creds/avanan/us",
		"creds/infinity/us",
		"sign/avanan/us",
		"sign/avanan/us/batch",
	} {
		for _, body := range []string{`{"":1}`, `{"name":"other"}`, `{"list":true}`, `{"API_KEY":"x"}`} {
			t.Run(path+" "+body, func(t *testing.T) {
				status, _, text := m.In(t).Request(http.MethodPut, path, body)
				require.Equal(t, http.StatusBadRequest, status, text)
			})
		}
	}
	for path, want := range before { //nolint:paralleltest // the subtests above are not parallel: they end before this
		require.Equal(t, want, m.Read(path).Data)
	}
}

// A read of a config takes no query, and a query gives each parameter once.
func TestMalformedQueriesAreRejected(t *testing.T) {
	t.Parallel()
	shared := harness.NewMount(t)
	shared.Write("config/pave/main", shared.PaveValues())
	shared.Write("config/avanan/us", shared.AvananValues())
	for name, test := range map[string]struct {
		path  string
		query []string
		text  string
	}{
		"an unknown parameter": {"config/pave/main", []string{"a", "x"}, "this takes no parameters"},
		"a name":               {"config/pave/main", []string{"name", "x"}, "this takes no parameters"},
		"a format":             {"config/pave/main", []string{"format", "x"}, "this takes no parameters"},
		"two of a parameter": {
			"sign/avanan/us",
			[]string{"request_string", "/v1.0/scopes", "request_string", "/v1.0/x"},
			"request_string must be a string, given once",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, _, text := shared.In(t).Request(http.MethodGet, test.path, nil, test.query...)
			require.Equal(t, http.StatusBadRequest, status, text)
			require.Contains(t, text, test.text)
		})
	}
}

// Vault serves a help text for every path, and its OpenAPI document lists every path.
func TestEveryPathHasHelpAndOpenAPI(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	resp, err := m.Client.Logical().ReadRawWithContext(t.Context(), "sys/internal/specs/openapi")
	require.NoError(t, err)
	defer resp.Body.Close()
	var openapi struct {
		Paths map[string]json.RawMessage
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&openapi))
	for _, path := range []string{
		"config/pave/",
		"config/pave/{name}",
		"config/avanan/",
		"config/avanan/{name}",
		"config/infinity/",
		"config/infinity/{name}",
		"creds/pave/{name}",
		"creds/avanan/{name}",
		"creds/infinity/{name}",
		"sign/avanan/{name}",
		"sign/avanan/{name}/batch",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, openapi.Paths, "/"+m.Path+"/"+path)
			help, err := m.Client.Help(m.Path + "/" + strings.TrimSuffix(strings.ReplaceAll(path, "{name}", "x"), "/"))
			require.NoError(t, err)
			require.NotEmpty(t, help.Help)
		})
	}
}

// A PUT whose parameters are in the query has no body. It is rejected, because it would change nothing.
func TestWriteWithParametersInQueryIsRejected(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/pave/main", m.PaveValues())
	status, _, text := m.Request(http.MethodPut, "config/pave/main", nil, "ttl", "20")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "the request contains no parameters")
	require.Equal(t, json.Number("150"), m.Read("config/pave/main").Data["ttl"])
}
