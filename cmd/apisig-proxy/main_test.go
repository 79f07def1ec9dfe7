package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "VAULT_") {
			_ = os.Unsetenv(name)
		}
	}
	_ = os.Setenv("VAULT_MAX_RETRIES", "0")
	os.Exit(m.Run())
}

func TestFlags(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, run(nil), "usage: apisig-proxy -config file [-check [-vault]]")
	require.ErrorContains(t, run([]string{"-config", "a", "-vault"}), "usage")
	require.ErrorContains(t, run([]string{"-config", "a", "b"}), "usage")
	require.ErrorIs(t, run([]string{"-config", filepath.Join(t.TempDir(), "none"), "-check"}), os.ErrNotExist)
	require.NoError(t, run([]string{"-config", "../../examples/proxy/apisig-proxy.yml", "-check"}))
	require.NoError(t, run([]string{"-version"}))
	file := filepath.Join(t.TempDir(), "proxy.yml")
	require.NoError(t, os.WriteFile(file, []byte("listen: 0.0.0.0:1\nroutes: {}"), 0o600))
	require.ErrorContains(t, run([]string{"-config", file, "-check"}), file+":1: listen must be a loopback address")
	const noCertificate = "listen: 127.0.0.1:1\nvault: {ca_cert: /none.pem}\n" +
		"routes: {/a: {creds: m/creds/a/b, allow: [GET /]}}"
	require.NoError(t, os.WriteFile(file, []byte(noCertificate), 0o600))
	require.ErrorContains(t, run([]string{"-config", file, "-check"}), "/none.pem")
}

// The memory that the process keeps to follows the configuration, unless the environment says how much it is.
func TestMemoryLimitFollowsTheConfiguration(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	file := filepath.Join(t.TempDir(), "proxy.yml")
	write := func(more string) {
		content := "listen: 127.0.0.1:1\nroutes: {/a: {creds: m/creds/a/b, allow: [GET /]}}\n" + more
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	}
	for more, want := range map[string]int64{"": 256 << 20, "body_memory: 1GiB": 1<<30 + 192<<20} {
		write(more)
		_, err := load(file)
		require.NoError(t, err)
		require.Equal(t, want, debug.SetMemoryLimit(-1))
	}
	t.Setenv("GOMEMLIMIT", "1GiB")
	debug.SetMemoryLimit(1 << 30)
	_, err := load(file)
	require.NoError(t, err)
	require.EqualValues(t, 1<<30, debug.SetMemoryLimit(-1))
}

// vault is a server in Vault's place.
type vault struct {
	*httptest.Server
	revoked string // a token that is denied

	mu     sync.Mutex
	seen   []string // token, namespace and target of requests
	status int
	body   string
}

func newVault(t *testing.T, status int, body string) *vault {
	t.Helper()
	v := &vault{status: status, body: body}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		token := r.Header.Get("X-Vault-Token")
		v.seen = append(v.seen, fmt.Sprint(token, " ", r.Header.Get("X-Vault-Namespace"), " ", r.URL.RequestURI()))
		if token != "" && token == v.revoked {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.WriteHeader(v.status)
		_, _ = fmt.Fprint(w, v.body)
	}))
	t.Cleanup(v.Close)
	return v
}

const headers = `{"data": {"headers": {"Authorization": "canary", "x-av-req-id": "id"}, ` +
	`"base_url": "https://vendor.example", "ttl": 100}, "warnings": ["stale"]}`

var creds = &proxy.Route{Path: "apisig/creds/pave/main"}

func signerFor(t *testing.T, vault proxy.Vault) (*backend, signing.Signer) {
	t.Helper()
	backend, err := connect(vault, &unwrapper{now: time.Now})
	require.NoError(t, err)
	return backend, backend.Signer(creds, nil)
}

// later is a clock that goes on by a second whenever it is read.
func later() func() time.Time {
	var reads atomic.Int64
	started := time.Now()
	return func() time.Time { return started.Add(time.Duration(reads.Add(1)) * time.Second) }
}

