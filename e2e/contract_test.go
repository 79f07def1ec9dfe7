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
	m := harness.NewMount(t)
	for _, format := range []string{"rfc3339", "rfc3339-ms", "http-date", "unix"} {
		m.Write("config/pave/main", harness.With(m.PaveValues(), values{"timestamp_format": format, "ttl": "100s"}))
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			_, secret, text := m.Request(method, "creds/pave/main", nil)
			require.Empty(t, text)
			require.Equal(t, http.StatusOK, m.Call(m.URL+"/v1/sessions", secret.Data["headers"]), format)

			// There is no lease. Vault Agent and the Secrets Operator use these fields instead, and want these types.
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
			require.Equal(t, m.URL, secret.Data["base_url"])
			require.Equal(t, values{
				"API-Key": secret.Data["api_key"], "API-Token": secret.Data["api_token"], "API-Timestamp": secret.Data["api_timestamp"],
			}, secret.Data["headers"])
			require.Equal(t, fmt.Sprintf("API-Key: %s\nAPI-Timestamp: %s\nAPI-Token: %s\n",
				secret.Data["api_key"], secret.Data["api_timestamp"], secret.Data["api_token"]), secret.Data["header_lines"])
			require.Len(t, secret.Data, 10)
		}
	}
}

func TestVendorAcceptsSignedAvananCalls(t *testing.T) {
	t.Parallel()
	for _, dates := range []sandbox.Dates{sandbox.Zoneless, sandbox.Zulu} {
		for _, format := range []string{"auto", string(dates)} {
			m := harness.NewMount(t)
			m.Vendor.Change(func(b *sandbox.Behaviour) { b.AvananDates = dates })
			m.Write("config/avanan/us", harness.With(m.AvananValues(), values{"date_format": format}))
			for _, target := range []string{"/v1.0/scopes", "/v1.0/msp/usage?year=2026&month=8", "/v1.0/task/1?scope=mt-prod-3%3Aacme"} {
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
	status, _, text = m.Request(http.MethodPut, "sign/avanan/us/batch", values{"request_strings": append(requestStrings, "/v1.0/scopes")})
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, refusal)
	status, _, _ = m.Request(http.MethodGet, "sign/avanan/us/batch", nil)
	require.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestAvananTokenIsLeased(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/avanan/us", m.AvananValues())
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		_, secret, text := m.Request(method, "creds/avanan/us", nil)
		require.Empty(t, text)
		require.True(t, strings.HasPrefix(secret.LeaseID, m.Path+"/creds/avanan/us/"))
		require.False(t, secret.Renewable)
		require.InDelta(t, 59*60, secret.LeaseDuration, 30)
		require.Empty(t, secret.Warnings)
		require.Equal(t, "US:sandbox", secret.Data["app_id"])
		require.Equal(t, "us", secret.Data["region"])
		require.Equal(t, m.URL, secret.Data["base_url"])
		expires, err := time.Parse(time.RFC3339, secret.Data["expires_at"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(time.Hour), expires, time.Minute)
		require.NotEmpty(t, secret.Data["token"])
		require.Len(t, secret.Data, 5)
		_, err = m.Client.Sys().RenewWithContext(t.Context(), secret.LeaseID, 60)
		require.ErrorContains(t, err, "not renewable")
	}
	require.Equal(t, 1, m.Vendor.Handshakes(), "all readers share the JWT that the write was tried with")
}

// The portal accepts the headers that are read, for any call. The token is leased and shared; each answer has a request id of its
// own, which the portal accepts once.
func TestPortalAcceptsInfinityHeaders(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/infinity/us", m.InfinityValues())
	tokens := map[any]bool{}
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		for _, target := range []string{"/v1.0/scopes", "/v1.0/event/1?scope=a%3Ab"} {
			_, secret, text := m.Request(method, "creds/infinity/us", nil)
			require.Empty(t, text)
			require.Equal(t, http.StatusOK, m.Call(secret.Data["base_url"].(string)+target, secret.Data["headers"]))
			require.Equal(t, http.StatusBadRequest, m.Call(secret.Data["base_url"].(string)+target, secret.Data["headers"]), "the id was used")

			require.True(t, strings.HasPrefix(secret.LeaseID, m.Path+"/creds/infinity/us/"))
			require.False(t, secret.Renewable)
			require.InDelta(t, 29*60, secret.LeaseDuration, 30)
			require.Empty(t, secret.Warnings)
			require.Equal(t, "us", secret.Data["region"])
			require.Equal(t, m.URL, secret.Data["gateway"])
			require.Equal(t, m.URL+"/app/hec-api", secret.Data["base_url"])
			expires, err := time.Parse(time.RFC3339, secret.Data["expires_at"].(string))
			require.NoError(t, err)
			require.WithinDuration(t, time.Now().Add(30*time.Minute), expires, time.Minute)
			headers := secret.Data["headers"].(values)
			require.Equal(t, values{"Authorization": fmt.Sprint("Bearer ", secret.Data["token"]), "x-av-req-id": headers["x-av-req-id"]}, headers)
			require.Equal(t, fmt.Sprintf("Authorization: %s\nx-av-req-id: %s\n", headers["Authorization"], headers["x-av-req-id"]), secret.Data["header_lines"])
			require.Len(t, secret.Data, 7)
			tokens[secret.Data["token"]] = true
			_, err = m.Client.Sys().RenewWithContext(t.Context(), secret.LeaseID, 60)
			require.ErrorContains(t, err, "not renewable")
		}
	}
	require.Len(t, tokens, 1)
	require.Equal(t, 1, m.Vendor.Logins(), "all readers share the token that the write was tried with")
}

func TestConfigReadOmitsSecret(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.Write("config/infinity/us", m.InfinityValues())
	pave, avanan, infinity := m.Read("config/pave/main").Data, m.Read("config/avanan/us").Data, m.Read("config/infinity/us").Data
	for _, read := range []values{pave, avanan, infinity} {
		written, err := time.Parse(time.RFC3339, read["secret_written_at"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), written, time.Minute)
		delete(read, "secret_written_at")
	}
	require.Equal(t, values{
		"username": "acme", "api_key": sandbox.Default().PAVEAPIKey, "timestamp_format": "auto", "detected_timestamp_format": "",
		"ttl": json.Number("150"), "base_url": m.URL, "request_timeout": json.Number("10"), "ca_cert": "",
	}, pave)
	require.Equal(t, values{
		"region": "us", "app_id": "US:sandbox", "base_url": m.URL, "date_format": "auto", "detected_date_format": "zoneless",
		"min_ttl": json.Number("600"), "request_timeout": json.Number("10"), "ca_cert": "",
	}, avanan)
	require.Equal(t, values{
		"region": "us", "client_id": "sandbox-client", "base_url": m.URL,
		"min_ttl": json.Number("600"), "request_timeout": json.Number("10"), "ca_cert": "",
	}, infinity)
}

func TestConfigLifecycle(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	for path, config := range map[string]values{
		"config/pave":     harness.With(m.PaveValues(), values{"ttl": 100}),
		"config/avanan":   harness.With(m.AvananValues(), values{"min_ttl": 100}),
		"config/infinity": harness.With(m.InfinityValues(), values{"min_ttl": 100}),
	} {
		status, _, _ := m.Request("LIST", path, nil)
		require.Equal(t, http.StatusNotFound, status)
		for _, name := range []string{"main", "other"} {
			status, _, _ = m.Request(http.MethodGet, path+"/"+name, nil)
			require.Equal(t, http.StatusNotFound, status)
			m.Write(path+"/"+name, config)
		}
		_, listed, text := m.Request("LIST", path, nil)
		require.Empty(t, text)
		require.Equal(t, []any{"main", "other"}, listed.Data["keys"])
		_, listed, text = m.Request(http.MethodGet, path, nil, "list", "true")
		require.Empty(t, text)
		require.Equal(t, []any{"main", "other"}, listed.Data["keys"])

		// A partial update, by PUT and by PATCH. A null sets the default.
		before, field := m.Read(path+"/main").Data, map[string]string{"config/pave": "ttl", "config/avanan": "min_ttl", "config/infinity": "min_ttl"}[path]
		m.Write(path+"/main", values{field: 200})
		before[field] = json.Number("200")
		require.Equal(t, before, m.Read(path+"/main").Data)
		status, _, text = m.Request(http.MethodPatch, path+"/main", `{"`+field+`":null}`)
		require.Equal(t, http.StatusNoContent, status, text)
		require.Equal(t, map[string]json.Number{"ttl": "150", "min_ttl": "600"}[field], m.Read(path + "/main").Data[field])
		status, _, text = m.Request(http.MethodPatch, path+"/none", `{"`+field+`":20}`)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, text, "there is no config at "+m.Path+"/"+path+"/none")

		// The stored secret cannot be sent to another host or used for another account.
		before = m.Read(path + "/main").Data
		for _, moved := range []values{{"base_url": "https://elsewhere.example"}, {"username": "other", "app_id": "other", "client_id": "other"}} {
			for name := range moved {
				if _, has := before[name]; has {
					status, _, text = m.Request(http.MethodPut, path+"/main", values{name: moved[name]})
					require.Equal(t, http.StatusBadRequest, status)
					require.Regexp(t, "changing "+name+" needs (api_secret|secret_key|access_key) in the same write", text)
				}
			}
		}
		require.Equal(t, before, m.Read(path+"/main").Data)

		for range 2 {
			status, _, text = m.Request(http.MethodDelete, path+"/main", nil)
			require.Equal(t, http.StatusNoContent, status, text)
		}
		status, _, _ = m.Request(http.MethodGet, path+"/main", nil)
		require.Equal(t, http.StatusNotFound, status)
	}
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
	m.Write("config/infinity/wrong", harness.With(m.InfinityValues(), values{"access_key": harness.NewSecret(), "verify": false}))
	for name, test := range map[string]struct {
		method, path string
		body         any
		fault        sandbox.Fault
		status       int
		text         string
	}{
		"a parameter is missing":     {http.MethodPut, "config/pave/new", values{"username": "acme"}, "", 400, "api_key, api_secret are required"},
		"a parameter is unknown":     {http.MethodPut, "config/pave/main", values{"tll": 1}, "", 400, `unknown parameter "tll"; this takes api_key, api_secret, base_url, ca_cert, request_timeout, secret_expires_at, timestamp_format, ttl, username, verify`},
		"a parameter is wrong":       {http.MethodPut, "config/pave/main", values{"ttl": "5m"}, "", 400, "ttl must be from 1s to 240s"},
		"a parameter is of no type":  {http.MethodPut, "config/pave/main", values{"api_secret": values{"a": harness.NewSecret()}}, "", 400, "api_secret must be a string, given once"},
		"a request string is wrong":  {http.MethodPut, "sign/avanan/us", values{"request_string": "/v1.0/../x"}, "", 400, "request_string has a . or .. segment"},
		"a request string is none":   {http.MethodPut, "sign/avanan/us", nil, "", 400, "request_string is required"},
		"no such config for PAVE":    {http.MethodGet, "creds/pave/none", nil, "", 400, "write one first: vault write " + m.Path + "/config/pave/none username="},
		"no such config for Avanan":  {http.MethodGet, "creds/avanan/none", nil, "", 400, "write one first: vault write " + m.Path + "/config/avanan/none region="},
		"no such config for portal":  {http.MethodGet, "creds/infinity/none", nil, "", 400, "write one first: vault write " + m.Path + "/config/infinity/none region="},
		"no such config for signing": {http.MethodPut, "sign/avanan/none", values{"request_string": "/v1.0/scopes"}, "", 400, "write one first"},
		"the vendor refuses":         {http.MethodPut, "config/avanan/us", values{"secret_key": harness.NewSecret()}, "", 400, "config/avanan/us was not stored"},
		"the portal refuses":         {http.MethodPut, "config/infinity/us", values{"access_key": harness.NewSecret(), "base_url": m.URL}, "", 400, "config/infinity/us was not stored"},
		"the portal refuses readers": {http.MethodGet, "creds/infinity/wrong", nil, "", 400, "answered with status 200: it rejects the credentials"},
		"a key for a stored host":    {http.MethodPut, "config/infinity/us", values{"access_key": harness.NewSecret()}, "", 400, "relies on the stored base_url"},
		"the vendor limits":          {http.MethodPut, "config/avanan/us", values{"secret_key": harness.NewSecret()}, sandbox.Limit, 429, "status 429"},
		"the vendor is out of order": {http.MethodPut, "config/avanan/us", values{"secret_key": harness.NewSecret()}, sandbox.Break, 502, "status 500"},
		"nobody listens":             {http.MethodGet, "creds/avanan/down", nil, "", 502, "no answer from " + nobody + ": on loopback no cause is given"},
		"a web page":                 {http.MethodGet, "creds/avanan/page", nil, "", 502, "status 200: the body is not a token (content type text/html)"},
		"nobody listens for keys":    {http.MethodGet, "creds/infinity/down", nil, "", 502, "no answer from " + nobody + ": on loopback no cause is given"},
		"a web page, to a key":       {http.MethodGet, "creds/infinity/page", nil, "", 502, "status 200: the body is not the JSON of a login (content type text/html)"},
		"a certificate, to a key":    {http.MethodGet, "creds/infinity/tls", nil, "", 502, "on loopback no cause is given"},
		"a certificate of nobody's":  {http.MethodGet, "creds/avanan/tls", nil, "", 502, "on loopback no cause is given"},
		"a path that is none":        {http.MethodGet, "creds/other/main", nil, "", 404, "unsupported path"},
		"an operation that is none":  {http.MethodDelete, "creds/pave/main", nil, "", 405, "unsupported operation"},
	} {
		m.Fault(test.fault)
		status, _, text := m.Request(test.method, test.path, test.body)
		require.Equal(t, test.status, status, "%s: %s", name, text)
		require.Contains(t, text, test.text, name)
		require.NotContains(t, text, harness.Canary, name)
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

// Whatever JSON a body contains, a wrong one is rejected without quoting it, nothing stored changes, and the plugin keeps
// running. No secret is the key of a map here: an audit log shows those.
func TestMalformedBodiesAreRejected(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.Write("config/infinity/us", m.InfinityValues())
	stray := harness.NewSecret()
	pave, avanan, infinity := m.Read("config/pave/main").Data, m.Read("config/avanan/us").Data, m.Read("config/infinity/us").Data
	for path, parameters := range map[string][]string{
		"config/pave/main":     {"username", "api_key", "api_secret", "timestamp_format", "ttl", "base_url", "secret_expires_at"},
		"config/avanan/us":     {"region", "app_id", "secret_key", "base_url", "date_format", "min_ttl", "request_timeout", "ca_cert", "verify"},
		"config/infinity/us":   {"region", "client_id", "access_key", "base_url", "min_ttl", "request_timeout", "ca_cert", "verify"},
		"creds/infinity/us":    {"unauthorized", "min_ttl"},
		"sign/avanan/us":       {"request_string"},
		"sign/avanan/us/batch": {"request_strings"},
	} {
		for _, parameter := range parameters {
			for _, value := range []string{
				`null`, `[]`, `{}`, `["` + stray + `"]`, `{"a":"` + stray + `"}`, `"` + stray + `\u0000"`, `"\n"`, `1e300`, `-1`,
				`"` + strings.Repeat("x", 100_000) + `"`,
			} {
				status, _, text := m.Request(http.MethodPut, path, `{"`+parameter+`":`+value+`}`)
				require.Equal(t, http.StatusBadRequest, status, "%s %s %.40s: %s", path, parameter, value, text)
				require.NotContains(t, text, harness.Canary)
			}
		}
	}
	for _, body := range []string{`{"":1}`, `{"name":"other"}`, `{"list":true}`, `{"API_KEY":"x"}`} {
		for _, path := range []string{
			"config/pave/main", "config/infinity/us", "creds/pave/main", "creds/avanan/us", "creds/infinity/us", "sign/avanan/us", "sign/avanan/us/batch",
		} {
			status, _, text := m.Request(http.MethodPut, path, body)
			require.Equal(t, http.StatusBadRequest, status, "%s %s: %s", path, body, text)
		}
	}
	for _, query := range []string{"a", "name", "format"} {
		status, _, text := m.Request(http.MethodGet, "config/pave/main", nil, query, "x")
		require.Equal(t, http.StatusBadRequest, status, text)
		require.Contains(t, text, "this takes no parameters")
	}
	status, _, text := m.Request(http.MethodGet, "sign/avanan/us", nil, "request_string", "/v1.0/scopes", "request_string", "/v1.0/x")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, text, "request_string must be a string, given once")
	require.Equal(t, pave, m.Read("config/pave/main").Data)
	require.Equal(t, avanan, m.Read("config/avanan/us").Data)
	require.Equal(t, infinity, m.Read("config/infinity/us").Data)
}

// Vault serves a help text for every path, and its OpenAPI document lists every path.
func TestEveryPathHasHelpAndOpenAPI(t *testing.T) {
	t.Parallel()
	m := harness.NewMount(t)
	for _, path := range []string{
		"config/pave/x", "config/avanan/x", "config/infinity/x", "config/pave", "creds/pave/x", "creds/avanan/x", "creds/infinity/x", "sign/avanan/x",
		"sign/avanan/x/batch",
	} {
		help, err := m.Client.Help(m.Path + "/" + path)
		require.NoError(t, err)
		require.NotEmpty(t, help.Help, path)
	}
	resp, err := m.Client.Logical().ReadRawWithContext(t.Context(), "sys/internal/specs/openapi")
	require.NoError(t, err)
	defer resp.Body.Close()
	var openapi struct {
		Paths map[string]json.RawMessage
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&openapi))
	for _, path := range []string{
		"config/pave/", "config/pave/{name}", "config/avanan/", "config/avanan/{name}", "config/infinity/", "config/infinity/{name}", "creds/pave/{name}", "creds/avanan/{name}",
		"creds/infinity/{name}", "sign/avanan/{name}",
		"sign/avanan/{name}/batch",
	} {
		require.Contains(t, openapi.Paths, "/"+m.Path+"/"+path)
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
