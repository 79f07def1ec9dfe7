package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	engine "github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
)

// checked is what check writes, and its error.
func checked(t *testing.T, text string, askVault bool) (string, error) {
	t.Helper()
	config, err := proxy.Parse("f.yml", []byte(text))
	require.NoError(t, err)
	made, err := connect(config.Vault, &unwrapper{now: time.Now})
	require.NoError(t, err)
	var out strings.Builder
	err = check(t.Context(), &out, "f.yml", config, made, askVault)
	return out.String(), err
}

// checkScheme is batchScheme with a parameter that no route of the proxy can send.
var checkScheme = strings.Replace(batchScheme, "request_string: {}",
	"request_string: {}, order: {pattern: '[0-9]', optional: true}", 1)

// -check -vault says of each pattern of each route what the engine says, and what a gateway cannot add.
func TestCheckSaysWhatTheEngineMisses(t *testing.T) {
	t.Parallel()
	mount, err := engine.Factory(t.Context(), logical.TestBackendConfig())
	require.NoError(t, err)
	e := &engineOf{mount: mount, asked: map[string]int{}}
	required := strings.Replace(checkScheme, ", optional: true", "", 1)
	required = strings.Replace(required, "request_string: /}", "request_string: /, order: 1}", 1)
	for name, scheme := range map[string]string{"queries": checkScheme, "ordered": required} {
		answer, err := e.update(t.Context(), "config/custom/"+name, map[string]any{
			"scheme": scheme, "base_url": "https://api.example/v1", "key": "canary",
		})
		require.NoError(t, err)
		require.False(t, answer.IsError(), answer)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/sys/health" {
			_ = json.NewEncoder(w).Encode(map[string]any{"initialized": true})
			return
		}
		e.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	config := fmt.Sprintf(`
forward_auth: {listen: 127.0.0.1:1, gateway: nginx}
vault: {address: %q}
routes:
  /both: {sign: m/sign/custom/queries, send: [method, request_string], allow: ["GET /a/{id}", POST /b, "DELETE /c"]}
  /together: {sign: m/sign/custom/ordered/batch, send: [method, request_string], allow: [GET /a]}
  /half: {sign: m/sign/custom/queries, allow: [GET /a]}
  /none: {sign: m/sign/custom/none, allow: [GET /a]}
  /commas: {sign: m/sign/custom/queries, send: [method, request_string], queries: as-sent, allow: [GET /a]}
  /hashed: {sign: m/sign/custom/queries, send: [method, request_string, body_sha256], allow: [GET /a]}
`, server.URL)
	said, err := checked(t, config, true)
	require.EqualError(t, err, "6 of the calls that f.yml allows are not signed")
	require.NotContains(t, said, "is valid")
	require.NotContains(t, said, "canary")
	const cannot = "gateways cannot ask for this route: they "
	for _, line := range []string{
		"warning: route /hashed: " + cannot + "ask without a body and its headers, and it sends body_sha256",
		"route /both: GET /a/0 is signed",
		"warning: route /both: " + cannot + "add headers, and Vault appends a query",
		"route /both: POST /b is signed",
		"route /both: DELETE /c is not signed: Vault answered with status 400: method ",
		"route /together: GET /a is not signed: Vault answered with status 400: requests[0]: order is required; this takes " +
			"method, request_string, order (add order to the route's send; if send does not take it, only package client ",
		"route /half: GET /a is not signed: Vault answered with status 400: method is required",
		"(add method to the route's send; ",
		"route /none: GET /a is not signed: Vault answered with status 400: ",
		"route /commas: GET /a is signed",
		"route /commas: GET /a?a=1,2;b=3 is not signed: Vault answered with status 400: request_string contains a comma",
		"route /hashed: GET /a is not signed: Vault answered with status 400: unknown parameter \"body_sha256\"; this takes ",
	} {
		require.Contains(t, said, line)
	}
	require.Equal(t, 1, strings.Count(said, "warning: route /both"))
	said, err = checked(t, config, false)
	require.NoError(t, err)
	require.Equal(t, "warning: route /hashed: "+cannot+
		"ask without a body and its headers, and it sends body_sha256\nf.yml is valid\n", said)
}

// A missing token is a warning; with -vault it is an error. A wrapped token is not unwrapped: that works only once, and
// the proxy needs it.
func TestCheckOfTheToken(t *testing.T) {
	t.Parallel()
	const answer = `{"initialized": true, "data": {"headers": {"A": "b"}, "base_url": "https://v.example"}}`
	v := newVault(t, http.StatusOK, answer)
	t.Cleanup(func() { // after all of them
		require.NotContains(t, fmt.Sprint(v.seen), "wrapping", "a wrapped token is not used")
		require.NotEmpty(t, v.seen)
	})
	const missing = "vault.token_file is missing, unreadable or empty: no call is signed until it has a token"
	for name, row := range map[string]struct {
		token, warning, fault, vaultFault string
	}{
		"missing":  {"", "warning: " + missing + " (FILE)\n", "", missing},
		"there":    {"hvs.token", "", "", ""},
		"wrong":    {"a b", "", "must have a token and nothing else", "must have a token and nothing else"},
		"a prompt": {"\xef\xbb\xbfhvs", "", "byte-order mark", "byte-order mark"},
		"wrapped":  {fmt.Sprintf(wrappedFile, "wrapping", "sys/wrapping/wrap"), "", "", "can be unwrapped once only"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "token")
			if row.token != "" {
				require.NoError(t, os.WriteFile(file, []byte(row.token), 0o600))
			}
			text := fmt.Sprintf("listen: 127.0.0.1:1\nvault: {address: %q, token_file: %q}\n"+
				"routes: {/a: {creds: m/creds/a/b, allow: [GET /]}}", v.URL, file)
			said, err := checked(t, text, false)
			if row.fault != "" {
				require.ErrorContains(t, err, row.fault)
			} else {
				require.NoError(t, err)
				require.Equal(t, strings.ReplaceAll(row.warning, "FILE", file)+"f.yml is valid\n", said)
			}
			said, err = checked(t, text, true)
			if row.vaultFault != "" {
				require.ErrorContains(t, err, row.vaultFault)
			} else {
				require.NoError(t, err)
				require.Equal(t, "route /a: GET / is signed\nf.yml is valid\n", said)
			}
		})
	}
}

func TestCheckAsksAVaultThatAnswers(t *testing.T) {
	t.Parallel()
	sealed := newVault(t, http.StatusOK, `{"initialized": true, "sealed": true}`)
	text := fmt.Sprintf("listen: 127.0.0.1:1\nvault: {address: %q}\nroutes: {/a: {creds: m/creds/a/b, allow: [GET /]}}",
		sealed.URL)
	_, err := checked(t, text, true)
	require.EqualError(t, err, "vault.address, else VAULT_ADDR, leads to no unsealed Vault: sealed")
	require.Len(t, sealed.seen, 1)
}