// Headers are read with the token that is in the file, cached, and read again with another token. A file that cannot be
// read for a moment changes nothing.
func TestHeadersAreDroppedWhenTheTokenChanges(t *testing.T) {
	t.Parallel()
	v := newVault(t, http.StatusOK, headers)
	file := filepath.Join(t.TempDir(), "token")
	made, signer := signerFor(t, proxy.Vault{Address: v.URL, TokenFile: file, Namespace: "team"})
	made.now = later()
	_, err := signer.Sign(t.Context(), client.Call{})
	require.EqualError(t, err, "vault.token_file is missing, unreadable or empty")
	ids := map[string]bool{}
	for i, token := range []string{"one\n", "one", "", "two", "two"} {
		require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
		signed, err := signer.Sign(t.Context(), client.Call{})
		require.NoError(t, err)
		require.Equal(t, "canary", signed.Headers["Authorization"])
		require.Equal(t, []string{"stale"}, signed.Warnings)
		require.Equal(t, "https://vendor.example", signed.BaseURL)
		ids[signed.Headers["x-av-req-id"]] = true
		require.Len(t, ids, i+1, "each call has a request id of its own")
	}
	require.NoError(t, os.Remove(file))
	signed, err := signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
	const path = " team /v1/apisig/creds/pave/main"
	require.Equal(t, []string{"one" + path, "two" + path}, v.seen)
	_, err = signer.Sign(t.Context(), client.Call{Rejected: signed})
	require.NoError(t, err)
	require.Equal(t, []string{"one" + path, "two" + path, "two" + path + "?unauthorized=true"}, v.seen)
}

// What went wrong with Vault has its status and a reason, and quotes no answer that is not Vault's own error.
func TestErrorsOfVaultAreExplained(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	const answer = "the answer of apisig/creds/pave/main "
	noTLS := strings.Replace(newVault(t, 200, "").URL, "http:", "https:", 1)
	for name, row := range map[string]struct{ address, want string }{
		"denied":     {newVault(t, 403, `{"errors": ["no"]}`).URL, "Vault answered with status 403: no"},
		"sealed":     {newVault(t, 503, `{"errors": ["sealed"]}`).URL, "Vault answered with status 503: sealed"},
		"no JSON":    {newVault(t, 502, `<html>canary`).URL, "Vault answered with status 502: no reason given"},
		"no headers": {newVault(t, 200, `{"data": {"canary": 1}}`).URL, answer + "has no headers"},
		"empty":      {newVault(t, 404, `{"errors": []}`).URL, answer + "is empty"},
		"closed":     {closed.URL, "no answer from Vault: could not connect"},
		"no TLS":     {noTLS, "no answer from Vault: TLS: the server does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, signer := signerFor(t, proxy.Vault{Address: row.address})
			_, err := signer.Sign(t.Context(), client.Call{})
			require.EqualError(t, err, row.want)
			_, is := errors.AsType[*client.Failure](err)
			require.True(t, is)
		})
	}
	_, signer := signerFor(t, proxy.Vault{Address: closed.URL})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := signer.Sign(ctx, client.Call{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		body    string
		healthy bool
	}{
		"unsealed":        {`{"initialized": true, "sealed": false}`, true},
		"sealed":          {`{"initialized": true, "sealed": true}`, false},
		"not initialized": {`{"initialized": false}`, false},
		"no JSON":         {`<html>`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backend, _ := signerFor(t, proxy.Vault{Address: newVault(t, 200, row.body).URL})
			require.Equal(t, row.healthy, backend.Health(t.Context()) == nil)
		})
	}
}

// Where the file is silent, the environment's address and token hold.
func TestEnvironmentHoldsWhereTheFileIsSilent(t *testing.T) {
	file, environment := newVault(t, http.StatusOK, headers), newVault(t, http.StatusOK, headers)
	t.Setenv("VAULT_ADDR", environment.URL)
	t.Setenv("VAULT_TOKEN", "of the environment")
	t.Setenv("VAULT_NAMESPACE", "of the environment")
	_, signer := signerFor(t, proxy.Vault{})
	_, err := signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
	require.Equal(t, []string{"of the environment of the environment /v1/apisig/creds/pave/main"}, environment.seen)
	t.Setenv("VAULT_AGENT_ADDR", environment.URL)
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("of-the-file"), 0o600))
	_, signer = signerFor(t, proxy.Vault{Address: file.URL, Namespace: "file", TokenFile: token})
	_, err = signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
	require.Equal(t, []string{"of-the-file file /v1/apisig/creds/pave/main"}, file.seen)
}
