package backend

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/apis"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// withTokens returns the vendors with get in place of their exchanges.
func withTokens(get func() (token.Token, error)) []*api.API {
	all := apis.All()
	for _, a := range all {
		if a.Lease != nil {
			withLogin(a, func(context.Context, api.Caller, string) (api.Report, error) {
				got, err := get()
				if a.Document != nil {
					got.Values, got.Value = map[string]secret.Text{"access_token": got.Value}, ""
				}
				return api.Report{Token: got, Format: got.Format, Status: http.StatusOK}, err
			})
		}
	}
	return all
}

// login is one in place of an API's own.
type login func(ctx context.Context, by api.Caller, learned string) (api.Report, error)

func (l login) Login(ctx context.Context, by api.Caller, learned string) (api.Report, error) {
	return l(ctx, by, learned)
}
func (login) Refused() string { return "check everything" }

// withLogin changes how those accounts of an API log in that do.
func withLogin(a *api.API, l login) {
	changeAccounts(a, func(_ api.Values, account *api.Account) {
		if account.Login != nil {
			account.Login = l
		}
	})
}

// changeAccounts changes the accounts of an API once they are open.
func changeAccounts(a *api.API, change func(api.Values, *api.Account)) {
	changing := func(form api.Form) api.Form {
		open := form.Open
		form.Open = func(v api.Values) (*api.Account, error) {
			account, err := open(v)
			if err == nil {
				change(v, account)
			}
			return account, err
		}
		return form
	}
	a.Form = changing(a.Form)
	if a.Document != nil {
		read := a.Document.Read
		a.Document.Read = func(text string) (api.Form, error) {
			form, err := read(text)
			return changing(form), err
		}
	}
}

// newOfflineMount makes a mount whose vendors accept everything, because fuzzing must not call the addresses that it
// makes up.
func newOfflineMount(t *testing.T) *mount {
	t.Helper()
	m := emptyMount(t)
	m.backend = newBackend(withTokens(func() (token.Token, error) {
		return token.Token{Value: "a.b.c", AskedAt: m.time(), ExpiresAt: m.time().Add(time.Hour), Format: "zoneless"}, nil
	}), m.time, newUUID)
	require.NoError(t, m.Setup(t.Context(), logical.TestBackendConfig()))
	t.Cleanup(func() { m.Cleanup(context.Background()) })
	return m
}

// answer returns the status with which Vault answers a request, and the text of an error.
func (m *mount) answer(req *logical.Request) (int, string) {
	m.t.Helper()
	if req.Operation == logical.CreateOperation || req.Operation == logical.UpdateOperation {
		_, exists, err := m.HandleExistenceCheck(m.t.Context(), req)
		if !errors.Is(err, logical.ErrUnsupportedPath) { // Vault lets the request itself report this
			require.NoError(m.t, err)
		}
		if req.Operation = logical.CreateOperation; exists {
			req.Operation = logical.UpdateOperation
		}
	}
	resp, err := m.HandleRequest(m.t.Context(), req)
	status, httpErr := logical.RespondErrorCommon(req, resp, err)
	if httpErr == nil {
		return max(status, http.StatusOK), ""
	}
	logical.AdjustErrorStatusCode(&status, httpErr)
	return status, httpErr.Error()
}

// No storage entry causes a panic or is quoted in an error, and an operator can overwrite or delete every one.
func FuzzStoredConfig(f *testing.F) {
	f.Add([]byte(`{"username":"acme","api_key":"key","api_secret":"canary","ttl":20}`),
		[]byte(`{"app_id":"a","secret_key":"canary","region":"us"}`))
	f.Add([]byte(`null`), []byte(`{}`))
	f.Add([]byte(`[]`), []byte("\x00"))
	f.Add([]byte(`{"ttl":1e99,"api_secret":["canary"]}`),
		[]byte(`{"min_ttl":-1,"ca_cert":"-----BEGIN CERTIFICATE-----canary"}`))
	f.Fuzz(func(t *testing.T, pave, avanan []byte) {
		m := newOfflineMount(t)
		for key, value := range map[string][]byte{"config/pave/x": pave, "config/avanan/x": avanan} {
			m.put(key, value)
		}
		for path, data := range map[string]values{
			"config/pave/x": nil, "config/avanan/x": nil, "creds/pave/x": nil, "creds/avanan/x": nil,
			"sign/avanan/x": {"request_string": "/v1.0/scopes"},
		} {
			status, text := m.answer(m.request(logical.ReadOperation, path, data))
			require.Contains(t, []int{http.StatusOK, http.StatusBadRequest, http.StatusInternalServerError}, status, text)
			require.NotContains(t, text, "canary")
			if status == http.StatusInternalServerError {
				require.Contains(t, text, "is damaged; delete the config and write it again")
			}
		}
		for path, data := range map[string]values{
			"pave/x": {
				"username": "acme", "api_key": "key", "api_secret": "secret", "ttl": 20, "timestamp_format": "unix", "base_url": "",
			},
			"avanan/x": {
				"app_id":          "a",
				"secret_key":      "s",
				"region":          "us",
				"base_url":        "",
				"date_format":     "auto",
				"min_ttl":         1,
				"request_timeout": 1,
				"ca_cert":         "",
			},
		} {
			if _, text := m.answer(m.request(logical.UpdateOperation, "config/"+path, data)); text != "" {
				require.Contains(t, text, "is damaged")
				m.must(logical.DeleteOperation, "config/"+path, nil)
				m.write("config/"+path, data)
			}
			m.read("creds/" + path)
		}
	})
}

// The same for configs that declare fields of their own.
func FuzzStoredCustomConfig(f *testing.F) {
	f.Add([]byte(`{"scheme":"secrets: {key: {}}","base_url":"https://a.example","secrets":{"key":"canary"},"fields":{}}`))
	f.Add([]byte(`{"scheme":"a","secrets":["canary"],"fields":5}`))
	f.Add([]byte(`{"secrets":{"key":{"canary":1}},"fields":{"a":null}}`))
	whole, err := json.Marshal(values{
		"scheme":   customCredsScheme,
		"base_url": "https://api.example",
		"secrets":  values{"key": "canary-key", "salt": "63616e617279"},
		"fields":   values{"account": "acme", "label": "", "zone": "eu"},
	})
	require.NoError(f, err)
	f.Add(whole)
	logsIn, err := json.Marshal(values{
		"scheme":          loginScheme,
		"base_url":        "https://api.example",
		"min_ttl":         20,
		"request_timeout": "canary",
		"secrets":         values{"client_secret": "canary-secret"},
		"fields":          values{"client_id": "id"},
	})
	require.NoError(f, err)
	f.Add(logsIn)
	f.Add([]byte(strings.Replace(string(logsIn), `"canary"`, "12", 1)))
	f.Fuzz(func(t *testing.T, entry []byte) {
		m := newOfflineMount(t)
		m.put("config/custom/x", entry)
		for path, operation := range map[string]logical.Operation{
			"config/custom/x":     logical.ReadOperation,
			"creds/custom/x":      logical.ReadOperation,
			"sign/custom/x":       logical.UpdateOperation,
			"sign/custom/x/batch": logical.UpdateOperation,
			"check/custom/x":      logical.UpdateOperation,
			"status/custom/x":     logical.ReadOperation,
		} {
			_, status, text := m.handle(operation, path, nil)
			require.Contains(t, []int{http.StatusOK, http.StatusBadRequest, http.StatusInternalServerError}, status, text)
			require.NotContains(t, text, "canary")
			if status == http.StatusInternalServerError {
				require.Contains(t, text, "is damaged; delete the config and write it again")
			}
		}
		if _, text := m.answer(m.request(logical.UpdateOperation, "config/custom/x", m.customCreds())); text != "" {
			require.Contains(t, text, "is damaged")
			m.must(logical.DeleteOperation, "config/custom/x", nil)
			m.write("config/custom/x", m.customCreds())
		}
		m.read("creds/custom/x")
	})
}

// No parameters, on any path, cause a panic, an internal error, or an error that quotes a secret. Readers can use every
// config that a write stores.
func FuzzParameters(f *testing.F) {
	operations := []logical.Operation{
		logical.UpdateOperation, logical.ReadOperation, logical.PatchOperation, logical.DeleteOperation,
		logical.ListOperation,
	}
	prefixes := []string{
		"config/pave/", "config/avanan/", "creds/pave/", "creds/avanan/", "sign/avanan/", "config/custom/", "creds/custom/",
		"sign/custom/",
	}
	for _, seed := range []struct {
		prefix uint8
		name   string
		body   string
	}{
		{0, "main", `{"username":"acme","api_key":"key","api_secret":"canary-secret","ttl":"20s"}`},
		{0, "main", `{"username":["canary"],"api_secret":{"canary":1},"ttl":1e300}`},
		{1, "us", `{"app_id":"US:app","secret_key":"canary-secret","min_ttl":"1h","verify":"false","ca_cert":"canary"}`},
		{1, "prod", `{"region":null,"base_url":"http://127.0.0.1:1/../canary","request_timeout":-1}`},
		{4, "us", `{"request_string":"/v1.0/scopes"}`},
		{4, "us/batch", `{"request_strings":["/v1.0/a",null,"/b,c"]}`},
		{2, "a.b-c", `{"name":"canary"}`},
		{5, "ovh", `{"scheme":"secrets: {canary: {}}","base_url":"https://api.example"}`},
		{5, "ovh", `{"application_secret":"canary-secret","consumer_key":"canary","application_key":null}`},
		{5, "ovh", `{"scheme":5,"base_url":["canary"],"application_secret":{"canary":1}}`},
		{7, "ovh", `{"method":"GET","request_string":"/1.0/me","body":"canary"}`},
		{7, "ovh", `{"method":["GET"],"request_string":"/1.0/../canary","unauthorized":"canary"}`},
		{7, "ovh/batch", `{"requests":[{"method":"GET","request_string":"/1.0/me"},{"canary":"canary"}]}`},
		{7, "ovh/batch", `{"requests":[{"method":1},["canary"],null,"canary"]}`},
		{4, "us/batch", `{"requests":[{"request_string":"/v1.0/a"}],"request_strings":["canary"]}`},
		{6, "ovh", `{"method":"canary"}`},
		{5, "cc", `{"client_secret":"canary-secret","base_url":"https://b.example","min_ttl":"1h"}`},
		{5, "cc", `{"verify":"canary","request_timeout":31,"ca_cert":"canary"}`},
		{6, "cc", `{"min_ttl":"30m","unauthorized":true}`},
		{6, "cc", `{"min_ttl":["canary"]}`},
	} {
		for operation := range operations {
			f.Add(uint8(operation), seed.prefix, seed.name, []byte(seed.body))
		}
	}
	f.Fuzz(func(t *testing.T, operation, prefix uint8, name string, body []byte) {
		var data values
		if json.Unmarshal(body, &data) != nil {
			return
		}
		m := newOfflineMount(t)
		m.write("config/pave/main", values{"username": "acme", "api_key": "key", "api_secret": "canary-old"})
		m.write("config/avanan/us", values{"app_id": "US:app", "secret_key": "canary-old"})
		m.write("config/custom/ovh", m.customValues())
		m.write("config/custom/cc", loginConfig("https://api.example"))
		path := prefixes[int(prefix)%len(prefixes)] + name
		status, text := m.answer(m.request(operations[int(operation)%len(operations)], path, data))
		require.Contains(t, []int{
			http.StatusOK, http.StatusNoContent, http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed,
		}, status, text)
		inNames := strings.Contains(name+strings.Join(slices.Collect(maps.Keys(data)), ""), "canary")
		require.False(t, !inNames && strings.Contains(text, "canary"), text)
		for key := range m.stored() {
			name := strings.TrimPrefix(key, "config/")
			if strings.HasPrefix(name, "custom/") { // whether it serves creds/ or sign/, it has examples
				m.advance(checkInterval)
				m.must(logical.UpdateOperation, "check/"+name, nil)
				continue
			}
			m.read("creds/" + name)
		}
	})
}
